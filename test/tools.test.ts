// Tools: what may be declared, how arguments are read, what is told of a result, and when a call is over.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineTool } from '../src/agents/define.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import { MAX_OUTPUT, tellable } from '../src/tools/output.ts';
import { approvalOf, performTool, readArguments, type ToolIO } from '../src/tools/perform.ts';
import { parametersOf, type Tool, type ToolContext } from '../src/tools/tool.ts';

const lend = (more: Partial<ToolIO> = {}): ToolIO => ({
  signal: new AbortController().signal,
  tenant: 'acme',
  session_id: 's1',
  idempotency_key: 'acme/s1#4.0/c1',
  call: { id: 'c1', run_id: 's1-r1', agent_id: 'a', attempt: 1 },
  ...more,
});

const tool = (more: Partial<Tool<any>> = {}): Tool<any> =>
  defineTool({
    name: 'look',
    description: 'Looks.',
    input: z.object({ n: z.number() }),
    execute: () => 'seen',
    ...more,
  });

const returning = (value: unknown, more: Partial<ToolIO> = {}) =>
  performTool(tool({ execute: () => value }), { n: 1 }, lend(more));

const throwing = (thrown: unknown) =>
  performTool(
    tool({
      execute: () => {
        throw thrown;
      },
    }),
    { n: 1 },
    lend(),
  );

const refusal = (declare: () => unknown): string => {
  try {
    declare();
  } catch (error) {
    if (error instanceof Refused) return error.message;
    throw error;
  }
  return 'nothing was refused';
};

test.each<[string, Partial<Tool<any>>, string]>([
  ['a name that is no token', { name: 'Look Up' }, 'name: must be 1 to 63 characters'],
  ['input that is no schema', { input: {} as any }, 'input: must be a zod schema'],
  ['no execute', { execute: undefined }, 'execute: must be a function; only a tool with `client: true` has none'],
  [
    'execute at the caller',
    { client: true },
    'execute: must not be there: a tool with `client: true` runs at the caller',
  ],
  ['client: false', { client: false as any }, 'client: '],
  ['approval by a word', { approval: 'yes' as any }, 'approval: must be true, false or a function of the input'],
  ['a time limit of nothing', { timeout_ms: 0 }, 'timeout_ms: '],
  ['parameters that are no object’s', { parameters: { type: 'string' } }, 'parameters.type: must be "object"'],
])('%s is refused where the tool is declared, naming the member', (_, more, message) => {
  expect(refusal(() => tool(more))).toContain(message);
});

test('a tool that runs at the caller has no execute, and calling it here says so', async () => {
  const at = tool({ client: true, execute: undefined });
  expect(await performTool(at, { n: 1 }, lend())).toMatchObject({
    error: { code: 'client_tool', message: 'tool "look" runs at the caller: ask for it with tool_required' },
  });
});

test('models are shown the schema of what may be written, or what the tool shows instead', () => {
  const made = tool({ input: z.object({ n: z.coerce.number().default(3), day: z.date().optional() }) });
  expect(parametersOf(made)).toEqual({ type: 'object', properties: { n: { type: 'number', default: 3 }, day: {} } });
  expect(parametersOf(made)).toBe(parametersOf(made));
  const own = { type: 'object', properties: { n: { type: 'string' } } };
  expect(parametersOf(tool({ parameters: own }))).toBe(own);
  expect(parametersOf(tool({ input: z.unknown() }))).toEqual({ type: 'object', properties: {} });
  const either = z.union([z.object({ a: z.string() }), z.object({ b: z.string() })]);
  expect(parametersOf(tool({ input: either }))).toMatchObject({ type: 'object', anyOf: [{}, {}] });
});

test.each<[string, z.ZodType]>([
  ['a string', z.string()],
  ['a list', z.array(z.string())],
  ['an object or a string', z.union([z.object({}), z.string()])],
])('a tool that takes %s cannot be shown to a model', (_, input) => {
  expect(refusal(() => parametersOf(tool({ input })))).toContain('for a model its input must be an object');
});

test.each<[string, unknown, unknown]>([
  ['a value', { n: 1 }, { n: 1 }],
  ['JSON', '{"n":1}', { n: 1 }],
  ['JSON with space around', ' {"n" : 1}\n', { n: 1 }],
])('arguments are read from %s', async (_, raw, input) => {
  expect(await readArguments(tool(), raw)).toEqual({ input });
});

