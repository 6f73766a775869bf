// One message through the whole pipeline: cleaned, routed, given to one agent or several, answered once.
import { expect, onTestFinished, test } from 'vitest';
import { createTroupe, defineAgent, Failed } from '../src/index.ts';
import { SteppedClock } from '../src/testing.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { openDoor } from './door.ts';

const seen: string[] = [];
const said = (id: string, more: object = {}) =>
  defineAgent({
    id,
    ...more,
    run: (message) => {
      seen.push(`${id}: ${message}`);
      return `${id} says ${message.split('\n')[0]}`;
    },
  });
const broken = defineAgent({
  id: 'broken',
  run: () => {
    throw new Failed('no_luck', 'it did not work', false);
  },
});
const agents = [
  said('weather', { triggers: ['weather'], fallbacks: ['almanac'] }),
  said('almanac'),
  said('news'),
  broken,
];

async function open(options: TroupeOptions = {}) {
  seen.length = 0;
  const troupe = await createTroupe({ agents, ...options });
  onTestFinished(() => troupe.close());
  return troupe;
}

const refused = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    (value) => Promise.reject(new Error(`was taken: ${JSON.stringify(value)}`)),
    (error) => error,
  );

test('a message goes to the agent that it is routed to, as a turn of a session', async () => {
  const troupe = await open();
  const made = await troupe.orchestrate({ message: 'the weather, please' });
  expect(made).toEqual({
    success: true,
    result: 'weather says the weather, please',
    execution_time: expect.any(Number),
    agents_used: ['weather'],
    mode: 'single',
    session_id: expect.stringMatching(/^o-/),
    run_id: `${made.session_id}-r1`,
    status: 'done',
    routing: { agent: 'weather', confidence: expect.any(Number), reason: expect.any(String), secondary: ['almanac'] },
  });
  const next = await troupe.orchestrate({ message: 'the weather again', session_id: made.session_id });
  expect(next.run_id).toBe(`${made.session_id}-r2`);
  expect(await troupe.session(made.session_id).history()).toHaveLength(4);
});

test('what is no text is cleaned away before anybody sees it', async () => {
  const troupe = await open();
  const made = await troupe.orchestrate({ message: ' \u0000weather\r\nin\u0007 Zu\u0308rich\t \u2028now\u001b[31m ' });
  expect(seen).toEqual(['weather: weather\nin Zürich\t \nnow[31m']);
  expect(made.success).toBe(true);
});

test.each([
  [{ message: '' }, 'message'],
  [{ message: ' \u0000 ' }, 'must not be empty'],
  [{ message: 'x'.repeat(65_537) }, 'must not be longer'],
  [{ message: 'x', agents: [] }, 'agents'],
  [{ message: 'x', agents: ['news', 'news'] }, 'must differ'],
  [{ message: 'x', mode: 'all' }, 'mode'],
  [{ message: 'x', agents: ['news', 'almanac'], mode: 'single' }, 'goes to one agent'],
  [{ message: 'x', session_id: 'A b' }, 'session_id'],
  [{ message: 'x', timeout_ms: 0 }, 'timeout_ms'],
  [{ message: 'x', extra: 1 }, 'extra'],
])('a bad request is refused with what would be right: %j', async (body, why) => {
  const troupe = await open();
  expect(await refused(troupe.orchestrate(body as never))).toMatchObject({
    code: 'bad_request',
    message: expect.stringContaining(why),
  });
  expect(seen).toEqual([]);
});

test('who is not there, and a message that is for nobody, is refused', async () => {
  const troupe = await open();
  const message = expect.stringContaining('news');
  expect(await refused(troupe.orchestrate({ message: 'x', agents: ['nobody'] }))).toMatchObject({
    code: 'unknown_agent',
    message,
  });
  expect(await refused(troupe.orchestrate({ message: 'xyz' }))).toMatchObject({ code: 'no_match', status: 422 });
});

test('several agents answer at once, each under its name; one that fails is named and does not spoil the rest', async () => {
  const troupe = await open();
  const made = await troupe.orchestrate({ message: 'hi', agents: ['news', 'broken', 'almanac'] });
  expect(made).toMatchObject({
    success: true,
    mode: 'parallel',
    result: 'news: news says hi\n\nalmanac: almanac says hi',
    agents_used: ['news', 'broken', 'almanac'],
    failed_agents: ['broken'],
    success_rate: 2 / 3,
    individual_results: [
      { agent: 'news', success: true, result: 'news says hi' },
      { agent: 'broken', success: false, error: { code: 'no_luck', message: 'it did not work' } },
      { agent: 'almanac', success: true },
    ],
  });
});

