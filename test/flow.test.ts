// Flows over other agents: what each step is asked, what is remembered of it, and what becomes of the flow.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { sessionMachine } from '../machines/session/machine.ts';
import { defineAgent, defineTool } from '../src/agents/define.ts';
import type { AgentDefinition, FlowAgent } from '../src/agents/definition.ts';
import { stepsOf } from '../src/agents/performers/flow.ts';
import type { Journal } from '../src/journal/journal.ts';
import { OpenAiModels } from '../src/llm/models.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import { refold } from '../src/sessions/replay.ts';
import { failing, held, scripted } from '../src/testing/scripted.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';
import { EVENTS, event, serveAgent } from './agent-server.ts';
import { askedIn } from './agents.ts';
import { KEY, scriptedModel } from './llm.ts';

/** A troupe whose flow is called `flow`. */
async function flowing(flow: Partial<FlowAgent>, agents: AgentDefinition[], options: TroupeOptions = {}) {
  const whole: FlowAgent = { id: 'flow', kind: 'flow', mode: 'sequential', steps: [], backoff_ms: 1, ...flow };
  const troupe = await createTroupe({ settings: { backoff_ms: 1 }, ...options, agents: [whole, ...agents] });
  onTestFinished(() => troupe.close());
  const session = troupe.session('s1');
  return { troupe, session, say: (text: string) => session.send(text, { agent_id: 'flow' }) };
}

const entries = async (troupe: { journal: Journal }) =>
  (await troupe.journal.read({ tenant: 'default', session: 's1' })).map(({ entry }) => entry);
const emitted = async (troupe: Troupe, type: string) =>
  (await entries(troupe)).flatMap((entry) => entry.emitted.filter((one) => one.type === type)) as Record<string, any>[];

const echo = (id: string): AgentDefinition => ({ id, run: (text) => `${id}(${text})` });
const broken = (id: string, retryable = false): AgentDefinition => ({
  id,
  run: () => {
    throw new Failed('no_luck', `${id} does not work`, retryable);
  },
});

test('a step of a sequence is asked the message and what the steps before came to; the last result is the answer', async () => {
  const last = scripted('c', ['the end']);
  const { say, troupe } = await flowing({ steps: ['a', 'b', 'c'] }, [echo('a'), scripted('b', ['B']), last]);
  expect(await say('hello')).toMatchObject({ status: 'done', agent_id: 'flow', answer: 'the end' });
  expect(last.calls[0]!.input[0]!.content).toBe('hello\n\nWhat the steps before came to:\n\na: a(hello)\n\nb: B');
  expect(last.calls[0]!.context).toMatchObject({ flow: { step: 'c', results: [{ step: 'a', agent: 'a' }, {}] } });
  // The message, each step but the last, and the answer with it.
  expect(await entries(troupe)).toHaveLength(4);
});

test('the trace of a flow says when each step began and ended, and how many succeeded', async () => {
  const { say } = await flowing({ steps: ['a', 'b'] }, [echo('a'), echo('b')]);
  const { trace } = await say('hello');
  expect(trace.map((one) => ('step' in one ? `${one.type} ${one.step}` : one.type)).slice(5)).toEqual([
    'step_started a',
    'step_finished a',
    'step_started b',
    'step_finished b',
    'flow_finished',
    'agent_invoke_done',
    'run_done',
  ]);
  expect(trace.find(({ type }) => type === 'flow_finished')).toMatchObject({ success_rate: 1, failed: [] });
});

test('a step may have a name and words of its own, and the same agent may be several steps', async () => {
  const { say } = await flowing(
    {
      steps: [
        'a',
        'a',
        { id: 'end', agent: 'a', prompt: (message, results) => `${message}: ${results.map(({ step }) => step)}` },
      ],
    },
    [echo('a')],
  );
  expect((await say('hi')).answer).toBe('a(hi: a,a-2)');
});

