// The library as its users meet it: declarations that are checked, sessions, streams, and what a troupe tells of itself.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import {
  createTroupe,
  defineAgent,
  defineFlow,
  defineTool,
  Refused,
  type StreamEvent,
  type TroupeOptions,
} from '../src/index.ts';
import { held, SteppedClock, scripted, streamed } from '../src/testing.ts';

async function troupeOf(options: TroupeOptions = {}) {
  const troupe = await createTroupe(options);
  onTestFinished(() => troupe.close());
  return troupe;
}

const helper = (...answers: Parameters<typeof scripted>[1]) => scripted('helper', answers, { triggers: ['please'] });

/** The refusal that something ends in, thrown or rejected. */
async function refusalOf(act: () => unknown): Promise<Refused> {
  try {
    await act();
  } catch (error) {
    if (error instanceof Refused) return error;
    throw error;
  }
  throw new Error('was not refused');
}

const run = () => 'ok';
const add = defineTool({ name: 'add', description: 'adds', input: z.object({}), execute: () => 3 });

test.each<[what: string, declare: () => unknown, message: string | RegExp]>([
  ['an agent without an id', () => defineAgent({ run } as any), /^agent "undefined"\.id: /],
  [
    'an agent with an id that is no token',
    () => defineAgent({ id: 'My Agent', run }),
    /^agent "My Agent"\.id: must be 1/,
  ],
  ['an agent that does nothing', () => defineAgent({ id: 'a' } as any), 'agent "a".run: must be a function'],
  ['triggers that are no list', () => defineAgent({ id: 'a', run, triggers: 'hi' } as any), /^agent "a"\.triggers: /],
  ['an empty trigger', () => defineAgent({ id: 'a', run, triggers: [''] }), /^agent "a"\.triggers\.0: /],
  ['a fallback that is no id', () => defineAgent({ id: 'a', run, fallbacks: ['B!'] }), /^agent "a"\.fallbacks\.0: /],
  ['a kind that there is not', () => defineAgent({ id: 'a', kind: 'robot', run } as any), /^agent "a" kind: /],
  [
    'a form without fields',
    () => defineAgent({ id: 'a', kind: 'form', fields: {}, run }),
    'agent "a".fields: must name at least one field',
  ],
  [
    'a field without a prompt',
    () => defineAgent({ id: 'a', kind: 'form', fields: { city: { schema: z.string() } }, run } as any),
    /^agent "a"\.fields\.city\.prompt: /,
  ],
  [
    'a field without a schema',
    () => defineAgent({ id: 'a', kind: 'form', fields: { city: { prompt: 'Where?' } }, run } as any),
    'agent "a".fields.city.schema: must be a zod schema',
  ],
  [
    'an endpoint that is no URL',
    () => defineAgent({ id: 'a', kind: 'http', endpoints: [{ id: 'one', url: 'ftp://x' }] }),
    /^agent "a"\.endpoints\.0\.url: /,
  ],
  ['a flow without an agent', () => defineFlow({ tools: [] } as any), /^flow\.agent_type: /],
  ['a flow with a member that there is not', () => defineFlow({ agent_type: 'a', tool: 'x' } as any), /tool/],
  ['a tool without a name', () => defineTool({ ...add, name: undefined } as any), /^tool "undefined"\.name: /],
  [
    'a tool without an input schema',
    () => defineTool({ ...add, input: {} } as any),
    'tool "add".input: must be a zod schema',
  ],
  [
    'a tool that does nothing',
    () => defineTool({ ...add, execute: 3 } as any),
    'tool "add".execute: must be a function',
  ],
  ['a bad setting', () => createTroupe({ settings: { attempts: 0 } }), /^settings\.attempts: /],
  ['a setting that there is not', () => createTroupe({ settings: { retries: 3 } as any }), /retries/],
  ['two agents of one id', () => createTroupe({ agents: [helper(), helper()] }), 'agent "helper" is declared twice'],
  [
    'a flow whose tool is not declared',
    () => createTroupe({ flows: { sums: { agent_type: 'a', tools: ['sub'] } }, tools: [add] }),
    'flow "sums" lists the tool "sub", which is not declared; declared are add',
  ],
  [
    'a flow that was not checked when it was defined',
    () => createTroupe({ flows: { sums: { agent: 'a' } as any } }),
    /^flow "sums"\.agent_type: /,
  ],
])('a declaration is refused with the member that is wrong: %s', async (_, declare, message) => {
  const refused = await refusalOf(declare);
  expect(refused.message).toMatch(message);
  expect(refused.status).toBe(400);
});