test('one after the other, each sees what the others before it came to, and the last one has the last word', async () => {
  const troupe = await open();
  const made = await troupe.orchestrate({ message: 'hi', agents: ['news', 'broken', 'almanac'], mode: 'sequential' });
  expect(made).toMatchObject({
    success: true,
    result: 'almanac says hi',
    success_rate: 2 / 3,
    failed_agents: ['broken'],
  });
  expect(seen[0]).toBe('news: hi');
  expect(seen[1]).toContain('news says hi');
  expect(seen[1]).toContain('it did not work');
});

test('with a mode and no agents, the one that routing found is joined by those that stand behind it', async () => {
  const troupe = await open();
  const made = await troupe.orchestrate({ message: 'weather', mode: 'parallel' });
  expect(made).toMatchObject({ agents_used: ['weather', 'almanac'], success_rate: 1 });
});

test('an agent that is out is stood in for, and who answered is told', async () => {
  const troupe = await open({ agents: [{ ...broken, fallbacks: ['news'] }, said('news')] });
  const single = await troupe.orchestrate({ message: 'hi', agents: ['broken'] });
  expect(single).toMatchObject({ success: true, agents_used: ['broken', 'news'] });
  const several = await troupe.orchestrate({ message: 'hi', agents: ['broken'], mode: 'parallel' });
  expect(several).toMatchObject({ success: true, individual_results: [{ agent: 'broken', answered_by: 'news' }] });
});

test('when nobody has an answer, that is said, and why of each', async () => {
  const troupe = await open();
  expect(await troupe.orchestrate({ message: 'hi', agents: ['broken'] })).toMatchObject({
    success: false,
    result: null,
    error: { code: 'no_luck' },
  });
  expect(await troupe.orchestrate({ message: 'hi', agents: ['broken'], mode: 'parallel' })).toMatchObject({
    success: false,
    success_rate: 0,
    error: { code: 'all_agents_failed', message: 'broken: it did not work' },
  });
});

test('an agent that asks goes on in the session', async () => {
  const asking = defineAgent({
    id: 'asking',
    run: (message, { call }) =>
      call.task ? `thanks for ${message}` : { type: 'input_required', prompt: 'Where?', task: { asked: true } },
  });
  const troupe = await open({ agents: [asking] });
  const first = await troupe.orchestrate({ message: 'hi', agents: ['asking'] });
  expect(first).toMatchObject({ success: false, status: 'awaiting_input', result: 'Where?' });
  const { session_id } = first;
  expect(await troupe.orchestrate({ message: 'Rome', session_id, agents: ['asking'] })).toMatchObject({
    success: true,
    result: 'thanks for Rome',
  });
});

test('several agents see the conversation that they are asked in', async () => {
  const reading = defineAgent({
    id: 'reading',
    run: async (_, { history }) => (await history()).map(({ content }) => content).join('|'),
  });
  const troupe = await open({ agents: [reading, said('news')] });
  await troupe.session('s1').send('what is new?', { agent_id: 'news' });
  const made = await troupe.orchestrate({ message: 'hi', session_id: 's1', agents: ['reading'], mode: 'parallel' });
  expect(made.result).toBe('what is new?|news says what is new?');
});

test('what takes too long is given up, and its agents are told to stop', async () => {
  const clock = new SteppedClock();
  let stopped = 0;
  const slow = defineAgent({
    id: 'slow',
    run: (_, { signal }) =>
      new Promise<string>((_, reject) => {
        signal.addEventListener('abort', () => {
          stopped += 1;
          reject(signal.reason);
        });
      }),
  });
  const troupe = await open({ agents: [slow, said('news')], clock, request_timeout_ms: 5_000 });
  for (const mode of ['single', 'sequential'] as const) {
    const made = refused(troupe.orchestrate({ message: 'hi', agents: ['slow'], mode, session_id: `s-${mode}` }));
    await expect
      .poll(() => troupe.pool.list('default').find(({ agent_id }) => agent_id === 'slow')!.endpoints[0]!.in_flight)
      .toBe(1);
    clock.advance(5_000);
    expect(await made).toMatchObject({ code: 'timed_out', status: 504 });
  }
  await expect.poll(() => stopped).toBe(2);
  const several = troupe.orchestrate({ message: 'hi', agents: ['slow', 'news'], timeout_ms: 1_000 });
  await expect.poll(() => seen.length).toBe(1);
  clock.advance(1_000);
  expect(await several).toMatchObject({
    success: true,
    result: 'news says hi',
    failed_agents: ['slow'],
    individual_results: [{ error: { code: 'timed_out' }, execution_time: 1 }, { success: true }],
  });
  expect(stopped).toBe(3);
  expect((await troupe.session('s-single').state()).run).toBe(null);
});

