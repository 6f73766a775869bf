// Agents that are functions: what they may return, what they may use, and how they are left.
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { defineTool } from '../src/agents/define.ts';
import type { AgentFunction } from '../src/agents/definition.ts';
import { AgentPool } from '../src/agents/pool.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed } from '../src/platform/errors.ts';
import type { Tool } from '../src/tools/tool.ts';
import { callOf, failureOf, lend } from './agent-server.ts';

const clock = new SteppedClock(1_000);
let pool = new AgentPool({ clock });
afterEach(() => {
  pool.stop();
  pool = new AgentPool({ clock });
});

function agent(run: AgentFunction, tools: Tool<any>[] = []) {
  pool.register('*', { id: 'f', run, tools });
  return (io = lend(), more = {}) => pool.call(callOf('f', more), io);
}

test.each<[string, AgentFunction]>([
  ['a string', () => 'hi'],
  ['a promise of a string', async () => 'hi'],
  ['a result', () => ({ type: 'answer', final_message: 'hi' })],
  ['a stream of strings', () => new Blob(['h', 'i']).stream().pipeThrough(new TextDecoderStream())],
  ['a promise of a stream', async () => ReadableStream.from(['h', 'i'])],
])('%s is an answer', async (_, run) => {
  expect((await agent(run)()).result).toEqual({ type: 'answer', final_message: 'hi' });
});

test('what a generator yields is streamed; what it returns is the answer, or else what it yielded', async () => {
  const io = lend();
  const returning = agent(async function* () {
    yield 'thinking';
    return 'answer';
  });
  expect((await returning(io)).result).toEqual({ type: 'answer', final_message: 'answer' });
  expect(io.parts).toEqual(['thinking']);
  const silent = agent(async function* () {
    yield 'a';
    yield 'b';
  });
  expect((await silent()).result).toEqual({ type: 'answer', final_message: 'ab' });
  const asking = agent(async function* () {
    yield 'well, ';
    return { type: 'input_required', prompt: 'which one?' };
  });
  expect((await asking()).result).toEqual({ type: 'input_required', prompt: 'which one?' });
});

test('the members of the context can be taken apart, and parts are the answer when nothing is returned', async () => {
  const io = lend();
  const run = agent((message, { part }) => part(`you said ${message}`));
  expect((await run(io)).result).toEqual({ type: 'answer', final_message: 'you said hello' });
  expect(io.parts).toEqual(['you said hello']);
});

test('several messages reach a function as one text', async () => {
  const input = ['a', 'b'].map((content) => ({ role: 'user', content }));
  const { result } = await agent((message) => message)(lend(), { input });
  expect(result).toMatchObject({ final_message: 'a\nb' });
});

const wanted =
  'it should return a string, an AgentResult such as { type: "answer", final_message }, or a stream of strings';

test.each<[string, unknown, string]>([
  ['nothing', undefined, `agent "f" gave no answer: ${wanted}`],
  ['a number', 7, `agent "f" answered with a number: ${wanted}`],
  ['an array', ['hi'], `agent "f" answered with an array: ${wanted}`],
  ['an object', { text: 'hi' }, `agent "f" answered with an object of text: ${wanted}`],
])('%s is no answer, and the failure says what would be', async (_, value, message) => {
  const failed = await failureOf(agent(() => value as string)());
  expect(failed).toMatchObject({
    code: value === undefined ? 'empty_answer' : 'bad_answer',
    message,
    retryable: false,
  });
});

test('a result that lacks a member, and a stream of something else, are bad answers', async () => {
  const lacking = await failureOf(agent(() => ({ type: 'handoff', final_message: 'bye' }) as any)());
  expect(lacking.message).toContain('reason');
  const stream = agent(async function* () {
    yield 7 as any;
  });
  expect(await failureOf(stream())).toMatchObject({
    code: 'bad_answer',
    message: 'agent "f" streamed a number where strings belong',
  });
});

