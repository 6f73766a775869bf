// Jobs: runs of orchestrators that wait for a worker, are tried again, and are done once though their process dies.
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { JOB } from '../actors/orchestrator.ts';
import { createTroupe, defineAgent, defineOrchestrator, Failed, Refused, type RunContext } from '../src/index.ts';
import { memoryJournal, SteppedClock } from '../src/testing.ts';
import type { Troupe, TroupeOptions } from '../src/troupe.ts';
import { openDoor } from './door.ts';

const breathe = () => new Promise((resolve) => setImmediate(resolve));
/** Lets timers fire that are due now. */
const passed = <T>(clock: SteppedClock, look: () => T): T => {
  clock.advance(0);
  return look();
};
const helper = defineAgent({ id: 'helper', run: (message) => `done: ${message}` });

type Work = (payload: any, ctx: RunContext) => Promise<unknown>;

/** An orchestrator that does what the test says. */
const working = (work: Work, more: object = {}) =>
  defineOrchestrator({
    name: 'work',
    version: '1',
    payload: z.any(),
    ...more,
    async run(payload, ctx) {
      const answer = await ctx.call('helper', JSON.stringify((await work(payload, ctx)) ?? null));
      return [ctx.record(answer.text, answer)];
    },
  });

async function open(work: Work, { more, ...options }: TroupeOptions & { more?: object } = {}): Promise<Troupe> {
  const troupe = await createTroupe({ agents: [helper], orchestrators: [working(work, more)], ...options });
  onTestFinished(() => troupe.close());
  return troupe;
}

/** Work that ends when the test says so. */
function held() {
  const begun: { payload: any; ctx: RunContext; end: (result?: unknown) => void; fail: (error: Error) => void }[] = [];
  const work: Work = (payload, ctx) =>
    new Promise((resolve, reject) => {
      begun.push({ payload, ctx, end: resolve, fail: reject });
      ctx.signal.addEventListener('abort', () => reject(ctx.signal.reason));
    });
  const until = async (count: number) => {
    await expect.poll(() => begun.length).toBe(count);
    return begun[count - 1]!;
  };
  return { work, begun, until };
}

const failed = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    (value) => Promise.reject(new Error(`was taken: ${JSON.stringify(value)}`)),
    (error) => error,
  );

test('a job is durable, runs, and keeps the envelope of its run', async () => {
  const clock = new SteppedClock(5_000);
  const troupe = await open(async ({ n }) => n, { clock });
  const { job_id, duplicate } = await troupe.enqueue('work', { n: 7 }, { tenant: 'acme' });
  expect(duplicate).toBe(false);
  const job = await troupe.jobs.ended(job_id, { tenant: 'acme' });
  expect(job).toEqual({
    job_id,
    orchestrator: 'work',
    state: 'done',
    priority: 'normal',
    progress: 1,
    note: null,
    attempts: 1,
    steps: 0,
    enqueued_at: 5_000,
    updated_at: 5_000,
    error: null,
    result: expect.objectContaining({ records: [expect.objectContaining({ data: 'done: 7' })] }),
  });
  expect(job.result!.metadata).toMatchObject({ orchestrator: 'work', tenant: 'acme', run_id: job_id });
  expect(await troupe.jobs.get(job_id, { tenant: 'acme' })).toEqual(job);
  expect(await failed(troupe.jobs.get(job_id))).toMatchObject({ code: 'unknown_job', status: 404 });
});

test('a job that goes well costs three appends, and a waiting one is not in memory', async () => {
  const { work, until } = held();
  const clock = new SteppedClock();
  const troupe = await open(work, { jobs: { workers: 1 }, clock });
  const { job_id } = await troupe.enqueue('work', 1);
  for (let n = 2; n <= 100; n += 1) await troupe.enqueue('work', n);
  const first = await until(1);
  clock.advance(1_000);
  // The one that runs; the others are rows of the journal.
  expect(troupe.orchestrator.sessions()).toHaveLength(1);
  expect(troupe.jobs.queue.counts).toEqual({ waiting: 99, running: 1 });
  first.end();
  await troupe.jobs.ended(job_id);
  expect(await troupe.journal.read({ tenant: 'default', session: JOB + job_id })).toHaveLength(3);
});

