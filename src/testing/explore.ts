// The graph explorer: every state that a chart can reach, every event in each of them, and the shortest way there.
import type { AnyMachineSnapshot, AnyStateMachine, EventFromLogic, EventObject, InputFrom } from 'xstate';
import { type Step, type Stepper, stepper } from '../../actors/durable.ts';
import { stateName } from '../../machines/state-name.ts';

/** What a piece of work may come to. */
export type Result = { readonly output: unknown } | { readonly error: unknown };

export interface ExploreOptions<M extends AnyStateMachine> {
  readonly input?: InputFrom<M>;
  /** What may come from outside; a function sees where the chart is, to make ids that fit. Timers and results come by themselves. */
  readonly events: readonly EventFromLogic<M>[] | ((snapshot: AnyMachineSnapshot) => readonly EventFromLogic<M>[]);
  /** What each invoke may come to, by its id; it is offered in the states that invoke it. A function sees where the chart is. */
  readonly results?: Readonly<
    Record<string, readonly Result[] | ((snapshot: AnyMachineSnapshot) => readonly Result[])>
  >;
  /**
   * What makes two snapshots the same state, as JSON; value and context unless told. A context that counts must be abstracted
   * to what guards read of it, or there is no end.
   */
  readonly serialize?: (snapshot: AnyMachineSnapshot) => unknown;
  /** More states than this are an error: 100,000 unless told. */
  readonly limit?: number;
}

/** A state of the graph: the first snapshot found of all those that serialise alike. */
export interface GraphState {
  readonly key: string;
  /** The active states, e.g. `automated/running.attempting`. */
  readonly name: string;
  readonly snapshot: AnyMachineSnapshot;
  /** The events it accepts. An event that is missing here was refused. */
  readonly edges: readonly GraphEdge[];
  /** The last step of the shortest way here; undefined for the initial state. */
  readonly via?: GraphEdge;
}

export interface GraphEdge {
  readonly from: GraphState;
  readonly event: EventObject;
  readonly to: GraphState;
  /** What came of it: its own snapshot (which `to` may only be like), effects and what was emitted. */
  readonly step: Step;
}

export interface Graph {
  readonly pure: Stepper;
  readonly states: readonly GraphState[];
  readonly edges: readonly GraphEdge[];
}

/** A fact that does not hold, with the shortest way to where it fails. */
export class CounterExample extends Error {
  override name = 'CounterExample';
  readonly path: readonly GraphEdge[];

  constructor(fact: string, at: GraphState, last?: GraphEdge) {
    const path = last ? [...pathTo(at), last] : pathTo(at);
    super(`${fact}\n${describe(path, at)}`);
    this.path = path;
  }
}

/**
 * Explores breadth first, so that every path is a shortest one. Throws `CounterExample` where the chart itself throws.
 *
 * @example
 * ```ts
 * import { everyState, explore, reaches } from 'troupe/testing';
 * import { setup } from 'xstate';
 *
 * const lamp = setup({ types: {} as { events: { type: 'press' } } }).createMachine({
 *   id: 'lamp',
 *   initial: 'off',
 *   states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' }, after: { 60_000: 'off' } } },
 * });
 * const graph = explore(lamp, { events: [{ type: 'press' }] });
 * console.log(graph.states.length, graph.edges.length); // 2 3
 * reaches(graph, 'it can always be put out', { to: ({ name }) => name === 'off' });
 * everyState(graph, 'it can always be pressed', ({ edges }) => edges.some(({ event }) => event.type === 'press'));
 * ```
 */
export function explore<M extends AnyStateMachine>(machine: M, options: ExploreOptions<M>): Graph {
  const { input, serialize = ({ value, context }) => [value, context], limit = 100_000 } = options;
  const pure = stepper(machine);
  const found = new Map<string, GraphState>();
  const edges: GraphEdge[] = [];

  const meet = (snapshot: AnyMachineSnapshot, from?: Omit<GraphEdge, 'to'>): GraphState => {
    const key = JSON.stringify(serialize(snapshot));
    const known = found.get(key);
    if (known) return known;
    if (found.size >= limit)
      throw new Error(`${pure.name} has more than ${limit} states, such as ${key}: let serialize keep less of it`);
    const state = {
      key,
      name: stateName(snapshot.value),
      snapshot,
      edges: [],
      via: undefined as GraphEdge | undefined,
    };
    found.set(key, state);
    if (from) state.via = { ...from, to: state };
    return state;
  };

  meet(pure.initial(input).snapshot);
  // A Map is walked in the order of insertion, with what is added on the way: that is the queue of the search.
  for (const from of found.values()) {
    if (from.snapshot.status !== 'active') continue;
    for (const event of offered(pure, from.snapshot, options)) {
      const step = taking(pure, from, event);
      if (!step.changed) continue;
      const edge = { from, event, to: meet(step.snapshot, { from, event, step }), step };
      (from.edges as GraphEdge[]).push(edge);
      edges.push(edge);
    }
  }
  return { pure, states: [...found.values()], edges };
}

/** The edges of the shortest way to a state. */
export function pathTo(state: GraphState): readonly GraphEdge[] {
  const path: GraphEdge[] = [];
  for (let edge = state.via; edge; edge = edge.from.via) path.unshift(edge);
  return path;
}

/** Every event that is tried in a state: those from outside, its timers, and the results of its work. */
export function offered<M extends AnyStateMachine>(
  pure: Stepper,
  snapshot: AnyMachineSnapshot,
  { events, results: resultsOf = {} }: Pick<ExploreOptions<M>, 'events' | 'results'>,
): EventObject[] {
  const outside = typeof events === 'function' ? events(snapshot) : events;
  const timers = pure.timers(snapshot).map(({ id: type }) => ({ type }));
  const work = pure.invokes(snapshot).flatMap(({ id }) => {
    const results = resultsOf[id] ?? [];
    return (typeof results === 'function' ? results(snapshot) : results).map((result) => ({
      type: `xstate.${'output' in result ? 'done' : 'error'}.actor.${id}`,
      actorId: id,
      ...result,
    }));
  });
  return [...(outside as readonly EventObject[]), ...timers, ...work];
}

function taking(pure: Stepper, from: GraphState, event: EventObject): Step {
  try {
    return pure.step(from.snapshot, event);
  } catch (error) {
    throw new CounterExample(`the chart throws on ${told(event)}: ${(error as Error).message}`, from);
  }
}

/** One line per step: the event, and the states it led to. */
function describe(path: readonly GraphEdge[], at: GraphState): string {
  const first = path[0]?.from ?? at;
  return [`  ${first.name}`, ...path.map(({ event, to }) => `  ${told(event)} → ${to.name}`)].join('\n');
}

function told({ type, ...data }: EventObject): string {
  const { actorId: _, ...rest } = data as { actorId?: string };
  return Object.keys(rest).length > 0 ? `${type} ${JSON.stringify(rest)}` : type;
}
