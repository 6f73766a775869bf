// Stories of agents that ask: the user for input, a person for approval, the caller for a tool.
import { z } from 'zod';
import { defineAgent } from '../../src/agents/define.ts';
import { held, scripted } from '../../src/testing.ts';
import type { Stories } from './story.ts';

const booking = () =>
  defineAgent({
    kind: 'form',
    id: 'booking',
    triggers: ['book'],
    fields: {
      city: { prompt: 'Which city?', schema: z.string().min(2) },
      nights: { prompt: 'How many nights?', schema: z.coerce.number().int().positive(), invalid: 'A number, please.' },
    },
    run: ({ city, nights }) => `Booked ${nights} nights in ${city}.`,
  });

const asking =
  (...answers: Parameters<typeof scripted>[1]) =>
  () => ({
    agents: [
      scripted('helper', answers, { triggers: ['please'] }),
      scripted('other', ['Ten.'], { triggers: ['price'] }),
    ],
  });

const pay = { type: 'approval_required', action: 'pay', summary: 'Pay 10?', task: { step: 1 } } as const;
const look = { type: 'tool_required', name: 'look', arguments: { at: 'door' }, task: { step: 1 } } as const;

export const questions: Stories = {
  'a form asks for what is missing, asks again when it does not fit, then runs': {
    cast: () => ({ agents: [booking()] }),
    transcript: `
      user: book a hotel
      assistant: Which city?
      state: automated/running.awaitingInput
      user: Rome
      assistant: How many nights?
      user: many
      assistant: A number, please.
        How many nights?
      user: 3
      assistant: Booked 3 nights in Rome.
      state: automated/idle
    `,
  },

  'a form goes on after a takeover where it was': {
    cast: () => ({ agents: [booking()] }),
    transcript: `
      user: book a hotel
      assistant: Which city?
      user: Rome
      assistant: How many nights?
      supervisor(ann) takes over
      state: human.held/running.awaitingInput
      user: are you a person?
      kept: human
      supervisor(ann): Yes. How many nights?
      cancelled: answered by a person
      supervisor(ann) releases
      user: 3
      assistant: Booked 3 nights in Rome.
    `,
  },

  'an answer given while a person had the floor is taken after the release': {
    cast: () => ({ agents: [booking()] }),
    transcript: `
      user: book a hotel
      assistant: Which city?
      user: Rome
      assistant: How many nights?
      supervisor(ann) takes over
      user: 3
      kept: human
      supervisor(ann) releases
      joined: s1-r2 into s1-r1
      assistant: Booked 3 nights in Rome.
    `,
  },

  'the user leaves a form by naming another agent, or by cancelling it': {
    cast: () => ({ agents: [booking(), scripted('other', ['Ten.'])] }),
    transcript: `
      user: book a hotel
      assistant: Which city?
      user(agent=other): what is the price?
      cancelled: the user turned to another agent
      assistant: Ten.
      user: book a hotel
      assistant: Which city?
      user: never mind
      assistant: Cancelled.
    `,
  },

  'a form that nobody answers expires': {
    cast: () => ({ agents: [booking()], settings: { input_ms: 60_000 } }),
    transcript: `
      user: book a hotel
      assistant: Which city?
      advance 1m
      failed: input_expired: the user did not answer in time
      state: automated/idle
    `,
  },

  'a run waits for a person’s decision and goes on with it; other messages wait': {
    cast: asking(pay, (_, { call }) => `${JSON.stringify([call.task, call.decision])}`),
    transcript: `
      user: please pay
      approval wanted: Pay 10?
      state: automated/running.awaitingApproval
      user: what is the price?
      supervisor(ann) approves
      assistant: [{"step":1},{"kind":"approval","decision":"approve","by":"ann"}]
      assistant: Ten.
    `,
  },

  'a rejection has a reason that the agent sees': {
    cast: asking(pay, (_, { call }) => `${JSON.stringify(call.decision)}`),
    transcript: `
      user: please pay
      approval wanted: Pay 10?
      supervisor(ann) rejects: too much
      assistant: {"kind":"approval","decision":"reject","by":"ann","reason":"too much"}
      supervisor(ann) approves
      refused: illegal_in_state: approve is not accepted in automated/idle
    `,
  },

  'an approval that nobody gives expires, and the agent is told': {
    cast: asking(pay, (_, { call }) => `${JSON.stringify(call.decision)}`),
    transcript: `
      user: please pay
      approval wanted: Pay 10?
      advance 1d
      expired
      assistant: {"kind":"approval","decision":"expired"}
    `,
  },

  'an approval given while a person has the floor counts, and is acted on after the release': {
    cast: asking(pay, 'Paid.'),
    transcript: `
      user: please pay
      approval wanted: Pay 10?
      supervisor(ann) takes over
      supervisor(ann) approves
      state: human.held/running.awaitingApproval
      supervisor(ann) releases
      assistant: Paid.
    `,
  },

  'the caller runs a tool, and the agent goes on with what it returns': {
    cast: asking(look, look, look, (_, { call }) => `${JSON.stringify(call.decision)}`),
    transcript: `
      user: please look
      tool wanted: look {"at":"door"}
      state: automated/running.awaitingClientTool
      client returns: {"seen":"a cat"}
      tool wanted: look {"at":"door"}
      client fails: too dark
      tool wanted: look {"at":"door"}
      advance 5m
      expired
      assistant: {"kind":"tool","error":"no result came in time"}
      client returns: 1
      refused: illegal_in_state: tool_result is not accepted in automated/idle
    `,
  },

  'messages that came before the question are not lost': {
    cast: asking(held({ type: 'input_required', prompt: 'Which one?' }), (message) => `You said: ${message}.`),
    transcript: `
      user: please
      user: the red one
      agent(helper) goes on
      assistant: Which one?
      joined: s1-r2 into s1-r1
      assistant: You said: the red one.
    `,
  },

  'a message that names another agent is not taken for the answer to this one’s question': {
    cast: asking(held({ type: 'input_required', prompt: 'Which one?' }), 'never'),
    transcript: `
      user: please
      user(agent=other): what is the price?
      agent(helper) goes on
      assistant: Which one?
      cancelled: the user turned to another agent
      assistant: Ten.
    `,
  },
};