test('no text at all is no arguments; text stays text for a schema that takes text', async () => {
  expect(await readArguments(tool({ input: z.object({}) }), '')).toEqual({ input: {} });
  expect(await readArguments(tool({ input: z.string() }), '{"n":1}')).toEqual({ input: '{"n":1}' });
  expect(await readArguments(tool({ input: z.string() }), 'a word')).toEqual({ input: 'a word' });
});

test.each<[string, unknown, string]>([
  ['half of a JSON text', '{"n":', 'tool "look" does not take this input: the arguments are not JSON ('],
  ['JSON that does not fit', '{"n":"x"}', 'expected number'],
  ['a value that does not fit', null, 'expected object'],
])('%s is an error that says what would be right, and the tool is not called', async (_, raw, message) => {
  let called = false;
  const watched = tool({
    execute: () => {
      called = true;
    },
  });
  const done = await performTool(watched, raw, lend());
  expect(done).toMatchObject({ error: { code: 'bad_tool_input', message: expect.stringContaining(message) } });
  expect(called).toBe(false);
});

test('a schema that throws is an error of the input', async () => {
  const input = z.object({ n: z.number() }).transform(() => {
    throw new Error('no');
  });
  expect(await performTool(tool({ input }), { n: 1 }, lend())).toMatchObject({ error: { code: 'bad_tool_input' } });
});

test('a tool sees whose call it is in and the key that stays the same', async () => {
  const seen: ToolContext[] = [];
  await performTool(tool({ execute: (_, context) => seen.push(context) }), { n: 1 }, lend());
  expect(seen[0]).toMatchObject({
    tenant: 'acme',
    session_id: 's1',
    idempotency_key: 'acme/s1#4.0/c1',
    call: { id: 'c1', run_id: 's1-r1', agent_id: 'a', attempt: 1 },
  });
});

test.each<[string, Partial<Tool<any>>, string | undefined]>([
  ['nothing said', {}, undefined],
  ['approval: true', { approval: true }, 'look {"n":1}'],
  ['a function that says no', { approval: () => false }, undefined],
  ['a function that says yes', { approval: ({ n }) => n > 0 }, 'look {"n":1}'],
  ['a function with words', { approval: ({ n }) => `Look ${n} times?` }, 'Look 1 times?'],
  [
    'a function that throws',
    {
      approval: () => {
        throw new Error('no idea');
      },
    },
    'look {"n":1}',
  ],
])('whether a person is asked: %s', (_, more, summary) => {
  expect(approvalOf(tool(more), { n: 1 })).toBe(summary);
});

class Odd {
  #hidden = 1;
  get hidden() {
    return this.#hidden;
  }
}
const circle: Record<string, unknown> = { name: 'round' };
circle.self = circle;
const shared = { a: 1 };
const trap = Object.defineProperty({ fine: 1 }, 'trap', {
  enumerable: true,
  get: () => {
    throw new Error('no');
  },
});

test.each<[string, unknown, unknown]>([
  ['nothing', undefined, null],
  ['text', 'ü', 'ü'],
  ['a BigInt', 12n, '12'],
  ['what is no number', { a: Number.NaN, b: -Infinity }, { a: 'NaN', b: '-Infinity' }],
  ['a function', () => 1, '[function]'],
  [
    'members that JSON does not have',
    { a: undefined, b: () => 1, c: Symbol('c'), d: [undefined, Symbol('d')] },
    { d: [null, '[symbol]'] },
  ],
  ['a date', new Date(0), '1970-01-01T00:00:00.000Z'],
  ['a date that is none', new Date(Number.NaN), null],
  ['an error', new TypeError('oops'), { name: 'TypeError', message: 'oops' }],
  ['a map and a set', { map: new Map([['a', 1]]), set: new Set([1]) }, { map: { a: 1 }, set: [1] }],
  ['binary', Buffer.from('abc'), '[binary, 3 bytes]'],
  ['an object of its own kind', new Odd(), '[Odd]'],
  ['a stream', new ReadableStream(), '[ReadableStream]'],
  ['a circle', circle, { name: 'round', self: '[circular]' }],
  ['the same twice', [shared, shared], [{ a: 1 }, { a: 1 }]],
  ['a member that throws', trap, { fine: 1, trap: '[unreadable]' }],
  ['a toJSON that throws', { toJSON: () => (null as any).x }, '[unreadable]'],
  ['a prototype’s name', JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
])('a tool that returns %s: told as JSON', async (_, value, output) => {
  const done = await returning(value);
  expect(done).toEqual({ output, cut: false, value });
  expect(JSON.parse(JSON.stringify((done as { output: unknown }).output))).toEqual(output);
});

test('output that is too long ends with how much more there was', async () => {
  const text = await returning('x'.repeat(MAX_OUTPUT + 1_000));
  expect(text).toMatchObject({ cut: true, output: expect.stringMatching(/^x+… \[\d+ more characters, left out\]$/) });
  const list = tellable(
    Array.from({ length: 1_000 }, (_, n) => n),
    100,
  );
  expect(list.cut).toBe(true);
  expect((list.output as unknown[]).at(-1)).toMatch(/^… \[\d+ more items, left out\]$/);
  const object = tellable(Object.fromEntries(Array.from({ length: 1_000 }, (_, n) => [`member${n}`, n])), 100);
  expect(object).toMatchObject({ cut: true, output: { '…': expect.stringMatching(/more members, left out/) } });
  let nested: unknown[] = [];
  for (let n = 0; n < 100_000; n += 1) nested = [nested];
  expect(tellable(nested).cut).toBe(true);
});

test('a text is never cut in the middle of a character', () => {
  for (let limit = 66; limit < 80; limit += 1) {
    const { output } = tellable('🦊'.repeat(60), limit);
    expect((output as string).isWellFormed()).toBe(true);
  }
});

test('whatever a tool returns is told as JSON of a bounded length', () => {
  const value = fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true });
  fc.assert(
    fc.property(value, fc.integer({ min: 100, max: 2_000 }), (any, limit) => {
      const { output } = tellable(any, limit);
      const written = JSON.stringify(output);
      expect(JSON.parse(written)).toEqual(output);
      expect(written.length).toBeLessThan(12 * limit + 4_000);
    }),
  );
});

