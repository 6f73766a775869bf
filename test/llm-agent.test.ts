// Agents that call a model, against a real server that speaks the OpenAI API: what is said, called, asked, remembered and told.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { sessionMachine } from '../machines/session/machine.ts';
import { defineAgent, defineTool } from '../src/agents/define.ts';
import type { LlmAgent } from '../src/agents/definition.ts';
import type { Journal } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { OpenAiModels } from '../src/llm/models.ts';
import { refold } from '../src/sessions/replay.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';
import { askedIn } from './agents.ts';
import { KEY, scriptedModel } from './llm.ts';

type Script = Parameters<typeof scriptedModel>[0];

const weather = defineTool({
  name: 'weather',
  description: 'The weather in a city.',
  input: z.object({ city: z.string() }),
  execute: ({ city }) => ({ city, degrees: city.length }),
});
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  input: z.object({ amount: z.number() }),
  approval: ({ amount }) => amount > 10 && `pay ${amount} euros?`,
  execute: ({ amount }) => `paid ${amount}`,
});
const locate = defineTool({ name: 'locate', description: 'Where the user is.', input: z.object({}), client: true });

async function serving(script: Script, agent: Partial<LlmAgent> = {}, options: TroupeOptions = {}) {
  const server = await scriptedModel(script);
  const models = new OpenAiModels({
    settings: { founder: { base_url: server.url, api_key: KEY, model: 'test-model' } },
  });
  const helper = defineAgent({
    id: 'helper',
    kind: 'llm',
    instructions: 'Be brief.',
    tools: [weather, pay, locate],
    triggers: ['help'],
    ...agent,
  });
  const troupe = await createTroupe({
    pool: { models },
    settings: { backoff_ms: 1 },
    ...options,
    agents: [helper, ...(options.agents ?? [])],
  });
  onTestFinished(() => troupe.close());
  const say = (text: string, more = {}) => troupe.session('s1').send(text, { agent_id: 'helper', ...more });
  return { server, troupe, say };
}

const entries = async (troupe: { journal: Journal }) =>
  (await troupe.journal.read({ tenant: 'default', session: 's1' })).map(({ entry }) => entry);
const eventTypes = async (troupe: Troupe) => (await entries(troupe)).map(({ event }) => event.type);
const roles = (request: { body: any } | undefined) => request?.body.messages.map(({ role }: any) => role).join(' ');

test('an answer of the model is the answer of the run, and costs no more entries than any other', async () => {
  const { say, troupe, server } = await serving(['Hello there.']);
  const outcome = await say('hello');
  expect(outcome).toMatchObject({ status: 'done', answer: 'Hello there.' });
  expect(await eventTypes(troupe)).toEqual(['message', 'xstate.done.actor.agent']);
  expect(server.requests[0]!.body.messages).toEqual([
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'hello' },
  ]);
});

test('the conversation before is what the model sees next time', async () => {
  const { say, server } = await serving(['One.', 'Two.']);
  await say('first');
  await say('second');
  expect(roles(server.requests[1])).toBe('system user assistant user');
});

test('tools are called at once, each result is remembered, and the model is told all of them in its own order', async () => {
  const { say, troupe, server } = await serving([
    {
      calls: [
        { id: 'a', name: 'weather', arguments: { city: 'Oslo' } },
        { id: 'b', name: 'weather', arguments: { city: 'Rome' } },
      ],
    },
    'Both are fine.',
  ]);
  const outcome = await say('weather?');
  expect(outcome.answer).toBe('Both are fine.');
  expect(await eventTypes(troupe)).toEqual([
    'message',
    'progressed',
    'progressed',
    'progressed',
    'xstate.done.actor.agent',
  ]);
  expect(roles(server.requests[1])).toBe('system user assistant tool tool');
  expect(server.requests[1]!.body.messages.at(-2)).toEqual({
    role: 'tool',
    tool_call_id: 'a',
    content: '{"city":"Oslo","degrees":4}',
  });
  expect(outcome.trace.map(({ type }) => type)).toEqual([
    'message_accepted',
    'run_started',
    'user_input',
    'run_routed',
    'agent_invoke_started',
    'model_replied',
    'tool_called',
    'tool_called',
    'tool_finished',
    'tool_finished',
    'model_replied',
    'agent_invoke_done',
    'run_done',
  ]);
});

