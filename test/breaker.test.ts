// The breaker's, endpoint's and agent's charts, explored from end to end: every reachable state, every event.

import { describe, expect, test } from 'vitest';
import { createActor, type EventObject, type SnapshotFrom } from 'xstate';
import { agentMachine } from '../machines/agent/machine.ts';
import { breakerMachine } from '../machines/breaker/machine.ts';
import { endpointMachine } from '../machines/endpoint/machine.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { explore, type Graph, type GraphState, reaches } from '../src/testing.ts';
import { agentWorld } from './worlds/agent.ts';
import { breakerWorld } from './worlds/breaker.ts';
import { endpointWorld } from './worlds/endpoint.ts';

interface Edge<S> {
  readonly state: S;
  readonly event: EventObject;
  readonly nextState: S;
}

/** The steps of an explored chart, as its own snapshots. */
const edgesOf = <S>({ edges }: Graph): Edge<S>[] =>
  edges.map(({ from, event, step }) => ({ state: from.snapshot as S, event, nextState: step.snapshot as S }));

const isTimer = (event: EventObject) => event.type.startsWith('xstate.after.');

describe('the breaker', () => {
  type State = SnapshotFrom<typeof breakerMachine>;
  const graph = explore(breakerMachine, breakerWorld);
  const edges = edgesOf<State>(graph);
  const leaving = (state: string) => edges.filter(({ state: from }) => from.matches(state as 'open'));

  test('no call is let through while it is open, and none beyond the trials while it is half open', () => {
    for (const { nextState } of edges) {
      if (nextState.matches('open')) expect(nextState.hasTag('admits')).toBe(false);
      if (nextState.matches('halfOpen')) expect(nextState.hasTag('admits')).toBe(nextState.context.trials < 2);
    }
  });

  test('open leads to half open by time, and to nothing else', () => {
    const ways = leaving('open').filter(({ nextState }) => !nextState.matches('open'));
    expect(ways.length).toBeGreaterThan(0);
    expect(ways.every(({ event, nextState }) => isTimer(event) && nextState.matches('halfOpen'))).toBe(true);
  });

  test('half open becomes closed only by a success, open only by a failure, a slow trial or a lost one', () => {
    for (const { event, nextState } of leaving('halfOpen')) {
      if (nextState.matches('closed')) expect(event).toMatchObject({ type: 'call.succeeded', ms: 1 });
      if (nextState.matches('open'))
        expect(['call.failed', 'call.succeeded', 'xstate.after.trial.breaker.halfOpen.full']).toContain(event.type);
    }
  });

  test('a result of a call from before the last opening changes nothing', () => {
    const isOld = ({ state, event }: Edge<State>) =>
      (event as { admission?: number }).admission === state.context.opened - 1;
    expect(edges.filter(isOld)).toEqual([]);
  });

  test('closed never holds as many failures as would open it, nor opens by a success that was fast and free', () => {
    for (const { state, event, nextState } of edges) {
      if (nextState.matches('closed')) expect(nextState.context.failures).toBeLessThan(3);
      if (state.matches('closed') && nextState.matches('open')) {
        const slow = state.context.slow + 1 >= 2 && state.context.sampled >= 2;
        if (event.type === 'call.succeeded' && (event as { ms?: number }).ms === 1) expect(slow).toBe(true);
      }
    }
  });

  test('closed can be reached from everywhere: there is no deadlock', () => {
    reaches(graph, 'it can close', { to: ({ snapshot }) => snapshot.matches('closed') });
  });

  test('every state in which something is counted, open or full is left by time alone', () => {
    const waits = (state: State) => state.matches({ closed: 'clear' }) || state.matches({ halfOpen: 'ready' });
    reaches(graph, 'time is enough', {
      to: ({ snapshot }) => waits(snapshot as State),
      by: ({ event }) => isTimer(event),
    });
  });

  test('opens after five failures in a row, half opens after a minute, closes on a success', () => {
    const clock = new SteppedClock();
    const breaker = createActor(breakerMachine, { clock, input: {} }).start();
    const story: string[] = [];
    breaker.subscribe(({ value }) =>
      story.push(`${clock.now() / 1000} s ${JSON.stringify(value).replaceAll('"', '')}`),
    );
    for (let i = 0; i < 4; i++) breaker.send({ type: 'call.failed', admission: 0, code: 'x' });
    breaker.send({ type: 'call.succeeded', admission: 0, ms: 1 });
    for (let i = 0; i < 5; i++) breaker.send({ type: 'call.failed', admission: 0, code: 'x' });
    clock.advance(60_000);
    breaker.send({ type: 'call.started' });
    breaker.send({ type: 'call.succeeded', admission: 1, ms: 1 });
    expect(story).toEqual([
      ...Array(4).fill('0 s {closed:counting}'),
      '0 s {closed:clear}',
      ...Array(4).fill('0 s {closed:counting}'),
      '0 s open',
      '60 s {halfOpen:ready}',
      '60 s {halfOpen:full}',
      '60 s {closed:clear}',
    ]);
  });

  test('a spent budget keeps it open for the rest of the window', () => {
    const clock = new SteppedClock();
    const breaker = createActor(breakerMachine, { clock, input: { budget_usd: 1 } }).start();
    for (let i = 0; i < 4; i++) breaker.send({ type: 'call.succeeded', admission: 0, ms: 1, cost_usd: 0.25 });
    clock.advance(599_999);
    expect(breaker.getSnapshot().value).toBe('open');
    clock.advance(1);
    expect(breaker.getSnapshot().value).toEqual({ halfOpen: 'ready' });
  });

  test('opens when half of a sample of twenty calls was slow, and forgives a sample that was better', () => {
    const breaker = createActor(breakerMachine, { clock: new SteppedClock(), input: { slow_ms: 1_000 } }).start();
    const call = (ms: number) => breaker.send({ type: 'call.succeeded', admission: 0, ms });
    for (let i = 0; i < 20; i++) call(i < 9 ? 1_000 : 1);
    for (let i = 0; i < 5; i++) call(1);
    expect(breaker.getSnapshot().value).toEqual({ closed: 'clear' });
    for (let i = 0; i < 19; i++) call(i % 2 === 0 ? 1_000 : 1);
    expect(breaker.getSnapshot().value).toEqual({ closed: 'counting' });
    call(1);
    expect(breaker.getSnapshot().value).toBe('open');
  });
});

