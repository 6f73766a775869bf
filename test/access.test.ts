// Permission checks: one function is asked before anything is done, at every door, and its no is a 403 with its reason.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { type AccessRequest, createTroupe, defineAgent, defineOrchestrator, defineTool } from '../src/index.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { openDoor } from './door.ts';

const paid: unknown[] = [];
const pay = defineTool({
  name: 'pay',
  description: 'pays',
  input: z.object({ euros: z.number() }),
  execute: (input) => {
    paid.push(input);
    return 'paid';
  },
});
const cashier = defineAgent({
  id: 'cashier',
  triggers: ['pay'],
  tools: [pay],
  run: async (_, { tool }) => String(await tool('pay', { euros: 5 })),
});
const echo = defineAgent({ id: 'echo', triggers: ['say'], run: (text) => text });
const shop = defineOrchestrator({
  name: 'shop',
  version: '1',
  payload: z.any(),
  run: async (_, { call, record }) => {
    const answer = await call('cashier', 'pay');
    return [record(answer.text, answer)];
  },
});

/** Everything is asked about and allowed, but for what `no` says a reason against. */
function asking(no: (request: AccessRequest) => string | false | undefined, more: TroupeOptions = {}) {
  const asked: AccessRequest[] = [];
  const options: TroupeOptions = {
    agents: [cashier, echo],
    orchestrators: [shop],
    authorize: async (request) => {
      asked.push(request);
      const reason = no(request);
      return reason === undefined ? true : reason === false ? false : { allow: false, reason };
    },
    ...more,
  };
  return { asked, options };
}

async function open(options: TroupeOptions) {
  const troupe = await createTroupe(options);
  onTestFinished(() => troupe.close());
  return troupe;
}

const refused = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    (value) => Promise.reject(new Error(`was taken: ${JSON.stringify(value)}`)),
    (error) => error,
  );

test('a message is asked about with the agent that it goes to, then the call, then the tool', async () => {
  const { asked, options } = asking(() => undefined);
  const troupe = await open(options);
  expect(await troupe.session('s1', { tenant: 'acme' }).send('pay me')).toMatchObject({
    status: 'done',
    answer: 'paid',
  });
  const base = { tenant: 'acme', session_id: 's1', agent: 'cashier' };
  expect(asked).toEqual([
    { ...base, action: 'message' },
    { ...base, action: 'call' },
    { ...base, action: 'tool', tool: 'pay' },
  ]);
});

test('a message that is not permitted leaves nothing behind', async () => {
  const { options } = asking(({ action }) => (action === 'message' ? 'not on Sundays' : undefined));
  const troupe = await open(options);
  expect(await refused(troupe.session('s1').send('say hi'))).toMatchObject({
    name: 'Refused',
    code: 'forbidden',
    status: 403,
    message: 'not on Sundays',
  });
  expect(await refused(troupe.session('s1').state())).toMatchObject({ code: 'unknown_session' });
});

test('an agent that may not be called is not, and nobody tries it again', async () => {
  const { asked, options } = asking(({ action, agent }) =>
    action === 'call' && agent === 'echo' ? 'no echo' : undefined,
  );
  const troupe = await open(options);
  const outcome = await troupe.session('s1').send('say hi');
  expect(outcome).toMatchObject({ status: 'failed', error: { code: 'forbidden', message: 'no echo' } });
  expect(asked.filter(({ action }) => action === 'call')).toHaveLength(1);
  expect(troupe.pool.list('default').find(({ agent_id }) => agent_id === 'echo')!.endpoints[0]!.requests).toBe(0);
});

test('a tool that may not be called is not: of an agent, of the runtime, of an orchestrator', async () => {
  paid.length = 0;
  const { options } = asking(({ tool }) => (tool === 'pay' ? 'no money' : undefined), {
    tools: [{ ...pay, name: 'pay' }],
    agents: [cashier, { ...cashier, id: 'other', tools: [] }],
    flows: { other: { agent_type: 'other', tools: ['pay'] } },
    orchestrators: [
      shop,
      { ...shop, name: 'direct', run: async (_, { tool }) => [await tool('pay', { euros: 1 })] as any },
    ],
  });
  const troupe = await open(options);
  const error = { code: 'forbidden', message: 'no money' };
  expect(await troupe.session('s1').send('pay', { agent_id: 'cashier' })).toMatchObject({ status: 'failed', error });
  expect(await troupe.session('s2').send('pay', { flow: 'other' })).toMatchObject({ status: 'failed', error });
  expect(await refused(troupe.run('shop', {}))).toMatchObject(error);
  expect(await refused(troupe.run('direct', {}))).toMatchObject(error);
  expect(paid).toEqual([]);
});

test('a supervisor may do what is permitted to them, and nothing else', async () => {
  const { asked, options } = asking(({ action, by }) => (action === 'takeover' && by !== 'ann' ? false : undefined));
  const troupe = await open(options);
  const session = troupe.session('s1');
  await session.send('say hi');
  expect(await refused(session.takeOver({ by: 'bob' }))).toMatchObject({
    code: 'forbidden',
    message: 'takeover is not permitted',
  });
  expect(await session.takeOver({ by: 'ann' })).toMatchObject({ holder: 'ann' });
  await session.release();
  expect(asked.map(({ action }) => action)).toEqual(['message', 'call', 'takeover', 'takeover', 'release']);
});

test('runs and jobs are asked about', async () => {
  const no = new Set(['enqueue']);
  const { options } = asking(({ action }) => (no.has(action) ? false : undefined));
  const troupe = await open(options);
  expect(await refused(troupe.enqueue('shop', {}))).toMatchObject({
    code: 'forbidden',
    message: 'enqueue of "shop" is not permitted',
  });
  no.clear();
  const { job_id } = await troupe.enqueue('shop', {});
  await troupe.jobs.ended(job_id);
  no.add('run').add('cancel_job').add('retry_job').add('create').add('fork');
  expect(await refused(troupe.run('shop', {}))).toMatchObject({ code: 'forbidden' });
  expect(await refused(troupe.jobs.cancel(job_id, { by: 'ann' }))).toMatchObject({ code: 'forbidden' });
  expect(await refused(troupe.jobs.retry(job_id))).toMatchObject({ code: 'forbidden' });
  expect(await refused(troupe.startSession({ session: 's1' }))).toMatchObject({ code: 'forbidden' });
});

test('a check that throws permits nothing', async () => {
  const { options } = asking(() => {
    throw new Error('the directory is down');
  });
  const troupe = await open(options);
  expect(await refused(troupe.session('s1').send('say hi'))).toMatchObject({ message: 'the directory is down' });
});

test('over HTTP a no is a 403 with its reason', async () => {
  const { options } = asking(({ action, tenant }) => (tenant === 'acme' || action === 'pause' ? 'not you' : undefined));
  const door = await openDoor(options);
  const said = (tenant: string) =>
    door.post('/v1/sessions/s1/messages', { content: 'say hi' }, { headers: { 'x-tenant-id': tenant } });
  expect(await said('acme')).toMatchObject({ status: 403, body: { code: 'forbidden', detail: 'not you' } });
  expect(await said('other')).toMatchObject({ status: 200 });
  const pause = await door.post('/v1/sessions/s1/pause', {}, { headers: { 'x-tenant-id': 'other' } });
  expect(pause).toMatchObject({ status: 403, body: { code: 'forbidden', action: 'pause' } });
});