test('the full history has the tools, the llm history has not', async () => {
  const { say, troupe } = await serving([{ calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] }, 'Fine.']);
  await say('weather?');
  const full = await troupe.session('s1').history();
  expect(full.map(({ role }) => role)).toEqual(['user', 'tool', 'assistant']);
  expect(JSON.parse(full[1]!.content)).toMatchObject({ name: 'weather', output: { city: 'Oslo', degrees: 4 } });
  expect((await troupe.session('s1').history('llm')).map(({ role }) => role)).toEqual(['user', 'assistant']);
});

test('what was said between tools is part of the answer, streamed as it is told in the end', async () => {
  const { troupe } = await serving([
    { text: 'Let me see.', calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] },
    'It is fine.',
  ]);
  const said: string[] = [];
  let answer: string | null = null;
  for await (const event of troupe.session('s1').stream('weather?', { agent_id: 'helper' })) {
    if (event.type === 'message_chunk') said.push(event.text);
    if (event.type === 'outcome') answer = event.answer;
  }
  expect(answer).toBe('Let me see.\n\nIt is fine.');
  expect(said.join('')).toBe(answer);
});

test.each([
  ['throws', 'boom', /boom/],
  ['gets what it does not take', 'strict', /does not take/],
  ['is not there', 'nothing', /there is no tool "nothing"/],
])('a tool that %s is told to the model, which goes on', async (_, name, told) => {
  const boom = defineTool({
    name: 'boom',
    description: '',
    input: z.object({}),
    execute: () => Promise.reject(new Error('boom')),
  });
  const strict = defineTool({ name: 'strict', description: '', input: z.object({ n: z.number() }), execute: () => 1 });
  const { say, server } = await serving([{ calls: [{ name, arguments: {} }] }, 'Sorry.'], { tools: [boom, strict] });
  expect((await say('do it')).answer).toBe('Sorry.');
  expect(server.requests[1]!.body.messages.at(-1)!.content).toMatch(told);
});

test('a model that is asked again with words that were steered into the run is asked under another key', async () => {
  let replies = 0;
  const script = () => {
    replies += 1;
    return replies === 1 ? new Promise<never>(() => {}) : 'Both.';
  };
  const { say, server } = await serving(script, {}, { settings: { busy: 'steer' } });
  const first = say('one');
  await expect.poll(() => server.requests.length).toBe(1);
  expect((await say('two')).answer).toBe('Both.');
  await first;
  expect(server.requests.map(({ body }) => body.messages.length)).toEqual([2, 3]);
  expect(new Set(server.requests.map(({ headers }) => headers['idempotency-key'])).size).toBe(2);
});

test('a call that needs a yes waits for a person; approved, it is made once, with what the person changed', async () => {
  const { say, troupe, server } = await serving([
    { calls: [{ id: 'p', name: 'pay', arguments: { amount: 50 } }] },
    'Done.',
  ]);
  const asked = await say('pay 50');
  expect(asked).toMatchObject({
    status: 'awaiting_approval',
    question: { action: 'pay', summary: 'pay 50 euros?', details: { arguments: { amount: 50 } } },
  });
  const approval = askedIn(asked);
  await troupe.session('s1').approve({ approval, decision: 'approve', by: 'ann', arguments: { amount: 20 } });
  await settled(troupe);
  expect((await troupe.session('s1').history('llm')).at(-1)!.content).toBe('Done.');
  expect(server.requests[1]!.body.messages.at(-1)!.content).toMatch(/changed by ann.*\n.*paid 20/s);
});