test('so many jobs run at once as there are workers: by priority, then in the order in which they came', async () => {
  const { work, begun, until } = held();
  const troupe = await open(work, { jobs: { workers: 2 } });
  const order = ['a', 'b', 'c', 'd'];
  for (const name of order) await troupe.enqueue('work', name);
  await troupe.enqueue('work', 'late', { priority: 'low' });
  await troupe.enqueue('work', 'urgent', { priority: 'high' });
  await troupe.enqueue('work', 'e');
  await until(2);
  for (let count = 3; count <= 7; count += 1) {
    await breathe();
    expect(begun).toHaveLength(count - 1);
    begun[count - 3]!.end();
    await until(count);
  }
  expect(begun.map(({ payload }) => payload)).toEqual(['a', 'b', 'urgent', 'c', 'd', 'e', 'late']);
});

test('a job that fails waits longer and longer, then it is dead; a person may try it again', async () => {
  const clock = new SteppedClock();
  let well = false;
  const attempts: [number, string][] = [];
  const troupe = await open(
    async (_, { attempt, idempotency_key }) => {
      attempts.push([attempt, idempotency_key]);
      if (!well) throw new Failed('no_luck', 'it did not work');
    },
    { clock, random: () => 0, more: { attempts: 3, backoff_ms: 1_000 } },
  );
  const { job_id } = await troupe.enqueue('work', 1);
  for (const [wait, count] of [
    [1_000, 1],
    [2_000, 2],
  ] as const) {
    await expect.poll(async () => (await troupe.jobs.get(job_id)).state).toBe('backingOff');
    expect(await troupe.jobs.get(job_id)).toMatchObject({ attempts: count, error: { code: 'no_luck' } });
    expect((await troupe.jobs.get(job_id)).due_at).toBe(clock.now() + wait);
    clock.advance(wait - 1);
    await breathe();
    expect(attempts).toHaveLength(count);
    clock.advance(1);
  }
  const dead = await troupe.jobs.ended(job_id);
  expect(dead).toMatchObject({ state: 'dead', attempts: 3, error: { code: 'no_luck', message: 'it did not work' } });
  expect((await troupe.jobs.list({ state: 'dead' })).jobs).toEqual([dead]);
  expect(troupe.jobs.queue.counts).toEqual({ waiting: 0, running: 0 });

  well = true;
  await troupe.jobs.retry(job_id, { by: 'ann' });
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'done', attempts: 1, error: null });
  // Whatever must not do the work twice sees one key.
  expect(new Set(attempts.map(([, key]) => key))).toEqual(new Set([`default/${job_id}`]));
  expect(await failed(troupe.jobs.retry(job_id))).toMatchObject({ status: 409 });
});

test('a failure that cannot help is not tried again, and the wait that it asks for is kept', async () => {
  const clock = new SteppedClock();
  const failures = [new Failed('later', 'in a minute', true, { retry_after_s: 60 }), new Failed('never', 'no', false)];
  const troupe = await open(
    async () => {
      throw failures.shift()!;
    },
    { clock },
  );
  const { job_id } = await troupe.enqueue('work', 1);
  await expect.poll(async () => (await troupe.jobs.get(job_id)).state).toBe('backingOff');
  expect((await troupe.jobs.get(job_id)).due_at).toBe(60_000);
  clock.advance(60_000);
  // It had left memory: it is woken first, and then its timer is due.
  await breathe();
  clock.advance(0);
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'dead', attempts: 2, error: { code: 'never' } });
});

