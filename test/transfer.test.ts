// A run that goes from agent to agent: a transaction with a receipt, which completes or is undone.
import { expect, onTestFinished, test } from 'vitest';
import { setup } from 'xstate';
import { z } from 'zod';
import { performed } from '../machines/performed.ts';
import type { AgentDefinition, AgentResult } from '../src/agents/definition.ts';
import { Failed } from '../src/platform/errors.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';

async function running(agents: AgentDefinition[], options: TroupeOptions = {}): Promise<Troupe> {
  const troupe = await createTroupe({
    agents,
    ...options,
    settings: { backoff_ms: 0, attempts: 1, ...options.settings },
  });
  onTestFinished(() => troupe.close());
  return troupe;
}

const to = (agent: string, more = {}) => ({ type: 'transfer' as const, agent, reason: 'knows better', ...more });

const oneStep = setup({ actors: { work: performed<AgentResult, unknown>() } }).createMachine({
  id: 'one-step',
  version: '1',
  output: ({ event }) => (event as unknown as { output: AgentResult }).output,
  initial: 'working',
  states: {
    working: { invoke: { src: 'work', onDone: 'done' } },
    done: { type: 'final', output: ({ event }) => event.output },
  },
});

const desk: AgentDefinition = {
  id: 'desk',
  triggers: ['help'],
  run: (_, { call }) =>
    call.decision?.kind === 'transfer'
      ? `${call.task}: ${call.decision.to} could not: ${call.decision.error}`
      : to('expert', { context: { customer: 7 }, task: 'I had to answer myself' }),
};

test('the other agent sees who gave it the run, why, and what it was given along', async () => {
  const troupe = await running([
    desk,
    { id: 'expert', run: (text, { call }) => `${text} ${JSON.stringify(call.context.transfer)}` },
  ]);
  const outcome = await troupe.session('s1').send('help');
  expect(outcome).toMatchObject({
    agent_id: 'expert',
    answer: 'help {"from":"desk","reason":"knows better","context":{"customer":7}}',
  });
  const receipts = outcome.trace.filter(
    (one) => one.type === 'agent_transferred' || one.type === 'transfer_completed' || one.type === 'transfer_failed',
  );
  expect(receipts.map(({ type, receipt, agent_id }) => [type, receipt, agent_id])).toEqual([
    ['agent_transferred', 's1-r1.1', 'desk'],
    ['transfer_completed', 's1-r1.1', 'expert'],
  ]);
});

test.each<[string, AgentDefinition[], string]>([
  ['is not there', [], 'there is no agent "expert"; there are: desk'],
  [
    'fails for good',
    [{ id: 'expert', run: () => Promise.reject(new Failed('broken', 'out of order', false)) }],
    'out of order',
  ],
])('an agent that %s gives the run back, with what the first one left for itself', async (_, others, why) => {
  const troupe = await running([desk, ...others]);
  const outcome = await troupe.session('s1').send('help');
  expect(outcome).toMatchObject({ agent_id: 'desk', answer: `I had to answer myself: expert could not: ${why}` });
  expect(outcome.trace.map(({ type }) => type)).toContain('transfer_failed');
});

test('an agent that does not answer in time gives it back too', async () => {
  const troupe = await running([desk, { id: 'expert', timeout_ms: 20, run: () => new Promise(() => {}) }]);
  expect((await troupe.session('s1').send('help')).answer).toContain('expert could not');
});

test('the other agent may ask the user: then it has the run, and the answer is for it', async () => {
  const troupe = await running([
    desk,
    {
      id: 'expert',
      run: (text, { call }) => (call.task ? `so ${text}` : { type: 'input_required', prompt: 'Which?', task: 1 }),
    },
  ]);
  const session = troupe.session('s1');
  const asked = await session.send('help');
  expect([asked.status, asked.agent_id]).toEqual(['awaiting_input', 'expert']);
  expect(asked.trace.map(({ type }) => type)).toContain('transfer_completed');
  expect(await session.send('this')).toMatchObject({ answer: 'so this', agent_id: 'expert' });
});

test('a flow binds its own agent only: whoever the run is given to has its own tools', async () => {
  const tool = (name: string) => ({ name, description: '', input: z.object({}), execute: () => name });
  const troupe = await running(
    [
      {
        id: 'desk',
        tools: [tool('a'), tool('b')],
        run: (_, { call }) => to('expert', { context: { tools: call.tools } }),
      },
      {
        id: 'expert',
        tools: [tool('c')],
        run: async (_, { tool: use, call }) => `${await use('c', {})} ${JSON.stringify(call.context.transfer)}`,
      },
    ],
    { tools: [tool('a')], flows: { narrow: { agent_type: 'desk', tools: ['a'] } } },
  );
  const { answer } = await troupe.session('s1').send('help', { flow: 'narrow' });
  expect(answer).toBe('c {"from":"desk","reason":"knows better","context":{"tools":["a"]}}');
});

test('an agent that gets a run again works under other keys than the first time', async () => {
  const keys: string[] = [];
  const troupe = await running([
    {
      id: 'ping',
      kind: 'machine',
      triggers: ['play'],
      machine: oneStep,
      actors: {
        work: async (_, { key, call }) => {
          keys.push(key);
          return call.context.transfer ? { type: 'answer', final_message: 'enough' } : to('pong');
        },
      },
    },
    { id: 'pong', run: () => to('ping') },
  ]);
  expect((await troupe.session('s1').send('play')).answer).toBe('enough');
  expect(keys).toEqual(['default/s1-r1/ping#1.0', 'default/s1-r1/ping~2#1.0']);
});

test('agents that give a run to each other for ever are stopped', async () => {
  const troupe = await running(
    [
      { id: 'ping', triggers: ['play'], run: () => to('pong') },
      { id: 'pong', run: () => to('ping') },
    ],
    { settings: { transfers: 3 } },
  );
  const outcome = await troupe.session('s1').send('play');
  expect(outcome).toMatchObject({
    status: 'failed',
    error: { code: 'too_many_transfers', message: 'the run went from agent to agent 3 times' },
  });
});
