// Stories of plain conversations: who answers, who waits, and what a turn carries.
import { z } from 'zod';
import { defineTool } from '../../src/agents/define.ts';
import { held, scripted } from '../../src/testing.ts';
import type { Stories } from './story.ts';

const busy = (policy: 'enqueue' | 'reject' | 'interrupt' | 'steer', more = {}) => ({
  agents: [
    scripted(
      'helper',
      [held('To the first.'), (message) => `To "${message.replaceAll('\n', ' + ')}".`, 'To another.'],
      {
        triggers: ['please'],
      },
    ),
  ],
  settings: { busy: policy, ...more },
});

export const conversation: Stories = {
  'a message is answered by the agent that it names, or whose trigger it says': {
    cast: () => ({
      agents: [
        scripted('greeter', ['Hello!', 'Ask the seller.'], { triggers: ['hi'] }),
        scripted('seller', ['Ten.'], { triggers: ['price'] }),
      ],
    }),
    transcript: `
      user: hi
      assistant: Hello!
      user: what is the price?
      assistant: Ten.
      user(agent=greeter): what is the price?
      assistant: Ask the seller.
      state: automated/idle
    `,
  },

  'a message that matches nothing fails, and says so': {
    cast: () => ({ agents: [scripted('greeter', ['Hello!'], { triggers: ['hi'] })] }),
    transcript: `
      user: what is the price?
      failed: no_match: no agent matches this message
    `,
  },

  'a message that matches nothing is answered by handleNoMatch, where there is one': {
    cast: () => ({
      agents: [scripted('greeter', ['Hello!'], { triggers: ['hi'] })],
      handleNoMatch: (message) => `What do you mean by "${message}"?`,
    }),
    transcript: `
      user: what is the price?
      assistant: What do you mean by "what is the price?"?
    `,
  },

  'busy: enqueue — a second message waits until the first turn is done': {
    cast: () => busy('enqueue'),
    transcript: `
      user: please one
      user: please two
      state: automated/running.attempting
      agent(helper) goes on
      assistant: To the first.
      assistant: To "please two".
      state: automated/idle
    `,
  },

  'busy: reject — a second message is refused while the first is answered': {
    cast: () => busy('reject'),
    transcript: `
      user: please one
      user: please two
      refused: busy: the session is answering another message
      agent(helper) goes on
      assistant: To the first.
      user: please two
      assistant: To "please two".
    `,
  },

  'busy: interrupt — a second message ends the answer to the first': {
    cast: () => busy('interrupt'),
    transcript: `
      user: please one
      user: please two
      cancelled: superseded by a newer message
      assistant: To "please two".
    `,
  },

  'busy: steer — a second message joins the first, and both are answered together': {
    cast: () => busy('steer'),
    transcript: `
      user: please one
      user: please two
      joined: s1-r1
      assistant: To "please one + please two".
    `,
  },

  'busy: steer — a message for another agent waits for its own turn': {
    cast: () => ({ ...busy('steer'), agents: [...busy('steer').agents, scripted('other', ['From the other.'])] }),
    transcript: `
      user: please one
      user(agent=other): please two
      agent(helper) goes on
      assistant: To the first.
      assistant: From the other.
    `,
  },

  'busy: steer — a message in another flow waits for its own turn': {
    cast: () => ({
      ...busy('steer'),
      flows: { day: { agent_type: 'helper' }, night: { agent_type: 'helper' } },
    }),
    transcript: `
      user(flow=day): one
      user(flow=night): two
      agent(helper) goes on
      assistant: To the first.
      assistant: To "two".
    `,
  },

  'a full queue refuses, and takes messages again when there is room': {
    cast: () => busy('enqueue', { queue_limit: 1 }),
    transcript: `
      user: please one
      user: please two
      user: please three
      refused: queue_full: 1 messages wait already; try again later
      agent(helper) goes on
      assistant: To the first.
      assistant: To "please two".
      user: please four
      assistant: To another.
    `,
  },

  'tenants have sessions of the same name and never meet': {
    cast: () => ({ agents: [scripted('helper', [held('For acme.'), 'For zeta.'], { triggers: ['hi'] })] }),
    transcript: `
      acme/s1> user: hi from acme
      zeta/s1> user: hi from zeta
      zeta/s1> assistant: For zeta.
      acme/s1> agent(helper) goes on
      acme/s1> assistant: For acme.
      acme/s1> history(full):
        user: hi from acme
        assistant: For acme.
      zeta/s1> history(full):
        user: hi from zeta
        assistant: For zeta.
      s1> supervisor(ann) pauses
      s1> refused: unknown_session: there is no session "s1"
    `,
  },

  'a repeated message with the same key is said once and answered once; with other words it is refused': {
    cast: () => ({ agents: [scripted('helper', ['Once.', 'Twice.'], { triggers: ['hi'] })] }),
    transcript: `
      user(key=k1): hi
      assistant: Once.
      user(key=k1): hi
      user(key=k1): hi there
      refused: idempotency_key_reused: this Idempotency-Key came with another request before; a new request needs a new key
      user(key=k2): hi
      assistant: Twice.
      history(full):
        user: hi
        assistant: Once.
        user: hi
        assistant: Twice.
    `,
  },

  'a flow runs its agent with its parameters and only the tools it lists': {
    cast: () => ({
      agents: [
        scripted('clerk', [
          async (_, { call, tool }) => `${JSON.stringify(call.params)}: ${await tool('add', { a: 1, b: 2 })}`,
          async (_, { tool }) => `${await tool('erase', {})}`,
          async (_, { tool }) => `${await tool('add', { a: 1, b: 2 })}`,
        ]),
      ],
      tools: [
        defineTool({
          name: 'add',
          description: 'adds',
          input: z.object({ a: z.number(), b: z.number() }),
          execute: ({ a, b }) => a + b,
        }),
        defineTool({ name: 'erase', description: 'erases', input: z.object({}), execute: () => 'erased' }),
      ],
      flows: { sums: { agent_type: 'clerk', tools: ['add'], agent_params: { tone: 'dry' } } },
    }),
    transcript: `
      user(flow=sums): add
      assistant: {"tone":"dry"}: 3
      user(flow=sums): erase
      attempt failed: tool_not_allowed: agent "clerk" may not use "erase"; it may use add
      failed: tool_not_allowed: agent "clerk" may not use "erase"; it may use add
      user(agent=clerk): add
      attempt failed: tool_not_allowed: agent "clerk" may not use "add"; it may use no tools
      failed: tool_not_allowed: agent "clerk" may not use "add"; it may use no tools
      user(flow=taxes): add
      refused: unknown_flow: there is no flow "taxes"; there are sums
      user(agent=ghost): add
      refused: unknown_agent: there is no agent "ghost"; there are clerk
    `,
  },

  'shouldProcess refuses with a reason, prepareContext adds context, postProcess rewrites': {
    cast: () => ({
      agents: [scripted('helper', [(_, { call }) => `your plan is ${call.context.plan}`], { triggers: ['plan'] })],
      shouldProcess: ({ message }) => (message.includes('secret') ? { allow: false, reason: 'no secrets' } : true),
      prepareContext: ({ tenant }) => ({ plan: `${tenant}-gold` }),
      postProcess: (answer) => `${answer}!`,
    }),
    transcript: `
      user: tell me the secret plan
      failed: refused: no secrets
      user: tell me the plan
      assistant: your plan is default-gold!
    `,
  },

  'the full history has everybody, the llm history only user and assistant': {
    cast: () => ({
      agents: [
        scripted('helper', [async (_, { tool }) => `It is ${await tool('clock', {})}.`, 'Bye.'], {
          triggers: ['please'],
          tools: [
            defineTool({ name: 'clock', description: 'tells the time', input: z.object({}), execute: () => 'noon' }),
          ],
        }),
      ],
    }),
    transcript: `
      user: please, the time?
      assistant: It is noon.
      supervisor(ann) notes: a regular
      supervisor(ann) takes over
      supervisor(ann): Anything else?
      supervisor(ann) releases
      user: no, please
      assistant: Bye.
      history(full):
        user: please, the time?
        tool: {"type":"tool","name":"clock","input":{},"started_at":0,"output":"noon","ms":0}
        assistant: It is noon.
        supervisor(ann, note): a regular
        supervisor(ann, speak): Anything else?
        user: no, please
        assistant: Bye.
      history(llm):
        user: please, the time?
        assistant: It is noon.
        user: no, please
        assistant: Bye.
    `,
  },
};
