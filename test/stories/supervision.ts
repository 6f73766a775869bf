// Stories of people who step in: pausing, taking over, speaking, whispering, handing back.
import type { AgentContext } from '../../src/agents/definition.ts';
import { held, scripted, streamed } from '../../src/testing.ts';
import type { Stories } from './story.ts';

const helper =
  (...answers: Parameters<typeof scripted>[1]) =>
  () => ({
    agents: [scripted('helper', answers, { triggers: ['please'] })],
  });

export const supervision: Stories = {
  'pause lets the running answer finish, and then no agent is called until somebody resumes': {
    cast: helper(held('One.'), 'Two.'),
    transcript: `
      user: please one
      supervisor(ann) pauses
      state: pausing/running.attempting
      supervisor(bob) pauses
      agent(helper) goes on
      assistant: One.
      control: paused
      state: paused/idle
      user: please two
      kept: paused
      state: paused/idle
      supervisor(ann) resumes
      assistant: Two.
    `,
  },

  'pause at once breaks the answer off, and it is given anew after resuming': {
    cast: helper(streamed('One ', 'two '), 'One two three.'),
    transcript: `
      user: please count
      agent(helper) goes on
      assistant streams: "One "
      supervisor(ann) pauses at once
      suspended
      state: paused/suspended
      supervisor(ann) resumes
      resumed
      assistant: One two three.
    `,
  },

  'resuming while the answer is still being finished goes on as if nobody had paused': {
    cast: helper(held('One.'), 'Two.'),
    transcript: `
      user: please one
      user: please two
      supervisor(ann) pauses
      kept: pausing
      supervisor(ann) resumes
      agent(helper) goes on
      assistant: One.
      assistant: Two.
    `,
  },

  'a takeover in the middle of a stream ends it; the AI answers later only what nobody answered': {
    cast: helper(streamed('Never ', 'heard.'), 'Here I am again.'),
    transcript: `
      user: please one
      agent(helper) goes on
      assistant streams: "Never "
      supervisor(ann) takes over
      suspended
      user: please two
      kept: human
      supervisor(ann): I have read both.
      cancelled: answered by a person
      cancelled: answered by a person
      user: please three
      kept: human
      supervisor(ann) releases
      assistant: Here I am again.
      history(full):
        user: please one
        user: please two
        supervisor(ann, speak): I have read both.
        user: please three
        assistant: Here I am again.
    `,
  },

  'what nobody answered is answered after the release, the broken-off answer first': {
    cast: helper(streamed('Never ', 'heard.'), 'One.', 'Two.'),
    transcript: `
      user: please one
      agent(helper) goes on
      assistant streams: "Never "
      supervisor(ann) takes over
      suspended
      user: please two
      kept: human
      supervisor(ann) releases
      resumed
      assistant: One.
      assistant: Two.
    `,
  },

  'a takeover with a deadline ends by itself, and what came meanwhile is answered': {
    cast: helper('One.', 'Two.'),
    transcript: `
      user: please one
      assistant: One.
      supervisor(ann) takes over for 5m
      user: please two
      kept: human
      advance 299s
      state: human.heldUntil/idle
      advance 1s
      control: automated
      assistant: Two.
    `,
  },

  'one person takes over from another, but not from themself': {
    cast: helper('One.'),
    transcript: `
      user: please one
      assistant: One.
      supervisor(ann) takes over
      supervisor(ann) takes over
      refused: illegal_in_state: takeover is not accepted in human.held/idle
      supervisor(bob) takes over
      supervisor(bob) pauses
      state: paused/idle
      supervisor(bob) resumes
    `,
  },

  'a whisper is heard by the next call only': {
    cast: helper(
      ...Array(3).fill((_: string, { call }: AgentContext) => `I was told: ${call.guidance.join(', ') || 'nothing'}.`),
    ),
    transcript: `
      user: please
      assistant: I was told: nothing.
      supervisor(ann) whispers: be brief
      supervisor(ann) whispers: no jokes
      user: please
      assistant: I was told: be brief, no jokes.
      user: please
      assistant: I was told: nothing.
      history(llm):
        user: please
        assistant: I was told: nothing.
        user: please
        assistant: I was told: be brief, no jokes.
        user: please
        assistant: I was told: nothing.
    `,
  },

  'a note is for staff: neither the user nor the AI hears it': {
    cast: helper('Hello.', async (_, { call, history }) =>
      JSON.stringify([call.guidance, (await history()).map(({ content }) => content)]),
    ),
    transcript: `
      user: please
      assistant: Hello.
      supervisor(ann) notes: be careful
      user: please
      assistant: [[],["please","Hello."]]
      history(full):
        user: please
        assistant: Hello.
        supervisor(ann, note): be careful
        user: please
        assistant: [[],["please","Hello."]]
    `,
  },

  'an agent hands the conversation to a person: its answer is said, and the AI pauses with everything that waits': {
    cast: helper(held({ type: 'handoff', final_message: 'I get somebody.', reason: 'angry' }), 'Back.'),
    transcript: `
      user: please a person
      user: please!
      agent(helper) goes on
      assistant: I get somebody.
      control: paused
      kept: paused
      state: paused/idle
      supervisor(ann) takes over
      supervisor(ann) releases
      assistant: Back.
      state: automated/idle
    `,
  },

  'a closed session takes nothing any more': {
    cast: helper(held('One.')),
    transcript: `
      user: please one
      user: please two
      supervisor(ann) closes
      cancelled: session closed
      cancelled: session closed
      state: closed
      user: please three
      refused: session_ended: session s1 is closed
      supervisor(ann) takes over
      refused: session_ended: session s1 is closed
    `,
  },

  'cancelling ends the answer, and the next message is answered': {
    cast: helper(held('One.'), 'Two.'),
    transcript: `
      user: please one
      user: please two
      supervisor(ann) cancels
      cancelled: cancelled
      assistant: Two.
      supervisor(ann) cancels
      refused: illegal_in_state: cancel is not accepted in automated/idle
    `,
  },
};
