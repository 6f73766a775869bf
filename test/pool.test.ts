// The pool: who sees which agents, who gets the next call, and what a failure tells of the others.
import { expect, onTestFinished, test } from 'vitest';
import { type Balancing, balancings } from '../src/agents/balance.ts';
import type { EndpointDefinition } from '../src/agents/endpoint.ts';
import { AgentPool, type PoolOptions } from '../src/agents/pool.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { Failed } from '../src/platform/errors.ts';
import { callOf, failureOf, lend } from './agent-server.ts';

const definition = { id: 'team', run: () => 'unused' };

const answering = (id: string, more: Partial<EndpointDefinition> = {}): EndpointDefinition => ({
  id,
  perform: async () => ({ type: 'answer', final_message: id }),
  ...more,
});

const failing = (id: string, code = 'agent_failed', retryable = true): EndpointDefinition => ({
  id,
  perform: () => Promise.reject(new Failed(code, 'no', retryable)),
});

function teamOf(endpoints: EndpointDefinition[], options: PoolOptions = {}) {
  const clock = new SteppedClock();
  const pool = new AgentPool({ clock, ...options });
  onTestFinished(() => pool.stop());
  const team = pool.register('*', definition, { endpoints });
  const call = (...tried: string[]) => pool.call(callOf('team', { tried }), lend());
  return { pool, team, call, clock, view: () => pool.list('acme')[0]! };
}

test('a tenant sees its own agents and those for all, and nobody else’s', async () => {
  const pool = new AgentPool();
  onTestFinished(() => pool.stop());
  pool.register('*', { id: 'shared', run: () => 'for all' });
  pool.register('*', { id: 'both', run: () => 'for all' });
  pool.register('acme', { id: 'both', run: () => 'for acme' });
  pool.register('acme', { id: 'own', run: () => 'for acme', description: 'ours', capabilities: ['sums'] });
  const ids = (tenant: string) => pool.list(tenant).map(({ agent_id }) => agent_id);
  expect(ids('acme')).toEqual(['both', 'own', 'shared']);
  expect(ids('other')).toEqual(['both', 'shared']);
  expect(pool.get('other', 'own')).toBe(undefined);
  const said = async (agent: string, tenant: string) => (await pool.call(callOf(agent, { tenant }), lend())).result;
  expect(await said('both', 'acme')).toMatchObject({ final_message: 'for acme' });
  expect(await said('both', 'other')).toMatchObject({ final_message: 'for all' });
  const failed = await failureOf(pool.call(callOf('own', { tenant: 'other' }), lend()));
  expect(failed).toMatchObject({ code: 'unknown_agent', retryable: false });
  expect(failed.message).toBe('there is no agent "own"; there are: both, shared');
  expect(() => pool.heartbeat('other', 'own', { instance_id: 'local' })).toThrow(
    expect.objectContaining({ code: 'unknown_agent', status: 404 }),
  );
});

test('an agent is shown with its endpoints, their states and how they did', async () => {
  const { pool, view, clock } = teamOf([]);
  pool.register('acme', {
    id: 'own',
    description: 'ours',
    capabilities: ['sums'],
    run: () => {
      clock.advance(20);
      return 'ok';
    },
  });
  for (let i = 0; i < 3; i++) await pool.call(callOf('own'), lend());
  expect(view()).toEqual({
    agent_id: 'own',
    kind: 'function',
    description: 'ours',
    capabilities: ['sums'],
    state: 'available',
    endpoints: [
      {
        id: 'local',
        state: 'available.idle',
        breaker: 'closed',
        in_flight: 0,
        requests: 3,
        failures: 0,
        success_rate: 1,
        latency_ms: { avg: 20, p50: 20, p95: 20, p99: 20 },
        last_check: null,
        last_error: null,
      },
    ],
  });
});

test('a failure names its endpoint and how many others are left to try', async () => {
  const { call } = teamOf([failing('a'), failing('b'), failing('c')]);
  const story: unknown[] = [];
  const tried: string[] = [];
  for (let i = 0; i < 3; i++) {
    const { details } = await failureOf(call(...tried));
    story.push([details.endpoint, details.alternatives]);
    tried.push(details.endpoint as string);
  }
  expect(story).toEqual([
    ['team/a', 2],
    ['team/b', 1],
    ['team/c', 0],
  ]);
});