describe('the endpoint', () => {
  type State = SnapshotFrom<typeof endpointMachine>;
  const graph = explore(endpointMachine, endpointWorld);
  const edges = edgesOf<State>(graph);
  const from = (state: string) => edges.filter((edge) => edge.state.matches(state as 'gone'));

  test('idle, busy and saturated are what the number of calls says', () => {
    for (const { nextState: state } of edges) {
      const running = state.context.in_flight + state.context.others;
      if (state.matches({ available: 'idle' })) expect(running).toBe(0);
      if (state.matches({ available: 'busy' })) expect(running).toBe(1);
      if (state.matches({ available: 'saturated' })) expect(running).toBeGreaterThanOrEqual(2);
    }
  });

  test('only an available one that is not saturated is picked without doubt', () => {
    for (const { nextState: state } of edges) {
      const load = state.matches({ available: 'idle' }) || state.matches({ available: 'busy' });
      expect(state.hasTag('pickable')).toBe(load);
      expect(state.hasTag('doubtful')).toBe(state.matches('suspect') || state.matches('probing'));
    }
  });

  test('draining is never undone, and ends with the last call or by time', () => {
    for (const { event, nextState } of from('draining')) {
      expect(nextState.matches('draining') || nextState.matches('gone')).toBe(true);
      if (isTimer(event)) expect(nextState.matches('gone')).toBe(true);
      if (nextState.context.in_flight === 0) expect(nextState.matches('gone')).toBe(true);
    }
  });

  test('gone can be reached from everywhere, and available from everywhere that is not leaving', () => {
    reaches(graph, 'it can go', { to: ({ snapshot }) => snapshot.matches('gone') });
    const isLeaving = ({ name }: GraphState) => name === 'draining' || name === 'gone';
    reaches(graph, 'it can become available', {
      from: (state) => !isLeaving(state),
      to: ({ snapshot }) => snapshot.matches('available'),
    });
  });

  test('silence leads from available over suspect to unavailable, but only where heartbeats were heard', () => {
    for (const { state, event, nextState } of from('available')) {
      if (isTimer(event)) expect(nextState.matches('suspect')).toBe(state.context.beats);
    }
    for (const { event, nextState } of from('suspect')) if (isTimer(event)) expect(nextState.value).toBe('unavailable');
    for (const { event, nextState } of from('probing')) if (isTimer(event)) expect(nextState.value).toBe('unavailable');
  });

  test('a probe that succeeds or a heartbeat makes it available, wherever it is not leaving', () => {
    for (const { state, event, nextState } of edges) {
      if (event.type !== 'probe.succeeded' && event.type !== 'heartbeat') continue;
      if (!state.matches('draining')) expect(nextState.matches('available')).toBe(true);
    }
  });

  test('one that nobody watches is available from the start', () => {
    expect(createActor(endpointMachine, { input: {} }).getSnapshot().value).toEqual({ available: 'idle' });
  });
});

describe('the agent', () => {
  type State = SnapshotFrom<typeof agentMachine>;
  const graph = explore(agentMachine, agentWorld);
  const edges = edgesOf<State>(graph);

  test('it is as available as its endpoints are, from any state', () => {
    for (const { event, nextState } of edges) {
      const { available, total } = nextState.context;
      if (event.type === 'remove') expect(nextState.value).toBe('gone');
      else if (nextState.matches('starting')) expect(available).toBe(0);
      else expect(nextState.value).toBe(available === 0 ? 'unavailable' : available < total ? 'degraded' : 'available');
    }
  });

  test('it does not start for ever', () => {
    reaches(graph, 'time is enough', { to: ({ name }) => name !== 'starting', by: ({ event }) => isTimer(event) });
  });
});