test('an unknown agent, flow or tenant is refused by name, and nothing is written', async () => {
  const troupe = await troupeOf({ agents: [helper('Hello.')], flows: { day: { agent_type: 'helper' } } });
  const session = troupe.session('s1');
  expect(await refusalOf(() => session.send('x', { agent_id: 'ghost' }))).toMatchObject({
    code: 'unknown_agent',
    status: 404,
    message: 'there is no agent "ghost"; there are helper',
  });
  expect(await refusalOf(() => session.send('x', { flow: 'night' }))).toMatchObject({
    code: 'unknown_flow',
    message: 'there is no flow "night"; there are day',
  });
  expect((await refusalOf(() => troupe.session('S 1'))).message).toMatch(/^session_id: must be 1/);
  expect((await refusalOf(() => troupe.session('s1', { tenant: '*' }))).message).toMatch(/^tenant: must be 1/);
  expect(await refusalOf(() => session.state())).toMatchObject({ code: 'unknown_session' });
});

test('a bad request rejects, it does not throw: callers need only one way to hear of it', async () => {
  const troupe = await troupeOf();
  const session = troupe.session('s1');
  const requests = [
    session.send(''),
    session.takeOver({ by: '' }),
    session.inject({ content: '', by: 'ann' }),
    troupe.process({ tenant: '', message: 'hi' }),
  ];
  for (const request of requests) await expect(request).rejects.toMatchObject({ code: 'bad_request' });
});

test('startSession gives the agent what is configured for tenant and user; a session keeps what it was created with', async () => {
  const see = scripted(
    'see',
    Array(2).fill((_: string, { call }: any) => JSON.stringify([call.context, call.params])),
  );
  const troupe = await troupeOf({ agents: [see] });
  const start = (plan: string) =>
    troupe.startSession({
      session: 's1',
      tenant: 'acme',
      tenantConfig: { plan },
      userConfig: { name: 'Ann' },
      flows: { look: { agent_type: 'see', agent_params: { depth: 2 } } },
    });
  const session = await start('gold');
  expect(session.key).toEqual({ tenant: 'acme', session: 's1' });
  const seen = '[{"tenant":{"plan":"gold"},"user":{"name":"Ann"}},{"depth":2}]';
  expect((await troupe.handleMessage(session, 'hi', 'look')).answer).toBe(seen);
  expect((await troupe.handleMessage(await start('lead'), 'hi', 'look')).answer).toBe(seen);
});

test('the flows of a tenant are its own', async () => {
  const troupe = await troupeOf({ agents: [helper('Hello.')] });
  await troupe.startSession({ session: 's1', tenant: 'acme', flows: { day: { agent_type: 'helper' } } });
  const other = await troupe.startSession({ session: 's1', tenant: 'zeta' });
  expect(await refusalOf(() => troupe.handleMessage(other, 'hi', 'day'))).toMatchObject({ code: 'unknown_flow' });
  expect(
    await refusalOf(() =>
      troupe.startSession({ session: 's2', flows: { x: { agent_type: 'helper', tools: ['ghost'] } } }),
    ),
  ).toMatchObject({ code: 'unknown_tool' });
});

test('handleMessage returns the answer and its trace, in order', async () => {
  const troupe = await troupeOf({ agents: [helper('Hello.')] });
  const outcome = await troupe.handleMessage(await troupe.startSession({ session: 's1' }), 'please');
  expect(outcome).toMatchObject({ status: 'done', answer: 'Hello.', agent_id: 'helper', run_id: 's1-r1' });
  expect(outcome.trace.map(({ type }) => type)).toEqual([
    'message_accepted',
    'run_started',
    'user_input',
    'run_routed',
    'agent_invoke_started',
    'agent_invoke_done',
    'run_done',
  ]);
});

test('stream yields the pieces of the answer and every change of state, the outcome last', async () => {
  const agent = helper(streamed('One ', 'two.'));
  const troupe = await troupeOf({ agents: [agent] });
  const told: StreamEvent[] = [];
  for await (const event of troupe.session('s1').stream('please')) {
    told.push(event);
    // Twice: there are two pieces.
    if (told.length <= 2) await soon(agent.step);
  }
  expect(told.map((event) => (event.type === 'message_chunk' ? event.text : event.type))).toEqual([
    'state_change',
    'One ',
    'two.',
    'state_change',
    'outcome',
  ]);
  expect(told.at(-1)).toMatchObject({ status: 'done', answer: 'One two.' });
});