test('what a function throws fails the attempt and may be tried again; a Failed is passed on', async () => {
  const thrown = await failureOf(
    agent(() => {
      throw new TypeError('oops');
    })(),
  );
  expect(thrown).toMatchObject({ code: 'agent_failed', message: 'oops', retryable: true });
  expect(thrown.cause).toBeInstanceOf(TypeError);
  expect(thrown.details).toEqual({ endpoint: 'f/local', alternatives: 0, ms: 0 });
  const own = agent(() => Promise.reject(new Failed('sold_out', 'none left', false, { left: 0 })));
  expect(await failureOf(own())).toMatchObject({ code: 'sold_out', retryable: false, details: { left: 0 } });
});

test('a run that leaves does not wait for a function that does not listen', async () => {
  const controller = new AbortController();
  const left = failureOf(agent(() => new Promise<string>(() => {}))(lend({ signal: controller.signal })));
  controller.abort();
  expect(await left).toMatchObject({ code: 'aborted', retryable: false });
});

test('a run that leaves closes the generator, and not one more part passes', async () => {
  const controller = new AbortController();
  const io = lend({ signal: controller.signal });
  let closed = false;
  const run = agent(async function* (_, { part }) {
    try {
      yield 'one';
      controller.abort();
      part('two');
      yield 'three';
    } finally {
      closed = true;
    }
  });
  await failureOf(run(io));
  await expect.poll(() => closed).toBe(true);
  expect(io.parts).toEqual(['one']);
});

const double = defineTool({
  name: 'double',
  description: 'Doubles a number.',
  input: z.object({ n: z.coerce.number() }),
  execute: ({ n }, { tenant }) => {
    clock.advance(40);
    return `${tenant}: ${2 * n}`;
  },
});

const using = (name: string, input: unknown): AgentFunction => {
  return async (_, { tool }) => String(await tool(name, input));
};

test('a tool gets its input parsed; the call is a step of the trace with its time', async () => {
  const done = await agent(using('double', { n: '21' }), [double])();
  expect(done.result).toEqual({ type: 'answer', final_message: 'acme: 42' });
  expect(done.steps).toEqual([
    { type: 'tool', name: 'double', input: { n: '21' }, output: 'acme: 42', started_at: 1_000, ms: 40 },
  ]);
});

test('a flow narrows the tools to those it lists, and may list tools that are not the agent’s own', async () => {
  const run = agent(using('double', { n: 1 }), [double]);
  expect(await failureOf(run(lend(), { tools: [] }))).toMatchObject({
    code: 'tool_not_allowed',
    message: 'agent "f" may not use "double"; it may use no tools',
  });
  const lent = agent(using('double', { n: 1 }));
  const io = lend({ tools: async (name) => (name === 'double' ? [double] : []) });
  expect((await failureOf(lent(io))).code).toBe('tool_not_allowed');
  expect((await lent(io, { tools: ['double'] })).result).toMatchObject({ final_message: 'acme: 2' });
  expect((await failureOf(lent(lend(), { tools: ['double'] }))).code).toBe('unknown_tool');
});

test('input that does not fit is refused before the tool is called; the step says so, also on the failure', async () => {
  const failed = await failureOf(agent(using('double', { n: 'x' }), [double])());
  expect(failed).toMatchObject({ code: 'bad_tool_input', retryable: false });
  expect(failed.details.steps).toMatchObject([{ name: 'double', error: { code: 'bad_tool_input' } }]);
});

test('a tool that throws fails the call, and the agent may go on without it', async () => {
  const broken: Tool<any> = {
    ...double,
    execute: () => {
      throw new Error('no disk');
    },
  };
  const run: AgentFunction = (_, { tool }) =>
    tool('double', { n: 1 }).catch((error) => `sorry: ${error.message}`) as any;
  const done = await agent(run, [broken])();
  expect(done.result).toMatchObject({ final_message: 'sorry: tool "double": no disk' });
  expect(done.steps).toMatchObject([{ error: { code: 'tool_failed', message: 'tool "double": no disk' } }]);
});