test('what is refused for now is tried again', async () => {
  const clock = new SteppedClock();
  const refusals = [new Refused('overloaded', 'too many at once', 503), new Refused('bad_request', 'never', 400)];
  const troupe = await open(
    async () => {
      throw refusals.shift()!;
    },
    { clock, more: { backoff_ms: 0 } },
  );
  const { job_id } = await troupe.enqueue('work', 1);
  await expect.poll(() => passed(clock, async () => (await troupe.jobs.get(job_id)).state)).toBe('dead');
  expect(await troupe.jobs.get(job_id)).toMatchObject({ attempts: 2, error: { code: 'bad_request' } });
});

test('an attempt that takes too long is ended, and counts as one that failed', async () => {
  const clock = new SteppedClock();
  const { work, begun, until } = held();
  const troupe = await open(work, { clock, more: { attempts: 2, timeout_ms: 10_000, backoff_ms: 0 } });
  const { job_id } = await troupe.enqueue('work', 1);
  await until(1);
  clock.advance(10_000);
  await expect.poll(() => begun[0]!.ctx.signal.aborted).toBe(true);
  expect(begun[0]!.ctx.signal.reason).toMatchObject({ name: 'TimeoutError' });
  await expect.poll(() => passed(clock, () => begun.length)).toBe(2);
  clock.advance(10_000);
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'dead', attempts: 2, error: { code: 'timeout' } });
});

test('a step is done once, whatever happens to the attempts around it', async () => {
  const clock = new SteppedClock();
  const done: string[] = [];
  const did = <T>(name: string, result: T): T => {
    done.push(name);
    return result;
  };
  let tries = 0;
  const troupe = await open(
    async (_, { step }) => {
      const first = await step('first', () => did('first', { id: 1, at: new Date(0) }));
      const second = await step('second', async () => did('second', undefined));
      tries += 1;
      if (tries < 3) throw new Error('after two steps');
      return { first, second, third: await step('third', () => did('third', 3)) };
    },
    { clock, more: { backoff_ms: 0 } },
  );
  const { job_id } = await troupe.enqueue('work', 1);
  await expect.poll(() => passed(clock, async () => (await troupe.jobs.get(job_id)).state)).toBe('done');
  expect(done).toEqual(['first', 'second', 'third']);
  expect(await troupe.jobs.get(job_id)).toMatchObject({
    attempts: 3,
    steps: 3,
    // The first attempt saw what the last one sees.
    result: { records: [{ data: 'done: {"first":{"id":1,"at":"1970-01-01T00:00:00.000Z"},"second":null,"third":3}' }] },
  });
});

test('a step without a name is an error of the run', async () => {
  const troupe = await open(async (_, { step }) => step('', () => 1));
  const { job_id } = await troupe.enqueue('work', 1);
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'dead', error: { code: 'bad_step' } });
});

test('two steps of one name are an error of the run', async () => {
  const troupe = await open(async (_, { step }) => {
    await step('one', () => 1);
    await step('one', () => 2);
  });
  const { job_id } = await troupe.enqueue('work', 1);
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'dead', error: { code: 'duplicate_step' } });
});

test('progress is seen while it runs, and a loop that says it all the time writes a few entries', async () => {
  const clock = new SteppedClock();
  const { work, until } = held();
  const troupe = await open(work, { clock });
  const { job_id } = await troupe.enqueue('work', 1);
  const { ctx, end } = await until(1);
  for (let n = 1; n <= 1_000; n += 1) ctx.progress(n / 1_000, `${n} of 1000`);
  await expect.poll(async () => (await troupe.jobs.get(job_id)).progress).toBe(0.001);
  clock.advance(500);
  await expect.poll(async () => (await troupe.jobs.get(job_id)).progress).toBe(1);
  expect(await troupe.jobs.get(job_id)).toMatchObject({ state: 'running', note: '1000 of 1000' });
  ctx.progress(7);
  ctx.progress(-1);
  end();
  await troupe.jobs.ended(job_id);
  expect((await troupe.journal.read({ tenant: 'default', session: JOB + job_id })).length).toBeLessThan(7);
});