test('one that was tried is picked again only when no other is left', async () => {
  const { call } = teamOf([answering('a'), answering('b')]);
  for (let i = 0; i < 4; i++) expect((await call('team/a')).endpoint).toBe('team/b');
  expect(new Set([(await call('team/a', 'team/b')).endpoint, (await call('team/a', 'team/b')).endpoint]).size).toBe(2);
  expect((await call('other/a', 'other/b')).endpoint).toMatch('team/');
});

test('after five failures its breaker keeps it from being picked; after a minute one trial goes first, and heals it', async () => {
  let well = false;
  const sick = answering('sick', {
    perform: async () => {
      if (!well) throw new Failed('agent_failed', 'no');
      return { type: 'answer', final_message: 'well' };
    },
  });
  const { call, clock, view } = teamOf([sick, answering('b')]);
  const state = () => [view().state, view().endpoints[0]!.breaker];
  for (let i = 0; i < 5; i++) await failureOf(call('team/b'));
  expect(state()).toEqual(['degraded', 'open']);
  for (let i = 0; i < 10; i++) expect((await call()).endpoint).toBe('team/b');
  clock.advance(60_000);
  expect(state()).toEqual(['available', 'halfOpen']);
  await failureOf(call());
  expect(state()).toEqual(['degraded', 'open']);
  clock.advance(60_000);
  well = true;
  expect((await call()).endpoint).toBe('team/sick');
  expect(state()).toEqual(['available', 'closed']);
});

test('only one trial runs at a time, and one that is abandoned makes room for the next', async () => {
  const hanging = answering('a', {
    perform: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
  });
  const { pool, clock, view } = teamOf([hanging], { breaker: { failure_threshold: 1 } });
  const timeout = new AbortController();
  const first = failureOf(pool.call(callOf('team'), lend({ signal: timeout.signal })));
  timeout.abort(new DOMException('late', 'TimeoutError'));
  expect((await first).code).toBe('timed_out');
  expect(view().endpoints[0]!.breaker).toBe('open');
  clock.advance(60_000);
  const leaving = new AbortController();
  const trial = failureOf(pool.call(callOf('team'), lend({ signal: leaving.signal })));
  expect((await failureOf(pool.call(callOf('team'), lend()))).code).toBe('no_agent_available');
  leaving.abort();
  expect((await trial).code).toBe('aborted');
  expect(view().endpoints[0]!.breaker).toBe('halfOpen');
  expect(pool.get('acme', 'team')!.pick([]).id).toBe('a');
});

test('a refusal of the request says nothing about the endpoint: its breaker stays closed', async () => {
  const { call, view } = teamOf([failing('a', 'bad_request', false)]);
  for (let i = 0; i < 20; i++) await failureOf(call());
  expect(view().endpoints[0]).toMatchObject({ breaker: 'closed', failures: 20, requests: 20 });
});

test('nothing to pick: no_agent_available, retryable, with the time after which it is worth asking', async () => {
  const { call, clock } = teamOf([failing('a')]);
  for (let i = 0; i < 5; i++) await failureOf(call());
  clock.advance(12_500);
  const failed = await failureOf(call());
  expect(failed).toMatchObject({ code: 'no_agent_available', retryable: true, details: { retry_after_s: 30 } });
  expect(failed.message).toBe('no endpoint of agent "team" can be called: a is open');
  clock.advance(40_000);
  expect((await failureOf(call())).details.retry_after_s).toBe(8);
  expect((await failureOf(teamOf([]).call())).message).toContain('it has no endpoints');
});

test('an endpoint takes no more calls than its capacity', async () => {
  const gate = Promise.withResolvers<void>();
  const slow = answering('a', {
    capacity: 2,
    perform: () => gate.promise.then(() => ({ type: 'answer', final_message: 'ok' })),
  });
  const { call, view } = teamOf([slow]);
  const running = [call(), call()];
  expect(view().endpoints[0]).toMatchObject({ state: 'available.saturated', in_flight: 2, capacity: 2 });
  expect(view().state).toBe('available');
  expect(await failureOf(call())).toMatchObject({ code: 'no_agent_available', details: { retry_after_s: 1 } });
  gate.resolve();
  await Promise.all(running);
  expect((await call()).endpoint).toBe('team/a');
});

test('a call that goes well and is over soon tells no chart anything', async () => {
  let events = 0;
  const { call } = teamOf([answering('a')], {
    inspect: ({ type }) => {
      if (type === '@xstate.event') events += 1;
    },
  });
  events = 0;
  for (let i = 0; i < 100; i++) await call();
  expect(events).toBe(0);
});

