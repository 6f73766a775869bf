// The chart of a shard on one node, explored whole: what it promises holds in every state it can reach.
import { beforeAll, describe, expect, it } from 'vitest';
import { shardMachine } from '../machines/shard/machine.ts';
import { explore, type Graph, type GraphEdge, type GraphState } from '../src/testing.ts';
import { shardWorld } from './worlds/shard.ts';

describe('in the chart of a shard', () => {
  let graph: Graph;

  beforeAll(() => {
    graph = explore(shardMachine, shardWorld);
    console.log(`shard: ${graph.states.length} states, ${graph.edges.length} edges`);
  });

  const named = (...names: string[]): GraphState[] => graph.states.filter(({ name }) => names.includes(name));
  const told = ({ from, event, to }: GraphEdge): string => `${from.name} ${event.type} ${to.name}`;

  it('`lost` leads from everywhere to unowned', () => {
    for (const state of graph.states) {
      const lost = state.edges.find(({ event }) => event.type === 'lost');
      expect(lost?.to.name, state.name).toBe('unowned');
    }
  });

  it('a shard is never owned without having been recovered just before', () => {
    const entering = graph.edges.filter(({ from, to }) => to.name === 'owned' && from.name !== 'owned');
    expect(new Set(entering.map(told))).toEqual(new Set(['recovering xstate.done.actor.recover owned']));
  });

  it('a shard is recovered only by a node that it was assigned to', () => {
    const entering = graph.edges.filter(({ from, to }) => to.name === 'recovering' && from.name !== 'recovering');
    expect(new Set(entering.map(({ from }) => from.name))).toEqual(new Set(['claiming', 'waiting']));
    for (const { from, event } of graph.edges.filter(({ to }) => to.name === 'claiming'))
      expect([from.name, event.type]).toEqual(['unowned', 'assigned']);
  });

  it('every state that waits for others has an exit by time', () => {
    for (const state of named('claiming', 'waiting', 'releasing')) {
      const timed = state.edges.filter(({ event }) => event.type.startsWith('xstate.after.'));
      expect(timed, state.name).toHaveLength(1);
      expect(timed[0]!.to.name).not.toBe(state.name);
    }
  });

  it('whatever recovering or releasing comes to, the shard goes on', () => {
    const ends = graph.edges.filter(({ event }) => /^xstate\.(done|error)\./.test(event.type));
    expect(new Set(ends.map(told))).toEqual(
      new Set([
        'recovering xstate.done.actor.recover owned',
        'recovering xstate.error.actor.recover waiting',
        'releasing xstate.done.actor.release unowned',
        'releasing xstate.error.actor.release unowned',
      ]),
    );
  });

  it('an owned shard is given up only after it was released, or lost', () => {
    const leaving = named('owned').flatMap(({ edges }) => edges.filter(({ to }) => to.name !== 'owned'));
    expect(new Set(leaving.map(told))).toEqual(new Set(['owned unassigned releasing', 'owned lost unowned']));
  });

  it('no state is a dead end: from each, the shard can be owned', () => {
    const good = new Set(named('owned'));
    for (let size = -1; size !== good.size; ) {
      size = good.size;
      for (const { from, to } of graph.edges) if (good.has(to)) good.add(from);
    }
    expect(graph.states.filter((state) => !good.has(state)).map(({ name }) => name)).toEqual([]);
  });
});