test('the same key is the same job; with another payload it is refused', async () => {
  const { work, begun, until } = held();
  const troupe = await open(work);
  const first = await troupe.enqueue('work', { a: 1, b: 2 }, { key: 'order-7' });
  expect(await troupe.enqueue('work', { b: 2, a: 1 }, { key: 'order-7' })).toMatchObject({
    job_id: first.job_id,
    duplicate: true,
  });
  expect(await failed(troupe.enqueue('work', { a: 2 }, { key: 'order-7' }))).toMatchObject({
    code: 'idempotency_key_reused',
    status: 422,
  });
  (await until(1)).end();
  await troupe.jobs.ended(first.job_id);
  expect(await troupe.enqueue('work', { a: 1, b: 2 }, { key: 'order-7' })).toMatchObject({ duplicate: true });
  expect(begun).toHaveLength(1);
  // Another tenant's key is another key.
  expect(await troupe.enqueue('work', {}, { key: 'order-7', tenant: 'acme' })).toMatchObject({ duplicate: false });
});

test('a job may wait before it begins', async () => {
  const clock = new SteppedClock();
  const troupe = await open(async () => 1, { clock });
  const { job_id } = await troupe.enqueue('work', 1, { delay_ms: 60_000 });
  expect(await troupe.jobs.get(job_id)).toMatchObject({ state: 'delayed', due_at: 60_000 });
  clock.advance(59_999);
  await breathe();
  expect((await troupe.jobs.get(job_id)).state).toBe('delayed');
  clock.advance(1);
  await breathe();
  clock.advance(0);
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'done' });
});

test('a cancelled job stops, frees its worker, and may be tried again', async () => {
  const { work, begun, until } = held();
  const troupe = await open(work, { jobs: { workers: 1 } });
  const running = await troupe.enqueue('work', 'running');
  const waiting = await troupe.enqueue('work', 'waiting');
  const { ctx } = await until(1);
  expect(await troupe.jobs.cancel(waiting.job_id)).toMatchObject({ state: 'cancelled', attempts: 0 });
  expect(await troupe.jobs.cancel(running.job_id, { by: 'ann', reason: 'wrong' })).toMatchObject({
    state: 'cancelled',
  });
  expect(ctx.signal.aborted).toBe(true);
  expect(await failed(troupe.jobs.cancel(running.job_id))).toMatchObject({ code: 'illegal_in_state', status: 409 });
  await troupe.jobs.retry(waiting.job_id);
  (await until(2)).end();
  expect(await troupe.jobs.ended(waiting.job_id)).toMatchObject({ state: 'done' });
  expect(begun[1]!.payload).toBe('waiting');
});

test('a run fans out, and trying it again enqueues nothing twice', async () => {
  const clock = new SteppedClock();
  let tries = 0;
  const troupe = await open(
    async (payload, { enqueue }) => {
      if (payload.leaf) return payload.leaf;
      for (const leaf of [1, 2, 3]) await enqueue('work', { leaf });
      tries += 1;
      if (tries === 1) throw new Error('after the fan-out');
    },
    { clock, more: { backoff_ms: 0 } },
  );
  const { job_id } = await troupe.enqueue('work', {});
  await expect.poll(() => passed(clock, async () => (await troupe.jobs.get(job_id)).state)).toBe('done');
  const { jobs } = await troupe.jobs.list();
  expect(jobs.filter(({ parent }) => parent === job_id)).toHaveLength(3);
  expect(jobs).toHaveLength(4);
});

test('jobs are no sessions: no list, no event and no count of sessions has them', async () => {
  const troupe = await open(async () => 1);
  const heard: string[] = [];
  const stop = new AbortController();
  const hearing = (async () => {
    for await (const { key } of troupe.events({ signal: stop.signal })) heard.push(key.session);
  })();
  for (const id of ['0-before', 'after'])
    await troupe
      .session(id)
      .send('hi')
      .catch(() => {});
  for (let n = 0; n < 20; n += 1) await troupe.jobs.ended((await troupe.enqueue('work', n)).job_id);
  const names = async (limit: number) => {
    const all: string[] = [];
    let next: Awaited<ReturnType<typeof troupe.conversations.list>>['next'];
    do {
      const page = await troupe.conversations.list({ tenant: 'default', limit, after: next });
      all.push(...page.rows.map(({ key }) => key.session));
      next = page.next;
    } while (next);
    return all;
  };
  for (const limit of [1, 2, 3, 100]) expect(await names(limit)).toEqual(['0-before', 'after']);
  expect(await troupe.active()).toEqual([]);
  stop.abort();
  await hearing;
  expect(heard.filter((session) => session.startsWith('@'))).toEqual([]);
});

