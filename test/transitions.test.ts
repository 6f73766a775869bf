// The transitions of a step are edges of the chart's drawing, and exactly those that XState took.
import { describe, expect, test } from 'vitest';
import { createMachine, setup } from 'xstate';
import { idsOfValue } from '../inspector/src/chart/active.ts';
import { breakerMachine } from '../machines/breaker/machine.ts';
import { formMachine } from '../machines/form/machine.ts';
import type { settings } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import { Charts } from '../src/charts/charts.ts';
import { tryOut } from '../src/charts/sandbox.ts';
import { type Transition, traced, traceEntries } from '../src/charts/transitions.ts';
import { type ChartEdge, type ChartGraph, chartGraph } from '../src/diagram/graph.ts';
import type { Entry } from '../src/journal/journal.ts';
import { everyEdge, explore, type Graph, start } from '../src/testing.ts';
import { createTroupe } from '../src/troupe.ts';
import { exploreSession } from './session/world.ts';
import { breakerWorld } from './worlds/breaker.ts';
import { formWorld } from './worlds/form.ts';

const liesIn = (id: string, other: string): boolean => id.startsWith(`${other}.`);
const outer = (id: string): string => id.slice(0, Math.max(0, id.lastIndexOf('.')));

/** The active states after an edge that was drawn, by nothing but the drawing. */
function follow({ nodes }: ChartGraph, active: ReadonlySet<string>, edge: ChartEdge): Set<string> {
  const { source, targets, reenter } = edge;
  if (targets.length === 0) return new Set(active);
  let domain = source;
  if (reenter || !targets.every((target) => target === source || liesIn(target, source)))
    do domain = outer(domain);
    while (!targets.every((target) => liesIn(target, domain)));
  const next = new Set([...active].filter((id) => !liesIn(id, domain)));
  for (const target of targets) for (let at = target; at !== domain; at = outer(at)) next.add(at);
  // Outer states come first, so what one of them enters is seen to after it.
  for (const { id, type, initial } of nodes) {
    if (!next.has(id)) continue;
    const inner = nodes.filter(({ parent }) => parent === id);
    if (type === 'compound' && !inner.some((child) => next.has(child.id))) next.add(initial!);
    if (type === 'parallel') for (const child of inner) next.add(child.id);
  }
  return next;
}

/** What is wrong with the transitions of a step from one state to another; undefined when nothing is. */
function wrong(chart: ChartGraph, from: unknown, to: unknown, transitions: readonly Transition[]): string | undefined {
  let active = idsOfValue(chart.id, from);
  for (const transition of transitions) {
    const drawn = chart.edges.filter(({ id }) => id === transition.id);
    if (drawn.length !== 1) return `${transition.id} is drawn ${drawn.length} times`;
    const { id, source, targets, kind, event, guard } = drawn[0]!;
    if (JSON.stringify(transition) !== JSON.stringify({ id, source, targets, kind, event, guard }))
      return `${id} is drawn otherwise`;
    if (!active.has(source)) return `${source}, where ${id} begins, is not active`;
    active = follow(chart, active, drawn[0]!);
  }
  const [led, is] = [active, idsOfValue(chart.id, to)].map((ids) => [...ids].sort().join());
  return led === is ? undefined : `${transitions.map(({ id }) => id).join(', ')} lead to ${led}, not to ${is}`;
}

/** The ways to explore each chart, and the guards of edges that none of them takes. */
const explored: Record<string, { readonly graphs: readonly (() => Graph)[]; readonly untaken?: readonly string[] }> = {
  form: { graphs: [true, false].map((confirm) => () => explore(formMachine, formWorld({ confirm }))) },
  breaker: { graphs: [() => explore(breakerMachine, breakerWorld)] },
  // A message takes the place of the one at work only where `busy` is `interrupt`.
  session: {
    graphs: [() => exploreSession({ busy: 'steer', hooks: true })],
    untaken: ['atWork and policyInterrupts and hasRoom'],
  },
};

describe.each(Object.entries(explored))('the %s', (_, { graphs, untaken = [] }) => {
  test('takes with every step edges that are drawn once, and they lead from where it was to where it is', () => {
    const left = new Map<string, ChartEdge>();
    for (const [index, graph] of graphs.map((exploring) => exploring()).entries()) {
      const chart = chartGraph(graph.pure.machine);
      if (index === 0) for (const edge of chart.edges) left.set(edge.id, edge);
      everyEdge(graph, 'transitions are drawn, and lead there', ({ from, event, step }) => {
        const { transitions } = traced(graph.pure, () => graph.pure.step(from.snapshot, event));
        for (const { id } of transitions) left.delete(id);
        return wrong(chart, from.snapshot.value, step.snapshot.value, transitions) ?? transitions.length > 0;
      });
    }
    expect([...left.values()].map(({ guard }) => guard)).toEqual(untaken);
  });
});

test('a walk has the transitions of its last step, and at first those of its creation', () => {
  const walk = start(formMachine, formWorld({ confirm: false }).input);
  const told = () => walk.transitions.map(({ id, guard }) => `${id} ${guard ?? ''}`);
  expect(told()).toEqual(['form.filling.deciding::0 somethingIsMissing']);
  walk.send({ type: 'answer', field: 'name', value: 'Ann' });
  expect(told()).toEqual(['form.filling:answer:0 isField', 'form.filling.deciding::0 somethingIsMissing']);
  walk.send({ type: 'confirm' });
  expect(told()).toEqual([]);
});