test('deregistering lets running calls finish and takes no new ones; registering again starts afresh', async () => {
  const gate = Promise.withResolvers<void>();
  const slow = answering('a', { perform: () => gate.promise.then(() => ({ type: 'answer', final_message: 'old' })) });
  const { pool, call, team, clock } = teamOf([slow]);
  const running = call();
  expect(pool.deregister('*', 'team')).toBe(true);
  expect(pool.deregister('*', 'team')).toBe(false);
  expect((await failureOf(call())).code).toBe('unknown_agent');
  expect(team.endpoints[0]!.state).toBe('draining');
  pool.register('*', definition, { endpoints: [answering('new')] });
  expect((await call()).endpoint).toBe('team/new');
  gate.resolve();
  expect((await running).result).toMatchObject({ final_message: 'old' });
  clock.advance(10);
  expect(team.endpoints).toEqual([]);
});

// 10,000 picks among a (weight 5), b (3) and c (2), with so many calls running at any time. b takes 30 ms and the others 10:
// by score it is picked in turn until its first answer is in, and then no more, because the others never look worse.
function distribution(balancing: Balancing, together: number) {
  const clock = new SteppedClock();
  const endpoints = [5, 3, 2].map((weight, i) => answering('abc'[i]!, { weight }));
  const pool = new AgentPool({ clock, balancing });
  onTestFinished(() => pool.stop());
  const team = pool.register('*', definition, { endpoints });
  const picks: Record<string, number> = { a: 0, b: 0, c: 0 };
  const running: (() => void)[] = [];
  for (let i = 0; i < 10_000; i++) {
    const endpoint = team.pick([]);
    picks[endpoint.id]! += 1;
    const ticket = endpoint.begin();
    const ms = endpoint.id === 'b' ? 30 : 10;
    running.push(() => endpoint.succeeded({ ...ticket, started: clock.now() - ms }));
    if (running.length > together) running.shift()!();
  }
  return picks;
}

test.each<[Balancing, number, Record<string, number>]>([
  ['round_robin', 10, { a: 3334, b: 3333, c: 3333 }],
  ['weighted_round_robin', 10, { a: 5000, b: 3000, c: 2000 }],
  ['least_connections', 10, { a: 3334, b: 3333, c: 3333 }],
  ['score', 0, { a: 5000, b: 1, c: 4999 }],
  ['score', 10, { a: 4998, b: 4, c: 4998 }],
])('%s with %i calls running distributes 10,000 picks as it says', (balancing, together, expected) => {
  const picks = distribution(balancing, together);
  console.log(balancing, together, picks);
  expect(picks).toEqual(expected);
});

test('weighted round robin is smooth, and least connections goes where the fewest calls run', () => {
  const pool = new AgentPool({ clock: new SteppedClock() });
  onTestFinished(() => pool.stop());
  const endpoints = [answering('a', { weight: 3 }), answering('b'), answering('c')];
  const weighted = pool.register('*', definition, { endpoints, balancing: 'weighted_round_robin' });
  expect(Array.from({ length: 10 }, () => weighted.pick([]).id).join('')).toBe('abacaabaca');
  const least = pool.register('*', definition, { endpoints, balancing: 'least_connections' });
  const [a, b] = least.endpoints;
  a!.begin();
  a!.begin();
  b!.begin();
  const loads = Array.from({ length: 4 }, () => {
    least.pick([]).begin();
    return least.endpoints.map(({ inFlight }) => inFlight).join('');
  });
  expect(loads).toEqual(['211', '221', '222', '322']);
});

test('every way of balancing leaves out what cannot be called', async () => {
  for (const balancing of balancings) {
    const { team } = teamOf([answering('a'), answering('b')], { balancing });
    team.endpoints[0]!.drain();
    expect(team.endpoints.map(({ id }) => id)).toEqual(['b']);
    for (let i = 0; i < 5; i++) expect(team.pick([]).id).toBe('b');
  }
});

test('an agent with a time of its own fails the attempt as timed out, and its endpoint is to blame', async () => {
  const clock = new SteppedClock();
  const pool = new AgentPool({ clock });
  onTestFinished(() => pool.stop());
  pool.register('*', { id: 'slow', timeout_ms: 1_000, run: () => new Promise<string>(() => {}) });
  const failed = failureOf(pool.call(callOf('slow'), lend()));
  await new Promise((resolve) => setImmediate(resolve));
  clock.advance(1_000);
  expect(await failed).toMatchObject({ code: 'timed_out', retryable: true, details: { endpoint: 'slow/local' } });
  expect(pool.list('acme')[0]?.endpoints[0]).toMatchObject({ failures: 1, in_flight: 0 });
});
