// The chart of a node, explored whole: what it can become, and that it never waits without a way out.
import { describe, expect, it } from 'vitest';
import { createActor, type SnapshotFrom } from 'xstate';
import type { OrchestratorEvent } from '../machines/orchestrator/events.ts';
import { orchestratorMachine } from '../machines/orchestrator/machine.ts';
import type { Journal } from '../src/journal/journal.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { explore, memoryJournal, reaches } from '../src/testing.ts';
import { Troupe } from '../src/troupe.ts';
import { orchestratorWorld } from './worlds/orchestrator.ts';

type State = SnapshotFrom<typeof orchestratorMachine>;

describe('in the chart of a node', () => {
  const graph = explore(orchestratorMachine, orchestratorWorld);
  const states = graph.states.map(({ snapshot }) => snapshot as State);
  const edges = graph.edges.map(({ from, event, to }) => ({
    from: from.snapshot as State,
    event,
    to: to.snapshot as State,
  }));

  const at = (state: string) =>
    states.filter(({ value }) => (typeof value === 'string' ? value : Object.keys(value)[0]) === state);
  const from = (state: string) => edges.filter((edge) => at(state).includes(edge.from));

  it('a node serves only after its journal has opened and it has joined', () => {
    const entering = edges.filter(({ from, to }) => to.matches('serving') && !from.matches('serving'));
    expect(new Set(entering.map(({ from, event }) => `${from.value} ${event.type}`))).toEqual(
      new Set(['joining joined']),
    );
  });

  it('a serving node is degraded exactly while its journal is lost', () => {
    expect(at('serving')).toHaveLength(2);
    for (const { value, context } of at('serving'))
      expect(value).toEqual({ serving: context.journal === 'lost' ? 'degraded' : 'normal' });
  });

  it('only a node that serves, and is not degraded, is ready', () => {
    for (const state of states) expect(state.hasTag('ready')).toBe(state.matches({ serving: 'normal' }));
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
    reaches(graph, 'it can end', { to: ({ snapshot }) => snapshot.status === 'done' });
  });
});

describe('a node as an actor', () => {
  type Plain = Exclude<OrchestratorEvent, { reason: string }>['type'];
  const node = (...events: Plain[]) => {
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
    const { actor } = node('journal.opened', 'journal.lost', 'joined');
    expect(actor.getSnapshot().value).toEqual({ serving: 'degraded' });
    actor.send({ type: 'journal.back' });
    expect(actor.getSnapshot().value).toEqual({ serving: 'normal' });
  });
});

describe('a node that cannot start', () => {
  const failure = async (troupe: Troupe) => {
    const error = await troupe.start().then(
      () => undefined,
      (error: Error) => error.message,
    );
    const { value, context } = troupe.orchestrator.actor.getSnapshot();
    await troupe.close();
    return { error, value, reason: context.reason };
  };

  it('has failed because of its journal when that cannot be read', async () => {
    for (const state of ['listing', undefined]) {
      const whole = memoryJournal();
      // The list of agents is read first, what is owed after it.
      const rows: Journal['rows'] = (query) =>
        query?.state === state ? Promise.reject(new Error('the disk is gone')) : whole.rows(query);
      const troupe = new Troupe({ journal: { ...whole, rows } });
      expect(await failure(troupe)).toEqual({ error: 'the disk is gone', value: 'failed', reason: 'the disk is gone' });
    }
  });

  it('has failed because it was too late when that took too long, and does not serve then', async () => {
    const clock = new SteppedClock();
    const whole = memoryJournal();
    const rows: Journal['rows'] = (query) => {
      clock.advance(30_000);
      return whole.rows(query);
    };
    expect(await failure(new Troupe({ clock, journal: { ...whole, rows } }))).toEqual({
      error: 'this node failed: starting took too long',
      value: 'failed',
      reason: 'starting took too long',
    });
  });
});