describe('of two regions that take the same event', () => {
  // Each name says what the transition exits; its action is performed exactly when XState takes it.
  const ways = {
    nothing: {},
    itself: { target: 'one' },
    'itself and enters it again': { target: 'one', reenter: true },
    'its state': { target: 'two' },
    'its region': { target: '#pair.both.OWN', reenter: true },
    'both regions': { target: '#pair.both', reenter: true },
    'the state around them': { target: '#pair.out' },
    'all of it': { target: '#pair.other' },
  };
  const region = (own: string, way: object) => ({
    initial: 'one',
    states: {
      one: { on: { go: JSON.parse(JSON.stringify({ ...way, actions: own }).replace('OWN', own)) } },
      two: {},
    },
  });
  const pairs = Object.keys(ways).flatMap((a) => Object.keys(ways).map((b) => [a, b] as const));

  test.each(pairs)('one leaves %s, the other leaves %s: only what was taken is told', (a, b) => {
    const machine = createMachine({
      id: 'pair',
      initial: 'both',
      states: {
        both: {
          type: 'parallel',
          states: { left: region('left', ways[a as 'nothing']), right: region('right', ways[b as 'nothing']) },
        },
        out: {},
        other: {},
      },
    });
    const chart = new Charts({ pair: machine }).get('pair');
    const { effects, transitions } = tryOut(chart, { event: { type: 'go' } });
    expect(effects.length).toBeGreaterThan(0);
    expect(transitions.map(({ source }) => source.split('.').at(-2))).toEqual(effects.map(({ id }) => id));
  });
});

test('what an actor that the step creates does on its own is none of its transitions', () => {
  const child = createMachine({ id: 'child', initial: 'a', states: { a: { always: 'b' }, b: {} } });
  const parent = setup({ actors: { child } }).createMachine({
    id: 'parent',
    initial: 'idle',
    states: { idle: { on: { go: 'busy' } }, busy: { invoke: { id: 'child', src: 'child' } } },
  });
  const { transitions } = tryOut(new Charts({ parent }).get('parent'), { event: { type: 'go' } });
  expect(transitions.map(({ id }) => id)).toEqual(['parent.idle:go:0']);
});

test('what a chart raises and what a pattern takes are told too', () => {
  const machine = setup({ types: { events: {} as { type: string } } }).createMachine({
    id: 'm',
    initial: 'a',
    states: {
      a: { on: { 'go.*': 'b' } },
      b: { initial: 'x', states: { x: { always: 'y' }, y: { type: 'final' } }, onDone: 'a' },
    },
  });
  const { transitions } = tryOut(new Charts({ m: machine }).get('m'), { event: { type: 'go.on' } });
  expect(transitions.map(({ kind, event, source, targets }) => [kind, event, source, targets.join()])).toEqual([
    ['event', 'go.*', 'm.a', 'm.b'],
    ['always', '', 'm.b.x', 'm.b.y'],
    ['done', 'xstate.done.state.m.b', 'm.b', 'm.a'],
  ]);
});

describe('entries', () => {
  const lived = async (): Promise<Entry[]> => {
    const agents = [{ id: 'echo', triggers: ['hello'], run: (text: string) => text }];
    const troupe = await createTroupe({ agents });
    const session = troupe.session('s1');
    await session.send('hello');
    await session.send('hello again');
    await session.close();
    const entries = (await troupe.journal.read(session.key)).map(({ entry }) => entry);
    await troupe.close();
    return JSON.parse(JSON.stringify(entries));
  };
  const known = (entries: readonly Entry[], before?: Entry): boolean[] =>
    traceEntries(sessionMachine, entries, before).map(({ transitions }) => transitions !== null);

  test('have the transitions that a walk over the same events takes', async () => {
    const entries = await lived();
    const walk = start(sessionMachine, entries[0]!.init as { id: string; settings: ReturnType<typeof settings.parse> });
    const created = walk.transitions;
    const taken = entries.map(({ event }) => walk.send(event as never).transitions);
    expect(traceEntries(sessionMachine, entries).map(({ transitions }) => transitions)).toEqual([
      [...created, ...taken[0]!],
      ...taken.slice(1),
    ]);
  });

  test('that begin in the middle need the one before', async () => {
    const entries = await lived();
    const [all, page] = [
      traceEntries(sessionMachine, entries),
      traceEntries(sessionMachine, entries.slice(2), entries[1]),
    ];
    expect(page).toEqual(all.slice(2));
    expect(known(entries.slice(2))).toEqual([false, true, true]);
    expect(known(entries.slice(2), entries[0])).toEqual([false, true, true]);
  });

  test('of another version of the chart have none that are known, nor has the first entry after them', async () => {
    const entries = await lived();
    const changed = entries.map((entry) => (entry.n === 2 ? { ...entry, machine: 'session@0' } : entry));
    expect(known(changed)).toEqual([true, false, false, true, true]);
  });

  test('that this chart would decide otherwise, or throws on, have none that are known', async () => {
    const entries = await lived();
    const otherwise = entries.map((entry) => {
      const { value, context } = entry.snapshot;
      return entry.n === 4 ? { ...entry, snapshot: { value, context: { ...(context as object), epoch: 9 } } } : entry;
    });
    expect(known(otherwise)).toEqual([true, true, true, false, false]);
    const broken = entries.map((entry) =>
      entry.n === 3 ? { ...entry, snapshot: { value: 'nowhere', context: {} } } : entry,
    );
    expect(known(broken)).toEqual([true, true, false, false, true]);
  });
});
