// Orchestrators: what a run may do, what it comes to, and what is said of everything that is wrong.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { createTroupe, defineAgent, defineOrchestrator, defineTool, envelope, Failed } from '../src/index.ts';
import { digestOf } from '../src/orchestration/digest.ts';
import { SteppedClock } from '../src/testing.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { openDoor } from './door.ts';

const finder = defineAgent({
  id: 'finder',
  version: '3',
  run: (message) => JSON.stringify({ shops: [`${JSON.parse(message).city} One`, `${JSON.parse(message).city} Two`] }),
});

const shops = defineOrchestrator({
  name: 'shops',
  version: '1.2',
  description: 'Finds shops.',
  payload: z.object({ city: z.string().min(2) }),
  record: z.object({ name: z.string() }),
  async run({ city }, { call, record }) {
    const output = z.object({ shops: z.array(z.string()) });
    const found = await call('finder', { city }, { output, ref: 'crm://cities' });
    return found.data.shops.map((name) => record({ name }, found, { id: name }));
  },
});

async function open(options: TroupeOptions = {}) {
  const troupe = await createTroupe({ agents: [finder], orchestrators: [shops], ...options });
  onTestFinished(() => troupe.close());
  return troupe;
}

const failed = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    (value) => Promise.reject(new Error(`was taken: ${JSON.stringify(value)}`)),
    (error) => error,
  );

test('a run comes to the canonical envelope, and every record says where it comes from', async () => {
  const clock = new SteppedClock(1_000);
  const troupe = await open({ clock });
  const made = await troupe.run('shops', { city: 'Rome' }, { tenant: 'acme' });
  expect(made).toEqual({
    metadata: {
      orchestrator: 'shops',
      version: '1.2',
      run_id: expect.stringMatching(/^o-/),
      tenant: 'acme',
      started_at: 1_000,
      finished_at: 1_000,
      counts: { records: 2, calls: 1, failed_calls: 0 },
      warnings: [],
    },
    records: ['Rome One', 'Rome Two'].map((name) => ({
      id: name,
      data: { name },
      provenance: {
        agent: 'finder',
        agent_version: '3',
        instance: 'finder/local',
        run: made.metadata.run_id,
        at: 1_000,
        input_digest: digestOf({ city: 'Rome' }),
        input_ref: 'crm://cities',
      },
    })),
  });
  expect(envelope.parse(made)).toEqual(made);
});

test('the digest of an input does not depend on the order of its members', () => {
  expect(digestOf({ a: 1, b: { c: 2, d: [3] } })).toBe(digestOf({ b: { d: [3], c: 2 }, a: 1 }));
  expect(digestOf({ a: [1, 2] })).not.toBe(digestOf({ a: [2, 1] }));
});

test('a payload that does not fit is refused before anything is called', async () => {
  const troupe = await open();
  const refusal = {
    name: 'Refused',
    code: 'bad_request',
    status: 400,
    message: expect.stringContaining('payload.city'),
  };
  expect(await failed(troupe.run('shops', { city: 'x' }))).toMatchObject(refusal);
  expect(await failed(troupe.enqueue('shops', {}))).toMatchObject(refusal);
  expect(troupe.pool.list('default')[0]!.endpoints[0]!.requests).toBe(0);
});

test('an unknown name is refused, and those that are known are named', async () => {
  const troupe = await open();
  const refusal = {
    code: 'unknown_orchestrator',
    status: 404,
    message: 'there is no orchestrator "ships"; there are: shops',
  };
  expect(await failed(troupe.run('ships', {}))).toMatchObject(refusal);
  expect(await failed(troupe.enqueue('ships', {}))).toMatchObject(refusal);
  expect(() => troupe.orchestrators.get('ships')).toThrow(refusal.message);
});

test('the registry takes orchestrators by name, once, and lists them with the schema of what they take', async () => {
  const troupe = await open({ orchestrators: [] });
  troupe.orchestrators.register('shops', shops);
  expect(() => troupe.orchestrators.register('shops', shops)).toThrow('declared twice');
  expect(troupe.orchestrators.has('shops')).toBe(true);
  expect(troupe.orchestrators.get('shops')).toBe(shops);
  expect(troupe.orchestrators.list()).toEqual([
    {
      name: 'shops',
      version: '1.2',
      description: 'Finds shops.',
      payload: expect.objectContaining({ type: 'object' }),
    },
  ]);
  expect((await troupe.run('shops', { city: 'Rome' })).records).toHaveLength(2);
});