test('steps of a parallel flow are at work at once, see the message alone, and their results are joined in order', async () => {
  const agents = ['a', 'b', 'c'].map((id) => scripted(id, [held(`said by ${id}`)]));
  const { say } = await flowing({ mode: 'parallel', steps: ['a', 'b', 'c'] }, agents);
  const outcome = say('hello');
  await expect.poll(() => agents.map(({ calls }) => calls.length)).toEqual([1, 1, 1]);
  for (const agent of agents.toReversed()) agent.step();
  expect((await outcome).answer).toBe('said by a\n\nsaid by b\n\nsaid by c');
  expect(agents.map(({ calls }) => calls[0]!.input)).toEqual(agents.map(() => [{ role: 'user', content: 'hello' }]));
});

test('a flow that continues answers with what succeeded, and tells what failed and the share of the rest', async () => {
  const { say, troupe } = await flowing({ mode: 'parallel', steps: ['a', 'b', 'c'], on_failure: 'continue' }, [
    echo('a'),
    broken('b'),
    echo('c'),
  ]);
  expect(await say('hi')).toMatchObject({ status: 'done', answer: 'a(hi)\n\nc(hi)' });
  const [finished] = await emitted(troupe, 'flow_finished');
  expect(finished).toMatchObject({
    results: [{ step: 'a' }, { step: 'c' }],
    failed: [{ step: 'b', error: { code: 'no_luck' } }],
  });
  expect(finished!.success_rate).toBeCloseTo(2 / 3);
});

test('the steps after one that failed see that it did, when the flow continues', async () => {
  const { say } = await flowing({ steps: ['a', 'b'], on_failure: 'continue' }, [broken('a'), echo('b')]);
  expect((await say('hi')).answer).toBe('b(hi\n\nWhat the steps before came to:\n\na failed: a does not work)');
});

test('a flow that stops fails at once with the step and its reason, and what was done is not done again', async () => {
  const first = scripted('a', ['A']);
  const last = scripted('c', ['C']);
  const { say } = await flowing({ steps: ['a', 'b', 'c'] }, [first, broken('b'), last]);
  expect(await say('hi')).toMatchObject({
    status: 'failed',
    error: { code: 'step_failed', message: 'step "b" (agent "b"): no_luck: b does not work' },
  });
  expect([first.calls.length, last.calls.length]).toEqual([1, 0]);
});

test('what a flow that failed had come to is told, also where it was a step of another', async () => {
  const inner: FlowAgent = { id: 'inner', kind: 'flow', mode: 'sequential', steps: ['a', 'b'] };
  const { say, troupe } = await flowing({ steps: ['inner'] }, [inner, echo('a'), broken('b')]);
  expect((await say('hi')).status).toBe('failed');
  const finished = await emitted(troupe, 'step_finished');
  expect(
    finished.map(({ path, step, error }) => [path, step, error?.code ?? 'done'].filter(Boolean).join(' ')),
  ).toEqual(['inner a done', 'inner b no_luck', 'inner step_failed']);
  expect(await emitted(troupe, 'flow_finished')).toMatchObject([
    { path: 'inner', success_rate: 0.5, failed: [{ step: 'b' }] },
    { success_rate: 0, failed: [{ step: 'inner' }] },
  ]);
});

test('a flow of which nothing succeeded fails, also when it continues', async () => {
  const { say } = await flowing({ mode: 'parallel', steps: ['a', 'b'], on_failure: 'continue' }, [
    broken('a'),
    broken('b'),
  ]);
  expect((await say('hi')).error).toMatchObject({ code: 'all_steps_failed' });
});

test('a step is tried again, then its agent’s fallback has it; every failure is remembered', async () => {
  const shaky = scripted('shaky', [failing('busy'), failing('busy')], { fallbacks: ['steady'] });
  const { say, troupe } = await flowing({ steps: ['a', 'shaky'], attempts: 2 }, [
    echo('a'),
    shaky,
    scripted('steady', ['ok']),
  ]);
  expect(await say('hi')).toMatchObject({ status: 'done', answer: 'ok' });
  expect(shaky.calls).toHaveLength(2);
  expect(new Set(shaky.calls.map(({ idempotency_key }) => idempotency_key)).size).toBe(2);
  expect(await emitted(troupe, 'step_retried')).toMatchObject([
    { step: 'shaky', code: 'busy', endpoint: 'shaky/local' },
  ]);
  expect(await emitted(troupe, 'step_moved')).toMatchObject([{ step: 'shaky', from: 'shaky', agent: 'steady' }]);
});