test('jobs are listed by state, a page at a time', async () => {
  const { work, until } = held();
  const troupe = await open(work, { jobs: { workers: 1 } });
  const ids: string[] = [];
  for (let n = 0; n < 5; n += 1) ids.push((await troupe.enqueue('work', n)).job_id);
  await until(1);
  const first = await troupe.jobs.list({ limit: 2 });
  expect(first.jobs).toHaveLength(2);
  const rest = await troupe.jobs.list({ limit: 100, after: first.next });
  expect(rest).toMatchObject({ jobs: [{}, {}, {}] });
  expect([...first.jobs, ...rest.jobs].map(({ job_id }) => job_id).sort()).toEqual([...ids].sort());
  expect((await troupe.jobs.list({ state: 'waiting' })).jobs).toHaveLength(4);
  expect((await troupe.jobs.list({ state: 'running' })).jobs.map(({ job_id }) => job_id)).toEqual([ids[0]]);
  expect(await failed(troupe.jobs.list({ state: 'lost' as never }))).toMatchObject({ code: 'bad_request' });
});

test('after a process is gone, jobs that waited wait, and the one that ran goes on behind its steps', async () => {
  const journal = memoryJournal();
  // The journal outlives its processes.
  const shared = { ...journal, close: async () => {} };
  const done: string[] = [];
  const keys: string[] = [];
  const before = held();
  const first = await createTroupe({
    agents: [helper],
    journal: shared,
    jobs: { workers: 1 },
    orchestrators: [
      working(async (payload, ctx) => {
        await ctx.step('pay', () => void done.push(`pay ${payload}`));
        return before.work(payload, ctx);
      }),
    ],
  });
  const ids: string[] = [];
  for (const payload of ['a', 'b', 'c']) ids.push((await first.enqueue('work', payload)).job_id);
  keys.push((await before.until(1)).ctx.idempotency_key);
  // Nothing that it says from now on reaches the journal, as if it had been killed.
  await first.orchestrator.stop();

  const second = await createTroupe({
    agents: [helper],
    journal: shared,
    jobs: { workers: 1 },
    orchestrators: [
      working(async (payload, { step, idempotency_key }) => {
        await step('pay', () => void done.push(`pay ${payload}`));
        keys.push(idempotency_key);
        return payload;
      }),
    ],
  });
  onTestFinished(() => second.close());
  for (const id of ids) expect(await second.jobs.ended(id)).toMatchObject({ state: 'done', attempts: 1 });
  expect(done).toEqual(['pay a', 'pay b', 'pay c']);
  expect(keys[1]).toBe(keys[0]);
});

test('a job that kills its process again and again is given up', async () => {
  const shared = { ...memoryJournal(), close: async () => {} };
  const { work, begun, until } = held();
  const start = () => createTroupe({ agents: [helper], journal: shared, orchestrators: [working(work)] });
  let troupe = await start();
  const { job_id } = await troupe.enqueue('work', 1);
  for (let life = 1; life <= 6; life += 1) {
    await until(life);
    await troupe.orchestrator.stop();
    troupe = await start();
  }
  onTestFinished(() => troupe.close());
  expect(await troupe.jobs.ended(job_id)).toMatchObject({ state: 'dead', error: { code: 'crashed' } });
  expect(begun).toHaveLength(6);
});