test('agents and tools have registries of the same kind', async () => {
  const troupe = await open({ orchestrators: [] });
  const weather = defineTool({
    name: 'x',
    description: 'says the weather',
    input: z.object({}),
    execute: () => 'blue',
  });
  troupe.tools.register('weather', weather);
  troupe.agents.register('clerk', {
    id: 'x',
    run: async (_, { tool }) => String(await tool('weather', {})),
    tools: [],
  });
  troupe.agents.register('parrot', { id: 'x', run: (message) => message });
  expect(troupe.agents.list().map(({ agent_id }) => agent_id)).toEqual(['clerk', 'finder', 'parrot']);
  expect(troupe.agents.get('parrot')).toMatchObject({ id: 'parrot' });
  expect(troupe.tools.list()).toMatchObject([{ name: 'weather', description: 'says the weather', client: false }]);
  expect(await troupe.tools.get('weather').execute!({}, {} as never)).toBe('blue');
  expect(await troupe.session('s1').send('hi', { agent_id: 'parrot' })).toMatchObject({ answer: 'hi' });
  expect(() => troupe.agents.register('parrot', { id: 'x', run: () => '' })).toThrow('declared twice');
  expect(() => troupe.tools.register('weather', weather)).toThrow('declared twice');
  expect(() => troupe.tools.register('No', weather)).toThrow('tool "No"');
  expect(() => troupe.agents.get('owl')).toThrow('there is no agent "owl"; there are: clerk, finder, parrot');
  expect(() => troupe.tools.get('owl')).toThrow('there is no tool "owl"; there are: weather');
});

test.each([
  [{ name: 'No' }, 'orchestrator "No".name'],
  [{ version: '' }, 'version'],
  [{ payload: {} }, 'must be a zod schema'],
  [{ run: 1 }, 'must be a function'],
  [{ attempts: 0 }, 'attempts'],
  [{ extra: 1 }, 'extra'],
])('a bad declaration is refused: %j', (change, said) => {
  expect(() => defineOrchestrator({ ...shops, ...change } as any)).toThrow(said);
});

test.each<[string, (ctx: any) => any, string]>([
  ['no array', () => 'done', 'records'],
  ['a record that was made by hand', () => [{ data: 1 }], 'records.0.provenance'],
  ['a record without a source', ({ record }) => [record({ name: 'x' })], 'what it was made of'],
  [
    'data that does not fit',
    async ({ record, call }) => [record({ nome: 'x' }, await call('finder', { city: 'Rome' }))],
    'name',
  ],
])('%s is an error that says what would be right', async (_, run, said) => {
  const troupe = await open({ orchestrators: [{ ...shops, run: (_, ctx) => run(ctx) }] });
  expect(await failed(troupe.run('shops', { city: 'Rome' }))).toMatchObject({
    name: 'Failed',
    code: 'bad_record',
    retryable: false,
    message: expect.stringContaining(said),
  });
});

test('an agent that fails is tried again, elsewhere and by its fallbacks, and the record names who answered', async () => {
  const clock = new SteppedClock();
  const tried: string[] = [];
  const moody = defineAgent({
    id: 'moody',
    fallbacks: ['steady'],
    run: (_, { call }) => {
      tried.push(call.idempotency_key.split('/').at(-1)!);
      throw new Failed('busy', 'not now');
    },
  });
  const steady = defineAgent({ id: 'steady', run: () => 'here' });
  const troupe = await open({
    clock,
    agents: [moody, steady],
    orchestrators: [
      {
        ...shops,
        record: undefined,
        run: async (_, { call, record }) => {
          const answer = await call('moody', 'hello', { attempts: 2 });
          return [record(answer.text, answer)];
        },
      },
    ],
  });
  const run = troupe.run('shops', { city: 'Rome' });
  await expect.poll(() => tried.length).toBe(1);
  clock.advance(500);
  const { records, metadata } = await run;
  // Every try has a key of its own.
  expect(tried).toEqual(['1.1', '1.2']);
  expect(records).toMatchObject([{ data: 'here', provenance: { agent: 'steady', instance: 'steady/local' } }]);
  expect(metadata.counts).toEqual({ records: 1, calls: 1, failed_calls: 0 });
  expect(troupe.pool.list('default').find(({ agent_id }) => agent_id === 'moody')!.endpoints[0]!.failures).toBe(2);
});

test('an answer that does not fit is another try, and then an error', async () => {
  let answers = 0;
  const talker = defineAgent({ id: 'finder', run: () => (++answers < 2 ? 'well…' : '{"shops":["A"]}') });
  const clock = new SteppedClock();
  const troupe = await open({ agents: [talker], clock });
  const run = troupe.run('shops', { city: 'Rome' });
  await expect.poll(() => answers).toBe(1);
  clock.advance(500);
  expect((await run).records).toHaveLength(1);
  answers = -1_000;
  const never = failed(troupe.run('shops', { city: 'Rome' }));
  for (const [after, wait] of [
    [-999, 500],
    [-998, 1_000],
  ] as const) {
    await expect.poll(() => answers).toBe(after);
    clock.advance(wait);
  }
  expect(await never).toMatchObject({ code: 'bad_answer', message: expect.stringContaining('finder') });
});