test('a step goes to another instance of its agent when one fails', async () => {
  const asked: string[] = [];
  await using bad = await serveAgent((response) => {
    asked.push('bad');
    response.writeHead(503).end();
  });
  await using good = await serveAgent((response) => {
    asked.push('good');
    response.writeHead(200, EVENTS).end(event('done', { final_message: 'from the other' }));
  });
  const remote: AgentDefinition = {
    id: 'remote',
    kind: 'http',
    endpoints: [
      { id: 'one', url: bad.url },
      { id: 'two', url: good.url },
    ],
  };
  const { say } = await flowing({ mode: 'parallel', steps: ['remote', 'remote'] }, [remote]);
  expect((await say('hi')).answer).toBe('from the other\n\nfrom the other');
  expect(asked.filter((one) => one === 'good')).toHaveLength(2);
});

test('a step that takes longer than its timeout_ms has failed, whatever its agent still does', async () => {
  const slow = scripted('slow', [held('too late')]);
  const { say, troupe } = await flowing(
    { mode: 'parallel', steps: [{ agent: 'slow', timeout_ms: 30 }, 'b'], on_failure: 'continue' },
    [slow, echo('b')],
  );
  expect((await say('hi')).answer).toBe('b(hi)');
  const failed = (await emitted(troupe, 'step_finished')).find(({ step }) => step === 'slow');
  expect(failed).toMatchObject({ error: { code: 'timed_out', message: 'step "slow" took longer than 30 ms' } });
});

test('a function makes one answer of the results; one that fails is called again, and no step is', async () => {
  const a = scripted('a', ['A']);
  let calls = 0;
  const { say } = await flowing(
    {
      mode: 'parallel',
      steps: ['a', 'b'],
      aggregate: (results, message) => {
        calls += 1;
        if (calls === 1) throw new Error('not yet');
        return `${message}: ${results.map(({ output }) => output).join(' and ')}`;
      },
    },
    [a, scripted('b', ['B'])],
  );
  expect((await say('hi')).answer).toBe('hi: A and B');
  expect([a.calls.length, calls]).toEqual([1, 2]);
});

test('a function that makes no text of the results fails the flow', async () => {
  const { say } = await flowing({ steps: ['a'], aggregate: () => 7 as never }, [echo('a')]);
  expect((await say('hi')).error).toMatchObject({ code: 'bad_aggregate' });
});

test('another agent may make the answer: it sees all results, and its answer is shown while it is written', async () => {
  const sum = defineAgent({
    id: 'sum',
    async *run(text) {
      yield 'in ';
      yield 'short: ';
      yield text.split('\n').at(-1)!;
    },
  });
  const { session } = await flowing({ mode: 'parallel', steps: ['a', 'b'], aggregate: { agent: 'sum' } }, [
    scripted('a', ['A']),
    scripted('b', ['B']),
    sum,
  ]);
  const pieces: string[] = [];
  for await (const one of session.stream('hi', { agent_id: 'flow' }))
    if (one.type === 'message_chunk') pieces.push(one.text);
  expect(pieces.join('')).toBe('in short: b: B');
});

test('of a sequence only the last step is shown while it is written', async () => {
  const speaking = (id: string): AgentDefinition => ({
    id,
    async *run() {
      yield `${id} `;
      yield 'speaks';
    },
  });
  const { session } = await flowing({ steps: ['a', 'b'] }, [speaking('a'), speaking('b')]);
  const pieces: string[] = [];
  for await (const one of session.stream('hi', { agent_id: 'flow' }))
    if (one.type === 'message_chunk') pieces.push(one.text);
  expect(pieces.join('')).toBe('b speaks');
});

const careful = (id: string): AgentDefinition => ({
  id,
  run: (_, { call }) =>
    call.decision
      ? `${id} was told ${(call.decision as { decision: string }).decision} after ${JSON.stringify(call.task)}`
      : { type: 'approval_required', action: 'pay', summary: `may ${id} pay?`, task: { asked: id } },
});