test('finished jobs are forgotten after a while, dead ones are kept', async () => {
  const clock = new SteppedClock();
  const troupe = await open(
    async (payload) => {
      if (payload === 'bad') throw new Failed('never', 'no', false);
    },
    { clock },
  );
  const ids = [];
  for (const payload of ['good', 'bad']) ids.push((await troupe.enqueue('work', payload)).job_id);
  for (const id of ids) await troupe.jobs.ended(id);
  expect(await troupe.jobs.cleanUp('default', 60)).toBe(0);
  clock.advance(60_000);
  expect(await troupe.jobs.cleanUp('default', 60)).toBe(1);
  expect((await troupe.jobs.list()).jobs).toMatchObject([{ state: 'dead' }]);
});

test('over HTTP: enqueued, listed, cancelled, tried again; what is wrong is said', async () => {
  const { work, until } = held();
  const orchestrators = [working(work, { payload: z.object({ n: z.number() }) })];
  const door = await openDoor({ agents: [helper], orchestrators, jobs: { workers: 1 } });
  const first = await door.post(
    '/v1/orchestrators/work/jobs?priority=high',
    { n: 1 },
    { headers: { 'idempotency-key': 'k' } },
  );
  expect(first).toMatchObject({ status: 202, body: { orchestrator: 'work', priority: 'high', progress: 0 } });
  const { job_id } = first.body;
  expect(first.headers.get('location')).toBe(`/v1/jobs/${job_id}`);
  const again = await door.post(
    '/v1/orchestrators/work/jobs?priority=high',
    { n: 1 },
    { headers: { 'idempotency-key': 'k' } },
  );
  expect(again.body.job_id).toBe(job_id);
  const later = await door.post('/v1/orchestrators/work/jobs?delay_ms=60000', { n: 2 });
  expect(later.body).toMatchObject({ state: 'delayed' });

  expect((await door.post(`/v1/jobs/${later.body.job_id}/cancel`, { by: 'ann' })).body.state).toBe('cancelled');
  expect((await door.get('/v1/jobs?state=cancelled')).body.jobs).toHaveLength(1);
  (await until(1)).end();
  await expect.poll(async () => (await door.get(`/v1/jobs/${job_id}`)).body.state).toBe('done');
  expect((await door.get(`/v1/jobs/${job_id}`)).body.result.records).toMatchObject([{ data: 'done: null' }]);
  const page = await door.get('/v1/jobs?limit=1');
  expect(page.body.jobs).toHaveLength(1);
  expect((await door.get(`/v1/jobs?cursor=${page.body.next_cursor}`)).body.jobs).toHaveLength(1);
  expect((await door.post(`/v1/jobs/${later.body.job_id}/retry`)).body.state).toMatch(/waiting|running/);

  const { body: metrics } = await door.get('/metrics');
  expect(metrics).toContain('troupe_jobs_total{orchestrator="work",outcome="done"} 1');
  expect(metrics).toContain('troupe_jobs_total{orchestrator="work",outcome="cancelled"} 1');
  const gauge = /^troupe_jobs\{state="running"\} 1$/m;
  await expect.poll(async () => (await door.get('/metrics')).body).toMatch(gauge);

  const other = { headers: { 'x-tenant-id': 'acme' } };
  expect(await door.get(`/v1/jobs/${job_id}`, other)).toMatchObject({ status: 404, body: { code: 'unknown_job' } });
  expect((await door.get('/v1/jobs', other)).body.jobs).toEqual([]);
  expect(await door.post('/v1/orchestrators/work/jobs', {})).toMatchObject({
    status: 400,
    body: { code: 'bad_request' },
  });
  expect(await door.post('/v1/orchestrators/none/jobs', {})).toMatchObject({ status: 404 });
  expect(await door.post(`/v1/jobs/${job_id}/cancel`)).toMatchObject({ status: 409 });
  expect(await door.post('/v1/jobs/none/cancel')).toMatchObject({ status: 404, body: { code: 'unknown_job' } });
  expect(await door.get('/v1/jobs?state=lost')).toMatchObject({ status: 400 });
});