test('a call that takes too long has failed, and the agent is told to stop', async () => {
  let stopped: unknown;
  const slow = defineAgent({
    id: 'finder',
    run: (_, { signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener('abort', () => {
          stopped = signal.reason;
          reject(stopped);
        }),
      ),
  });
  const clock = new SteppedClock();
  const troupe = await open({
    clock,
    agents: [slow],
    orchestrators: [{ ...shops, run: async (_, { call }) => [await call('finder', '', { timeout_ms: 100 })] as any }],
  });
  const run = failed(troupe.run('shops', { city: 'Rome' }));
  await expect.poll(() => clock.next()).toBeDefined();
  clock.advance(100);
  expect(await run).toMatchObject({ name: 'Failed', code: 'timed_out' });
  expect(stopped).toMatchObject({ name: 'TimeoutError' });
});

test('an agent that asks a person has nobody to ask here', async () => {
  const asking = defineAgent({ id: 'finder', run: () => ({ type: 'input_required', prompt: 'Which?' }) });
  const troupe = await open({ agents: [asking] });
  expect(await failed(troupe.run('shops', { city: 'Rome' }))).toMatchObject({ code: 'agent_asks', retryable: false });
});

test('tools are called by name, and their records say so', async () => {
  const keys: string[] = [];
  const weather = defineTool({
    name: 'weather',
    description: 'says the weather',
    input: z.object({ city: z.string() }),
    execute: ({ city }, { idempotency_key }) => {
      keys.push(idempotency_key);
      return { city, sky: 'blue' };
    },
  });
  const run = (input: unknown, name = 'weather') =>
    open({
      tools: [weather],
      orchestrators: [
        {
          ...shops,
          record: undefined,
          run: async (_, { tool, record }) => {
            const answer = await tool(name, input);
            return [record(answer.output, answer)];
          },
        },
      ],
    }).then((troupe) => troupe.run('shops', { city: 'Rome' }, { idempotencyKey: 'k1' }));
  const { records } = await run({ city: 'Oslo' });
  expect(records).toMatchObject([{ data: { city: 'Oslo', sky: 'blue' }, provenance: { tool: 'weather' } }]);
  expect(keys).toEqual(['default/k1/1']);
  expect(await failed(run({ town: 'Oslo' }))).toMatchObject({ code: 'bad_tool_input' });
  expect(await failed(run({}, 'whether'))).toMatchObject({ code: 'unknown_tool' });
});

test('a caller that leaves ends the run', async () => {
  const left = new AbortController();
  const waiting = defineAgent({
    id: 'finder',
    run: (_, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  });
  const troupe = await open({ agents: [waiting] });
  const run = failed(troupe.run('shops', { city: 'Rome' }, { signal: left.signal }));
  left.abort(new Error('gone'));
  expect(await run).toMatchObject({ message: 'gone' });
});

test('an envelope that no journal would take is refused', async () => {
  const troupe = await open({
    orchestrators: [
      {
        ...shops,
        record: undefined,
        run: async (_, { call, record }) => {
          const answer = await call('finder', { city: 'Rome' });
          return [record('x'.repeat(500_000), answer)];
        },
      },
    ],
  });
  expect(await failed(troupe.run('shops', { city: 'Rome' }))).toMatchObject({ code: 'result_too_large' });
});

test('over HTTP: listed, run, refused and failed', async () => {
  const broken = { ...shops, name: 'broken', run: () => Promise.reject(new Failed('no_luck', 'it did not work')) };
  const door = await openDoor({ agents: [finder], orchestrators: [shops, broken] });
  door.troupe.tools.register('weather', {
    name: 'weather',
    description: 'says the weather',
    input: z.object({ city: z.string() }),
    execute: () => 'blue',
  });
  expect((await door.get('/v1/tools')).body.tools).toMatchObject([
    { name: 'weather', parameters: { required: ['city'] } },
  ]);
  const { body } = await door.get('/v1/orchestrators');
  expect(body.orchestrators.map(({ name }: any) => name)).toEqual(['broken', 'shops']);
  const done = await door.post('/v1/orchestrators/shops', { city: 'Rome' }, { headers: { 'x-tenant-id': 'acme' } });
  expect(done).toMatchObject({ status: 200, body: { metadata: { tenant: 'acme', counts: { records: 2 } } } });
  expect(envelope.parse(done.body).records).toHaveLength(2);
  expect(await door.post('/v1/orchestrators/shops', {})).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  expect(await door.post('/v1/orchestrators/ships', {})).toMatchObject({
    status: 404,
    body: { code: 'unknown_orchestrator', detail: 'there is no orchestrator "ships"; there are: broken, shops' },
  });
  expect(await door.post('/v1/orchestrators/broken', { city: 'Rome' })).toMatchObject({
    status: 502,
    body: { code: 'no_luck', detail: 'it did not work' },
  });
});