test('a step that asks for approval goes on with its task and the decision; the steps before it are not done again', async () => {
  const a = scripted('a', ['A']);
  const { say, session } = await flowing({ steps: ['a', 'careful', 'z'] }, [a, careful('careful'), echo('z')]);
  const asked = await say('hi');
  expect(asked).toMatchObject({ status: 'awaiting_approval', question: { summary: 'may careful pay?' } });
  await session.approve({ approval: askedIn(asked), decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history()).at(-1)?.role).toBe('assistant');
  expect((await session.history()).at(-1)!.content).toContain('careful was told approve after {"asked":"careful"}');
  expect(a.calls).toHaveLength(1);
});

test('when two steps ask at once, one question comes after the other, and each gets its own answer', async () => {
  const { say, session, troupe } = await flowing({ mode: 'parallel', steps: ['one', 'two', 'c'] }, [
    careful('one'),
    careful('two'),
    echo('c'),
  ]);
  const first = await say('hi');
  await session.approve({ approval: askedIn(first), decision: 'reject', by: 'ann' });
  await expect.poll(async () => (await emitted(troupe, 'approval_requested')).length).toBe(2);
  const [, second] = await emitted(troupe, 'approval_requested');
  expect(second!.summary).toBe('may two pay?');
  await session.approve({ approval: second!.approval, decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history()).at(-1)?.role).toBe('assistant');
  expect((await session.history()).at(-1)!.content).toBe(
    'one was told reject after {"asked":"one"}\n\ntwo was told approve after {"asked":"two"}\n\nc(hi)',
  );
});

test('a form may be a step: the user is asked, and the flow goes on with what the form came to', async () => {
  const form: AgentDefinition = {
    id: 'form',
    kind: 'form',
    fields: {
      city: { prompt: 'Which city?', schema: z.string().min(2) },
      day: { prompt: 'Which day?', schema: z.string().min(2) },
    },
    run: ({ city, day }) => `${city} on ${day}`,
  };
  const { session, say } = await flowing({ steps: ['form', 'z'] }, [
    form,
    { id: 'z', run: (text) => `booked ${text.split('form: ')[1]}` },
  ]);
  expect((await say('a trip')).answer).toBe('Which city?');
  expect((await session.send('Oslo')).answer).toBe('Which day?');
  expect((await session.send('Monday')).answer).toBe('booked Oslo on Monday');
});

test('a step that gives itself to another agent is that agent’s, which sees who gave it and why', async () => {
  const giving = scripted('giving', [{ type: 'transfer', agent: 'other', reason: 'it knows better' }]);
  const other = scripted('other', ['I do']);
  const { say } = await flowing({ steps: ['giving', 'z'] }, [giving, other, echo('z')]);
  expect((await say('hi')).answer).toContain('giving: I do');
  expect(other.calls[0]).toMatchObject({
    input: [{ content: 'hi' }],
    context: { transfer: { from: 'giving', reason: 'it knows better' } },
  });
});

test('a step comes back with its task when the agent that it was given to cannot', async () => {
  const giving = scripted('giving', [
    { type: 'transfer', agent: 'nobody', reason: 'it knows better', task: 7 },
    'then I',
  ]);
  const { say } = await flowing({ steps: ['giving'] }, [giving]);
  expect((await say('hi')).answer).toBe('then I');
  expect(giving.calls[1]).toMatchObject({ task: 7, decision: { kind: 'transfer', to: 'nobody' } });
});

test('agents that give a step to each other for ever are stopped', async () => {
  const to = (id: string, agent: string): AgentDefinition => ({
    id,
    run: () => ({ type: 'transfer', agent, reason: 'not mine' }),
  });
  const { say } = await flowing({ steps: ['a'] }, [to('a', 'b'), to('b', 'a')]);
  expect((await say('hi')).error?.message).toContain('too_many_transfers');
});

test('a step that asks for a person ends the flow and pauses the conversation', async () => {
  const handing = scripted('handing', [{ type: 'handoff', final_message: 'A colleague comes.', reason: 'asked' }]);
  const z = scripted('z', ['Z']);
  const { say, session } = await flowing({ steps: ['handing', 'z'] }, [handing, z]);
  expect((await say('hi')).answer).toBe('A colleague comes.');
  expect(await session.isPaused()).toBe(true);
  expect(z.calls).toHaveLength(0);
});