test('a negative zero is told as JSON has it', () => {
  expect(tellable([-0]).output).toEqual([0]);
});

test.each<[string, unknown, string, string]>([
  ['an error', new Error('no disk'), 'tool_failed', 'tool "look": no disk'],
  ['an error without words', new TypeError(), 'tool_failed', 'tool "look": TypeError'],
  ['a text', 'no disk', 'tool_failed', 'tool "look": no disk'],
  ['nothing', undefined, 'tool_failed', 'tool "look": null'],
  ['a circle', circle, 'tool_failed', 'tool "look": {"name":"round","self":"[circular]"}'],
  ['a Failed', new Failed('sold_out', 'none left'), 'sold_out', 'none left'],
  ['a Refused', new Refused('unknown_agent', 'who?'), 'unknown_agent', 'who?'],
])('a tool that throws %s: told with its code', async (_, thrown, code, message) => {
  expect(await throwing(thrown)).toMatchObject({ error: { code, message } });
});

test('a tool that hangs is over when its time is, and hears of it', async () => {
  const clock = new SteppedClock();
  const seen: ToolContext[] = [];
  const hanging = tool({
    timeout_ms: 2_000,
    execute: (_, context) => {
      seen.push(context);
      return new Promise(() => {});
    },
  });
  const done = performTool(hanging, { n: 1 }, lend({ clock, timeout_ms: 60_000 }));
  await expect.poll(() => clock.next()).toBe(2_000);
  clock.advance(2_000);
  expect(await done).toMatchObject({
    error: { code: 'tool_timed_out', message: 'tool "look" did not answer within 2000 ms' },
  });
  expect(seen[0]!.signal.aborted).toBe(true);
});

test('a tool that answers in time leaves no timer', async () => {
  const clock = new SteppedClock();
  await performTool(tool(), { n: 1 }, lend({ clock, timeout_ms: 60_000 }));
  expect(clock.next()).toBeUndefined();
});

test('a run that leaves rejects the call at once with its reason, and the tool hears of it', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  let heard: unknown;
  const hanging = tool({
    execute: (_, context) => {
      context.signal.addEventListener('abort', () => (heard = context.signal.reason));
      return new Promise(() => {});
    },
  });
  const done = performTool(hanging, { n: 1 }, lend({ signal }));
  const reason = new Error('left');
  setImmediate(() => controller.abort(reason));
  await expect(done).rejects.toBe(reason);
  expect(heard).toBe(reason);
  await expect(performTool(tool(), { n: 1 }, lend({ signal }))).rejects.toBe(reason);
});

test('a tool that fails after it was given up disturbs nobody', async () => {
  const clock = new SteppedClock();
  const late = tool({
    timeout_ms: 10,
    execute: (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => setImmediate(reject, new Error('late'))),
      ),
  });
  const done = performTool(late, { n: 1 }, lend({ clock }));
  await expect.poll(() => clock.next()).toBe(10);
  clock.advance(10);
  expect(await done).toMatchObject({ error: { code: 'tool_timed_out' } });
  await new Promise(setImmediate);
});