test('who leaves while others are answered in the session does not end their run', async () => {
  const clock = new SteppedClock();
  const opened = Promise.withResolvers<string>();
  const held = defineAgent({ id: 'held', run: () => opened.promise });
  const troupe = await open({ agents: [held], clock });
  const first = troupe.session('s1').send('first', { agent_id: 'held' });
  await expect.poll(() => troupe.pool.list('default')[0]!.endpoints[0]!.in_flight).toBe(1);
  const left = refused(
    troupe.orchestrate({ message: 'second', session_id: 's1', agents: ['held'], timeout_ms: 1_000 }),
  );
  await expect.poll(async () => (await troupe.session('s1').state()).waiting).toBe(1);
  clock.advance(1_000);
  expect(await left).toMatchObject({ code: 'timed_out' });
  opened.resolve('there');
  expect(await first).toMatchObject({ status: 'done', answer: 'there' });
});

test('more than the limit at once are told to come again', async () => {
  const opened = Promise.withResolvers<string>();
  const held = defineAgent({ id: 'held', run: () => opened.promise });
  const troupe = await open({ agents: [held], max_concurrent_requests: 2 });
  const ask = () => troupe.orchestrate({ message: 'hi', agents: ['held'] });
  const both = [ask(), ask()];
  expect(await refused(ask())).toMatchObject({ code: 'overloaded', status: 503, details: { retry_after_s: 1 } });
  opened.resolve('there');
  for (const one of both) expect(await one).toMatchObject({ success: true });
  expect(await ask()).toMatchObject({ success: true });
});

test('what is not permitted is not begun', async () => {
  const troupe = await open({
    authorize: ({ action, agent }) =>
      action !== 'orchestrate' || agent !== 'news' || { allow: false, reason: 'no news' },
  });
  expect(await refused(troupe.orchestrate({ message: 'hi', agents: ['almanac', 'news'] }))).toMatchObject({
    code: 'forbidden',
    message: 'no news',
  });
  expect(seen).toEqual([]);
});

test('over HTTP: answered, refused, failed', async () => {
  const door = await openDoor({ agents });
  const post = (body: object, tenant = 'acme') =>
    door.post('/orchestrate', body, { headers: { 'x-tenant-id': tenant } });
  const made = await post({ message: 'weather' });
  expect(made).toMatchObject({ status: 200, body: { success: true, agents_used: ['weather'] } });
  expect(made.body.execution_time).toBeGreaterThanOrEqual(0);
  expect((await door.get('/v1/sessions', { headers: { 'x-tenant-id': 'acme' } })).body.sessions).toHaveLength(1);
  expect(await post({ message: 'hi', agents: ['news', 'almanac'] })).toMatchObject({
    status: 200,
    body: { success_rate: 1 },
  });
  const named = await door.post('/orchestrate', { message: 'weather', tenant: 'other' });
  expect(named).toMatchObject({ status: 200, body: { success: true } });
  expect((await door.get('/v1/sessions', { headers: { 'x-tenant-id': 'other' } })).body.sessions).toHaveLength(1);
  expect(await post({ message: 'weather', tenant: 'other' })).toMatchObject({
    status: 400,
    body: { detail: 'body.tenant: is "other", but it is "acme" that asks' },
  });
  expect(await post({})).toMatchObject({ status: 400, body: { code: 'bad_request' } });
  expect(await post({ message: 'hi', agents: ['nobody'] })).toMatchObject({
    status: 404,
    body: { code: 'unknown_agent' },
  });
  expect(await post({ message: 'xyz' })).toMatchObject({ status: 422, body: { code: 'no_match' } });
  expect(await post({ message: 'hi', agents: ['broken'] })).toMatchObject({
    status: 502,
    body: { status: 502, code: 'no_luck', detail: 'it did not work', success: false, agents_used: ['broken'] },
  });
  expect(await post({ message: 'hi', agents: ['broken'], mode: 'parallel' })).toMatchObject({
    status: 502,
    body: { code: 'all_agents_failed', success_rate: 0, failed_agents: ['broken'] },
  });
});