test('a flow may be a step of a flow, and what its steps tell says where they are', async () => {
  const inner: FlowAgent = { id: 'inner', kind: 'flow', mode: 'parallel', steps: ['a', 'b'] };
  const { say, troupe } = await flowing({ steps: ['inner', 'z'] }, [inner, echo('a'), echo('b'), echo('z')]);
  expect((await say('hi')).answer).toContain('inner: a(hi)\n\nb(hi)');
  const finished = await emitted(troupe, 'step_finished');
  expect(finished.map(({ path, step }) => [path, step].filter(Boolean).join('/'))).toEqual([
    'inner/a',
    'inner/b',
    'inner',
    'z',
  ]);
});

test('a step that asks inside a flow inside a flow finds its way back', async () => {
  const b = scripted('b', ['B']);
  const inner: FlowAgent = { id: 'inner', kind: 'flow', mode: 'parallel', steps: ['careful', 'b'] };
  const { say, session } = await flowing({ steps: ['inner', 'z'] }, [inner, careful('careful'), b, echo('z')]);
  const asked = await say('hi');
  await session.approve({ approval: askedIn(asked), decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history()).at(-1)?.role).toBe('assistant');
  expect((await session.history()).at(-1)!.content).toContain('careful was told approve');
  expect(b.calls).toHaveLength(1);
});

test('a flow that calls itself is stopped', async () => {
  const { say } = await flowing({ steps: ['flow'] }, []);
  expect((await say('hi')).error?.message).toContain('flow_too_deep');
});

test('an agent that calls a model may be a step: its tools and its questions are those of the run', async () => {
  const paid: number[] = [];
  const pay = defineTool({
    name: 'pay',
    description: 'Pays.',
    input: z.object({ amount: z.number() }),
    approval: true,
    execute: ({ amount }) => {
      paid.push(amount);
      return `paid ${amount}`;
    },
  });
  const server = await scriptedModel([{ calls: [{ id: 'a', name: 'pay', arguments: { amount: 5 } }] }, 'It is paid.']);
  const models = new OpenAiModels({ settings: { founder: { base_url: server.url, api_key: KEY, model: 'test' } } });
  const clerk: AgentDefinition = { id: 'clerk', kind: 'llm', tools: [pay] };
  const { say, session, troupe } = await flowing({ steps: ['clerk', 'z'] }, [clerk, echo('z')], { pool: { models } });
  const asked = await say('pay it');
  expect(asked).toMatchObject({ status: 'awaiting_approval', question: { action: 'pay' } });
  await session.approve({
    approval: askedIn(asked),
    decision: 'approve',
    by: 'ann',
    arguments: { amount: 4 },
  });
  await expect.poll(async () => (await session.history()).at(-1)?.content).toContain('clerk: It is paid.');
  expect(paid).toEqual([4]);
  expect(await emitted(troupe, 'tool_finished')).toMatchObject([{ path: 'clerk', agent: 'clerk', name: 'pay' }]);
});

test('words that are steered into a flow reach the step that is at work and those to come', async () => {
  const first = scripted('first', ['done']);
  const a = scripted('a', [held('A'), 'A again']);
  const { say, session } = await flowing(
    { steps: ['first', { agent: 'a', prompt: (text) => text }, 'z'] },
    [first, a, echo('z')],
    {
      settings: { busy: 'steer', backoff_ms: 1 },
    },
  );
  const outcome = say('hi');
  await expect.poll(() => a.calls.length).toBe(1);
  const { answer } = await session.send('and quickly', { agent_id: 'flow' });
  await outcome;
  expect(a.calls[1]!.input.map(({ content }) => content)).toEqual(['hi', 'and quickly']);
  expect(answer).toBe('z(hi\nand quickly\n\nWhat the steps before came to:\n\nfirst: done\n\na: A again)');
  expect(first.calls).toHaveLength(1);
});