test('a stream that is left early stops listening; its message is still answered', async () => {
  const agent = helper(held('Done.'));
  const troupe = await troupeOf({ agents: [agent] });
  const session = troupe.session('s1');
  for await (const _ of session.stream('please')) break;
  await soon(agent.step);
  await soon();
  expect((await session.history('llm')).map(({ content }) => content)).toEqual(['please', 'Done.']);
});

test('a stream of a refused message rejects', async () => {
  const session = (await troupeOf()).session('s1');
  await expect(session.stream('x', { agent_id: 'ghost' }).next()).rejects.toMatchObject({ code: 'unknown_agent' });
});

test('active lists the open runs of a tenant with what each is doing', async () => {
  const asks = scripted('asks', [{ type: 'input_required', prompt: 'Which?' }]);
  const agent = helper(held('Done.'));
  const troupe = await troupeOf({ agents: [agent, asks] });
  void troupe.session('s1', { tenant: 'acme' }).send('please');
  await troupe.session('s2', { tenant: 'acme' }).send('hi', { agent_id: 'asks' });
  expect(await troupe.active('acme')).toEqual([
    { session_id: 's1', run_id: 's1-r1', agent_id: 'helper', status: 'running' },
    { session_id: 's2', run_id: 's2-r1', agent_id: 'asks', status: 'waiting_for_input' },
  ]);
  expect(await troupe.active('zeta')).toEqual([]);
});

test('cleanUp forgets ended sessions of the tenant that nothing happened to for so long, however many there are', async () => {
  const clock = new SteppedClock(1_000_000);
  const troupe = await troupeOf({ agents: [helper(...Array(10).fill('Hello.'))], clock });
  const close = async (id: string, tenant: string) => {
    const session = troupe.session(id, { tenant });
    await session.send('please');
    await session.close();
  };
  await close('z-old', 'acme');
  await close('z-old', 'zeta');
  clock.advance(60_000);
  const [last] = await troupe.journal.tail({ tenant: 'acme', session: 'z-old' }, 1);
  const young = { ...last!.entry, n: 1, at: clock.now() };
  for (let n = 0; n < 1_000; n += 1) await troupe.journal.append({ tenant: 'acme', session: `a-${n}` }, 0, young);
  expect(await troupe.cleanUp('acme', 61)).toBe(0);
  expect(await troupe.cleanUp('acme', 60)).toBe(1);
  expect(await refusalOf(() => troupe.session('z-old', { tenant: 'acme' }).state())).toMatchObject({
    code: 'unknown_session',
  });
  expect((await troupe.session('z-old', { tenant: 'zeta' }).state()).control).toBe('closed');
  expect(await troupe.cleanUp('acme', 0)).toBe(1_000);
});

test('events tells every entry of the tenant as it is remembered, and of no other', async () => {
  const troupe = await troupeOf({ agents: [helper('One.', 'Two.')] });
  const stop = new AbortController();
  const heard: string[] = [];
  const listening = (async () => {
    for await (const { key, entry } of troupe.events({ tenant: 'acme', signal: stop.signal }))
      heard.push(`${key.session} ${entry.n} ${entry.event.type}`);
  })();
  await troupe.session('s1', { tenant: 'zeta' }).send('please');
  await troupe.session('s1', { tenant: 'acme' }).send('please');
  await soon(() => stop.abort());
  await listening;
  expect(heard).toEqual(['s1 1 message', 's1 2 xstate.done.actor.agent']);
});

test('process routes a message to the tenant’s one session, or to the one it names', async () => {
  const troupe = await troupeOf({ agents: [helper('One.', 'Two.')] });
  expect(await troupe.process({ tenant: 'acme', message: 'please' })).toMatchObject({ run_id: 'default-r1' });
  expect(await troupe.process({ tenant: 'acme', session: 's7', message: 'please' })).toMatchObject({ run_id: 's7-r1' });
});

test('whoever waits for an answer when the troupe closes hears that the message is accepted, no more', async () => {
  const troupe = await createTroupe({ agents: [helper(held('Never.'))] });
  const outcome = troupe.session('s1').send('please');
  await soon(() => troupe.close());
  expect(await outcome).toMatchObject({ status: 'accepted', answer: null, run_id: 's1-r1' });
});

test('whoever listens when the troupe closes hears the end', async () => {
  const troupe = await createTroupe({ agents: [helper('One.')] });
  await troupe.session('s1').send('please');
  const listening = allOf(troupe.session('s1').events());
  const everywhere = allOf(troupe.events());
  await soon(() => troupe.close());
  expect((await listening).length).toBe(2);
  expect(await everywhere).toEqual([]);
});

async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** After everything that needs no time has happened. */
const soon = async (act: () => unknown = () => {}): Promise<void> => {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
  await act();
};
