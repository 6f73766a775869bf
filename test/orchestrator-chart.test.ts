// The chart of a node, explored whole: what it can become, and that it never waits without a way out.
import { beforeAll, describe, expect, it } from 'vitest';
import { createActor, type SnapshotFrom } from 'xstate';
import { adjacencyMapToArray, getAdjacencyMap } from 'xstate/graph';
import { orchestratorMachine } from '../machines/orchestrator/machine.ts';
import type { OrchestratorEvent } from '../machines/orchestrator/rules.ts';
import { SteppedClock } from '../src/clock.ts';

type State = SnapshotFrom<typeof orchestratorMachine>;
type TimerEvent = { type: `xstate.after.${string}` };
type Edge = { from: State; event: OrchestratorEvent | TimerEvent; to: State };

const told: OrchestratorEvent[] = [
  { type: 'journal.opened' },
  { type: 'journal.failed', reason: 'the disk is full' },
  { type: 'joined' },
  { type: 'join.failed', reason: 'too old a server' },
  { type: 'load.high' },
  { type: 'load.normal' },
  { type: 'journal.lost' },
  { type: 'journal.back' },
  { type: 'agents.degraded' },
  { type: 'agents.recovered' },
  { type: 'drain' },
  { type: 'drained' },
];
const timers = (
  ['startTime.orchestrator.starting', 'joinTime.orchestrator.joining', 'drainTime.orchestrator.draining'] as const
).map((timer) => ({ type: `xstate.after.${timer}` }) as const);

describe('in the chart of a node', () => {
  let states: State[];
  let edges: Edge[];

  beforeAll(() => {
    const map = getAdjacencyMap(orchestratorMachine, {
      events: (snapshot) => (snapshot.status === 'active' ? ([...told, ...timers] as OrchestratorEvent[]) : []),
      filterEvents: (snapshot, event) => snapshot.can(event),
      serializeState: ({ value, context }) => JSON.stringify([value, context]),
    });
    states = Object.values(map).map(({ state }) => state);
    edges = adjacencyMapToArray(map).map(({ state, event, nextState }) => ({ from: state, event, to: nextState }));
    console.log(`orchestrator: ${states.length} states, ${edges.length} edges`);
  });

  const at = (state: string) =>
    states.filter(({ value }) => (typeof value === 'string' ? value : Object.keys(value)[0]) === state);
  const from = (state: string) => edges.filter((edge) => at(state).includes(edge.from));

  it('every state is reached', () => {
    expect(new Set(states.map(({ value }) => JSON.stringify(value)))).toEqual(
      new Set([
        '"starting"',
        '"joining"',
        '{"serving":"normal"}',
        '{"serving":"overloaded"}',
        '{"serving":"degraded"}',
        '"draining"',
        '"stopped"',
        '"failed"',
      ]),
    );
  });

  it('a node serves only after its journal has opened and it has joined', () => {
    const entering = edges.filter(({ from, to }) => to.matches('serving') && !from.matches('serving'));
    expect(new Set(entering.map(({ from, event }) => `${from.value} ${event.type}`))).toEqual(
      new Set(['joining joined']),
    );
  });

  it('a serving node is degraded when its journal is lost or its agents are, else overloaded when its load is high', () => {
    expect(at('serving')).toHaveLength(8);
    for (const { value, context } of at('serving')) {
      const isDegraded = context.journal === 'lost' || context.agents === 'degraded';
      expect(value).toEqual({ serving: isDegraded ? 'degraded' : context.load === 'high' ? 'overloaded' : 'normal' });
    }
  });

  it('only a node that serves, and is not degraded, is ready', () => {
    for (const state of states)
      expect(state.hasTag('ready')).toBe(
        state.matches({ serving: 'normal' }) || state.matches({ serving: 'overloaded' }),
      );
  });

  it('`drain` is accepted everywhere before draining, and a serving node never stops without it', () => {
    for (const state of [...at('starting'), ...at('joining'), ...at('serving')])
      expect(state.can({ type: 'drain' })).toBe(true);
    const leaving = from('serving').filter(({ to }) => !to.matches('serving'));
    expect(leaving.every(({ event, to }) => event.type === 'drain' && to.matches('draining'))).toBe(true);
  });

  it('draining ends when it is done or its time is up, and in nothing but `stopped`', () => {
    const ends = from('draining').filter(({ to }) => !to.matches('draining'));
    expect(new Set(ends.map(({ event, to }) => `${event.type} → ${to.value}`))).toEqual(
      new Set(['drained → stopped', 'xstate.after.drainTime.orchestrator.draining → stopped']),
    );
  });

  it('starting and joining fail when they are told so or when their time is up, and say why', () => {
    const failing = edges.filter(({ to }) => to.matches('failed'));
    expect(new Set(failing.map(({ event, to }) => `${event.type}: ${to.context.reason}`))).toEqual(
      new Set([
        'journal.failed: the disk is full',
        'join.failed: too old a server',
        'xstate.after.startTime.orchestrator.starting: starting took too long',
        'xstate.after.joinTime.orchestrator.joining: joining took too long',
      ]),
    );
  });

  it('no state is a dead end: from each, a node can stop or fail', () => {
    const good = new Set(states.filter(({ status }) => status === 'done'));
    for (let size = -1; size !== good.size; ) {
      size = good.size;
      const keys = new Set([...good].map((state) => JSON.stringify(state)));
      for (const edge of edges) if (keys.has(JSON.stringify(edge.to))) good.add(edge.from);
    }
    expect(states.filter((state) => !good.has(state))).toEqual([]);
  });
});

describe('a node as an actor', () => {
  const node = (...events: OrchestratorEvent['type'][]) => {
    const clock = new SteppedClock();
    const actor = createActor(orchestratorMachine, { clock, input: { join_ms: 1_000, drain_ms: 2_000 } }).start();
    for (const type of events) actor.send({ type });
    return { clock, actor };
  };

  it('fails when it could not join in time', () => {
    const { clock, actor } = node('journal.opened');
    clock.advance(999);
    expect(actor.getSnapshot().value).toBe('joining');
    clock.advance(1);
    expect(actor.getSnapshot()).toMatchObject({ value: 'failed', status: 'done' });
  });

  it('stops when it could not drain in time', () => {
    const { clock, actor } = node('journal.opened', 'joined', 'drain');
    clock.advance(2_000);
    expect(actor.getSnapshot()).toMatchObject({ value: 'stopped', context: { reason: 'draining took too long' } });
  });

  it('serves as it must from the start when something was the matter before it joined', () => {
    const { actor } = node('load.high', 'journal.opened', 'journal.lost', 'joined');
    expect(actor.getSnapshot().value).toEqual({ serving: 'degraded' });
    actor.send({ type: 'journal.back' });
    expect(actor.getSnapshot().value).toEqual({ serving: 'overloaded' });
    actor.send({ type: 'load.normal' });
    expect(actor.getSnapshot().value).toEqual({ serving: 'normal' });
  });
});