test('words that are steered into a flow reach the model that is at work in a step, and its tools do not run again', async () => {
  const opened = Promise.withResolvers<string>();
  const looked: string[] = [];
  const look = (name: string, wait: Promise<unknown>) =>
    defineTool({
      name,
      description: 'Looks.',
      input: z.object({}),
      execute: async () => {
        looked.push(name);
        await wait;
        return `${name} done`;
      },
    });
  const server = await scriptedModel([
    {
      calls: [
        { name: 'quick', arguments: {} },
        { name: 'slow', arguments: {} },
      ],
    },
    'All done.',
  ]);
  const models = new OpenAiModels({ settings: { founder: { base_url: server.url, api_key: KEY, model: 'test' } } });
  const tools = [look('quick', Promise.resolve()), look('slow', opened.promise)];
  const clerk: AgentDefinition = { id: 'clerk', kind: 'llm', tools };
  const options = { pool: { models }, settings: { busy: 'steer' as const, backoff_ms: 1 } };
  const { say, session, troupe } = await flowing({ steps: ['first', 'clerk'] }, [echo('first'), clerk], options);
  const outcome = say('hi');
  await expect.poll(async () => (await emitted(troupe, 'tool_finished')).length).toBe(1);
  const steered = session.send('and quickly', { agent_id: 'flow' });
  await expect.poll(() => looked).toEqual(['quick', 'slow', 'slow']);
  opened.resolve('now');
  expect((await steered).answer).toBe('All done.');
  await outcome;
  expect(server.requests).toHaveLength(2);
  const messages = server.requests[1]!.body.messages as { role: string; content: string }[];
  expect(messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'tool', 'user']);
  expect(messages.at(-1)!.content).toBe('and quickly');
});

test('a flow that began again with more words asks its steps under other keys', async () => {
  const a = scripted('a', [held('A'), 'A again']);
  const { say, session } = await flowing({ steps: ['a', 'z'] }, [a, echo('z')], { settings: { busy: 'steer' } });
  const outcome = say('hi');
  await expect.poll(() => a.calls.length).toBe(1);
  await session.send('and quickly', { agent_id: 'flow' });
  await outcome;
  expect(a.calls.map(({ input }) => input[0]!.content)).toEqual(['hi', 'hi\nand quickly']);
  expect(new Set(a.calls.map(({ idempotency_key }) => idempotency_key)).size).toBe(2);
});

test('what is remembered of a flow replays to the same', async () => {
  const { say, session, troupe } = await flowing({ mode: 'parallel', steps: ['careful', 'b'] }, [
    careful('careful'),
    echo('b'),
  ]);
  const asked = await say('hi');
  await session.approve({ approval: askedIn(asked), decision: 'approve', by: 'ann' });
  await expect.poll(async () => (await session.history()).at(-1)?.role).toBe('assistant');
  expect(refold(await entries(troupe), sessionMachine)).toMatchObject({ identical: true });
});

test('an interrupted flow goes on where it was', async () => {
  const a = scripted('a', ['A']);
  const b = scripted('b', [held('B')]);
  const { say, session } = await flowing({ steps: ['a', 'b'] }, [a, b]);
  const outcome = say('hi');
  await expect.poll(() => b.calls.length).toBe(1);
  await session.pause({ mode: 'interrupt' });
  await session.resume();
  await expect.poll(() => b.calls.length).toBe(2);
  b.step();
  await outcome;
  await expect.poll(async () => (await session.history()).at(-1)?.content).toBe('B');
  expect(a.calls).toHaveLength(1);
});

test('what is wrong with a declaration is said when it is made', () => {
  const declare = (flow: object) => () =>
    defineAgent({ id: 'f', kind: 'flow', mode: 'parallel', ...flow } as FlowAgent);
  expect(declare({ steps: [] })).toThrow(/at least one step/);
  expect(declare({ steps: ['a'], mode: 'zigzag' })).toThrow(/mode/);
  expect(declare({ steps: [{ agent: 'a', timeout: 5 }] })).toThrow(Refused);
  expect(
    declare({
      steps: [
        { id: 'x', agent: 'a' },
        { id: 'x', agent: 'b' },
      ],
    }),
  ).toThrow(/"x" is the id of two steps/);
  expect(declare({ steps: [{ id: 'aggregate', agent: 'a' }] })).toThrow(/what the step that aggregates is called/);
  expect(declare({ steps: ['a'], aggregate: { agent: 'b', id: 'x' } })).toThrow(/aggregate/);
});

test('steps without a name are called like their agents, and never like another step', () => {
  const steps = ['a', { id: 'a-2', agent: 'b' }, 'a', 'aggregate'];
  expect(stepsOf({ steps }).map(({ id }) => id)).toEqual(['a', 'a-2', 'a-3', 'aggregate-2']);
});