test('a call that a person rejects is never made, and the model is told who and why', async () => {
  const { say, troupe, server } = await serving([
    { calls: [{ name: 'pay', arguments: { amount: 50 } }] },
    'All right, not.',
  ]);
  const { question } = await say('pay 50');
  await troupe
    .session('s1')
    .approve({ approval: askedIn({ question }), decision: 'reject', by: 'ann', reason: 'too much' });
  await settled(troupe);
  expect(server.requests[1]!.body.messages.at(-1)!.content).toBe('Not done: rejected by ann: too much');
});

test('a tool of the caller waits for the caller', async () => {
  const { say, troupe, server } = await serving([{ calls: [{ name: 'locate', arguments: {} }] }, 'You are in Oslo.']);
  const asked = await say('where am I?');
  expect(asked).toMatchObject({ status: 'awaiting_tool', question: { name: 'locate' } });
  await troupe.session('s1').toolResult({ call: askedIn(asked), result: { city: 'Oslo' } });
  await settled(troupe);
  expect(server.requests[1]!.body.messages.at(-1)!.content).toBe('{"city":"Oslo"}');
});

test('after max_steps the model is asked once more, without tools', async () => {
  const again = { calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] };
  const { say, server } = await serving([again, again, 'That is all I know.'], { max_steps: 2 });
  expect((await say('weather?')).answer).toBe('That is all I know.');
  expect(server.requests.map(({ body }) => body.tools?.length ?? 0)).toEqual([3, 3, 0]);
});

test('a model that fails is asked again, and what was done before is not done again', async () => {
  let made = 0;
  const count = defineTool({
    name: 'count',
    description: '',
    input: z.object({}),
    execute: () => {
      made += 1;
      return made;
    },
  });
  const { say, server } = await serving(
    [{ calls: [{ name: 'count', arguments: {} }] }, { status: 500 }, { status: 429, retry_after: 0 }, 'One.'],
    { tools: [count] },
  );
  expect((await say('count')).answer).toBe('One.');
  expect(made).toBe(1);
  expect(server.requests).toHaveLength(4);
  expect(roles(server.requests[3])).toBe('system user assistant tool');
});

test('a run is given to another agent, and comes back when that one cannot take it', async () => {
  const transfer = { calls: [{ name: 'transfer_to_billing', arguments: { reason: 'an invoice' } }] };
  const { say, server, troupe } = await serving(
    [transfer],
    { transfers: ['billing'] },
    { agents: [{ id: 'billing', run: (_, { call }) => `Billing, about ${(call.context.transfer as any).reason}.` }] },
  );
  const outcome = await say('my invoice');
  expect(outcome).toMatchObject({ answer: 'Billing, about an invoice.', agent_id: 'billing' });
  expect(outcome.trace.map(({ type }) => type)).toContain('transfer_completed');

  await troupe.pool.deregister('*', 'billing');
  server.say(transfer, 'Nobody is there.');
  const back = await say('my invoice');
  expect(back).toMatchObject({ answer: 'Nobody is there.', agent_id: 'helper' });
  expect(server.requests.at(-1)!.body.messages.at(-1)!.content).toMatch(/^Not done: billing could not take/);
});

test('a whisper is read by the next call of the model, and not by the one after', async () => {
  const { say, troupe, server } = await serving(['One.', 'Two.', 'Three.']);
  await say('first');
  await troupe.session('s1').inject({ mode: 'whisper', content: 'offer a refund', by: 'ann' });
  await say('second');
  await say('third');
  const whispered = server.requests.map(({ body }) => JSON.stringify(body.messages).includes('offer a refund'));
  expect(whispered).toEqual([false, true, false]);
});

