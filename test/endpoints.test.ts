// How endpoints are watched: health checks of real servers, heartbeats and silence by a stepped clock.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { AgentPool, type PoolOptions } from '../src/agents/pool.ts';
import { type Clock, realClock, SteppedClock } from '../src/platform/clock.ts';
import { callOf, EVENTS, event, failureOf, lend, serveAgent } from './agent-server.ts';

const poolOf = (options: PoolOptions): AgentPool => {
  const pool = new AgentPool(options);
  onTestFinished(() => pool.stop());
  return pool;
};

const instance = (id: string) => ({
  id,
  heartbeat_s: 10,
  perform: async () => ({ type: 'answer', final_message: id }) as const,
});

const beating = (clock: Clock) => {
  const pool = poolOf({ clock });
  pool.register('*', { id: 'team', run: () => 'unused' }, { endpoints: [instance('a')] });
  const state = () => pool.list('acme')[0]!.endpoints[0]!.state;
  return { pool, state };
};

test('a missed heartbeat makes an endpoint suspect, more of them unavailable, one heartbeat available again', () => {
  const clock = new SteppedClock();
  const { pool, state } = beating(clock);
  const beat = () => pool.heartbeat('acme', 'team', { instance_id: 'a', in_flight: 0, capacity: 4, interval_s: 10 });
  const story: string[] = [state()];
  const after = (s: number) => {
    clock.advance(s * 1000);
    story.push(`${clock.now() / 1000} s ${state()}`);
  };
  beat();
  after(0);
  for (let i = 0; i < 3; i++) {
    after(20);
    beat();
  }
  after(24);
  after(1);
  after(24);
  after(1);
  beat();
  after(0);
  expect(story).toEqual([
    'probing',
    '0 s available.idle',
    '20 s available.idle',
    '40 s available.idle',
    '60 s available.idle',
    '84 s available.idle',
    '85 s suspect',
    '109 s suspect',
    '110 s unavailable',
    '110 s available.idle',
  ]);
});

test('one that never beats is unavailable; one that answers while in doubt is available', async () => {
  const clock = new SteppedClock();
  const { pool, state } = beating(clock);
  expect((await pool.call(callOf('team'), lend())).endpoint).toBe('team/a');
  expect(state()).toBe('available.idle');
  pool.register('*', { id: 'team', run: () => 'unused' }, { endpoints: [instance('a')] });
  clock.advance(25_000);
  expect(state()).toBe('unavailable');
  expect(pool.list('acme')[0]!.state).toBe('unavailable');
  expect((await failureOf(pool.call(callOf('team'), lend()))).code).toBe('no_agent_available');
});

test('what others run there fills it too, as its heartbeats tell', () => {
  const { pool, state } = beating(new SteppedClock());
  const beat = (in_flight: number) => pool.heartbeat('acme', 'team', { instance_id: 'a', in_flight, capacity: 2 });
  beat(1);
  expect(state()).toBe('available.busy');
  const ours = pool.get('acme', 'team')!.pick([]).begin();
  expect(state()).toBe('available.saturated');
  beat(1);
  expect(state()).toBe('available.busy');
  pool.get('acme', 'team')!.endpoints[0]!.succeeded(ours);
  beat(0);
  expect(state()).toBe('available.idle');
});

test('a heartbeat of an instance that is not there is refused', () => {
  const { pool } = beating(new SteppedClock());
  expect(() => pool.heartbeat('acme', 'team', { instance_id: 'b' })).toThrow(
    expect.objectContaining({ code: 'unknown_instance', status: 404 }),
  );
});

test('a suspect endpoint is picked only when nobody better is left', () => {
  const clock = new SteppedClock();
  const pool = poolOf({ clock });
  const team = pool.register('*', { id: 'team', run: () => '' }, { endpoints: ['a', 'b'].map(instance) });
  const beat = (instance_id: string) => pool.heartbeat('acme', 'team', { instance_id, interval_s: 10 });
  beat('a');
  beat('b');
  clock.advance(20_000);
  beat('b');
  clock.advance(5_000);
  for (let i = 0; i < 4; i++) expect(team.pick([]).id).toBe('b');
  expect(team.pick(['team/b']).id).toBe('a');
  expect(pool.list('acme')[0]!.state).toBe('degraded');
});