test('a flow narrows the tools and sets the parameters', async () => {
  const { troupe, server } = await serving(
    ['Hi.'],
    {},
    {
      tools: [weather, pay],
      flows: { calm: { agent_type: 'helper', tools: ['pay'], agent_params: { temperature: 0, model: 'small' } } },
    },
  );
  await troupe.session('s1').send('hello', { flow: 'calm' });
  const { tools, temperature, model } = server.requests[0]!.body;
  expect([tools!.map((tool) => tool.type === 'function' && tool.function.name), temperature, model]).toEqual([
    ['pay'],
    0,
    'small',
  ]);
});

test('a takeover in the middle of a turn ends it; when the AI is back it goes on from what was remembered', async () => {
  let calls = 0;
  const slow = defineTool({
    name: 'slow',
    description: '',
    input: z.object({}),
    execute: (_, { signal }) => {
      calls += 1;
      return calls > 1
        ? 'late'
        : new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const { troupe, server } = await serving([{ calls: [{ name: 'slow', arguments: {} }] }, 'Here I am.'], {
    tools: [slow],
  });
  const session = troupe.session('s1');
  const first = session.send('go', { agent_id: 'helper' });
  await expect.poll(() => calls).toBe(1);
  await session.takeOver({ by: 'ann' });
  expect(await first).toMatchObject({ status: 'suspended' });
  await session.release();
  await settled(troupe);
  expect((await session.history('llm')).at(-1)!.content).toBe('Here I am.');
  // The reply was remembered and is not asked for again; the tool had not ended, so it is called again.
  expect([calls, server.requests.length]).toEqual([2, 2]);
});

test('another process goes on where the first one stopped', async () => {
  const journal = { ...memoryJournal(), close: async () => {} };
  const server = await scriptedModel([
    { calls: [{ name: 'count', arguments: {} }] },
    { text: 'x', cut: { after: 1, how: 'hang' } },
  ]);
  const keys: string[] = [];
  const start = async () => {
    const models = new OpenAiModels({ settings: { founder: { base_url: server.url, api_key: KEY, model: 'm' } } });
    const count = defineTool({
      name: 'count',
      description: '',
      input: z.object({}),
      execute: (_, { idempotency_key }) => keys.push(idempotency_key),
    });
    return createTroupe({ journal, pool: { models }, agents: [{ id: 'helper', kind: 'llm', tools: [count] }] });
  };
  const first = await start();
  first
    .session('s1')
    .send('count', { agent_id: 'helper' })
    .catch(() => {});
  await expect.poll(() => server.requests.length).toBe(2);
  await first.close();
  server.say('One.');
  const second = await start();
  onTestFinished(() => second.close());
  await settled(second);
  expect((await second.session('s1').history('llm')).at(-1)!.content).toBe('One.');
  expect(keys).toEqual(['s1-r1/helper#call_0']);
});

test('a recorded conversation replays without a model, and a changed reply in it is found', async () => {
  const { say, troupe } = await serving([
    { calls: [{ name: 'weather', arguments: { city: 'Oslo' } }] },
    { calls: [{ id: 'p', name: 'pay', arguments: { amount: 50 } }] },
    'Done.',
    'And again.',
  ]);
  const { question } = await say('pay 50 if it is warm');
  await troupe.session('s1').approve({ approval: askedIn({ question }), decision: 'approve', by: 'ann' });
  await settled(troupe);
  await say('thanks');
  const recorded = await entries(troupe);
  // Two of the first reply, one of the question; approved, one of the tool's result: the last replies end their runs.
  expect(refold(recorded, sessionMachine)).toEqual({ identical: true, entries: recorded.length, tasks: 4 });

  const cassette = JSON.parse(JSON.stringify(recorded)) as typeof recorded;
  (cassette[1]!.event as any).events[1].output.text = 'Something else.';
  expect(refold(cassette, sessionMachine)).toMatchObject({
    identical: false,
    at: 2,
    why: 'another snapshot of react@1',
  });
});

async function settled(troupe: Troupe): Promise<void> {
  await expect.poll(async () => (await troupe.session('s1').state()).turn, { timeout: 10_000 }).toBe('idle');
}