test('health checks follow a real server through good and bad days, without a call', async () => {
  let status = 200;
  await using server = await serveAgent((response, _, { url }) =>
    response.writeHead(url === '/health' ? status : 404).end(),
  );
  const clock = new SteppedClock();
  const pool = poolOf({ clock, checks: { interval_ms: 30_000 } });
  pool.register('*', { id: 'far', kind: 'http', endpoints: [{ id: 'a', url: server.url }] });
  const view = () => pool.list('acme')[0]!.endpoints[0]!;
  expect([view().state, view().last_check, pool.list('acme')[0]!.state]).toEqual(['probing', null, 'starting']);
  await expect.poll(() => view().state).toBe('available.idle');
  const next = async (expected: string, health: number) => {
    status = health;
    clock.advance(30_000);
    await expect.poll(() => view().state).toBe(expected);
    await sleep(5);
  };
  await next('suspect', 500);
  expect(view().last_error).toMatchObject({ code: 'unhealthy', message: `${server.url}/health answered 500` });
  await next('unavailable', 503);
  await next('available.idle', 200);
  expect(view().last_check).toBe(90_000);
});

test('a health check that never comes back has failed', async () => {
  await using server = await serveAgent(() => {});
  const clock = new SteppedClock();
  const pool = poolOf({ clock, checks: { timeout_ms: 5_000 } });
  pool.register('*', { id: 'far', kind: 'http', endpoints: [{ id: 'a', url: server.url }] });
  const view = () => pool.list('acme')[0]!.endpoints[0]!;
  clock.advance(5_000);
  await expect.poll(() => view().state).toBe('unavailable');
  expect(view().last_error).toMatchObject({ code: 'timed_out' });
});

test('without checks an HTTP endpoint is available from the start', () => {
  const pool = poolOf({ clock: new SteppedClock() });
  pool.register('*', { id: 'far', kind: 'http', endpoints: [{ id: 'a', url: 'http://127.0.0.1:1' }] });
  expect(pool.list('acme')[0]).toMatchObject({ state: 'available', endpoints: [{ state: 'available.idle' }] });
});

test('failover over real servers: the dead one is named, the next attempt goes to the living one', async () => {
  await using server = await serveAgent((response) =>
    response.writeHead(200, EVENTS).end(event('done', { final_message: 'here' })),
  );
  await using dead = await serveAgent(() => {});
  await dead[Symbol.asyncDispose]();
  const pool = poolOf({});
  const endpoints = [dead, server].map(({ url }, i) => ({ id: 'ab'[i]!, url }));
  pool.register('*', { id: 'far', kind: 'http', endpoints });
  const { code, details } = await failureOf(pool.call(callOf('far'), lend()));
  expect([code, details.endpoint, details.alternatives]).toEqual(['unreachable', 'far/a', 1]);
  const done = await pool.call(callOf('far', { attempt: 2, tried: [details.endpoint as string] }), lend());
  expect(done).toMatchObject({ endpoint: 'far/b', result: { final_message: 'here' } });
});

test('a pool that is stopped leaves no timer behind', async () => {
  const timers = new Set<unknown>();
  const clock: Clock = {
    now: Date.now,
    setTimeout: (fn, ms) => {
      const timer = realClock.setTimeout(() => {
        timers.delete(timer);
        fn();
      }, ms);
      timers.add(timer);
      return timer;
    },
    clearTimeout: (timer) => {
      timers.delete(timer);
      realClock.clearTimeout(timer);
    },
  };
  const { pool } = beating(clock);
  pool.register('*', { id: 'fn', run: () => Promise.reject(new Error('no')) });
  for (let i = 0; i < 5; i++) await failureOf(pool.call(callOf('fn'), lend()));
  expect(timers.size).toBeGreaterThan(0);
  pool.stop();
  expect(timers.size).toBe(0);
});
