// The graph explorer: every state a chart can reach, every event in each of them, and a shortest path to each.
import type { AnyMachineSnapshot, AnyStateMachine, EventFromLogic, EventObject, InputFrom } from 'xstate';
import { type Step, type Stepper, stepper } from '../../actors/durable.ts';
import { stateName } from '../../machines/state-name.ts';
import { descend } from '../diagram/graph.ts';

/** A possible result of an invoke. */
export type Result = { readonly output: unknown } | { readonly error: unknown };

export interface ExploreOptions<M extends AnyStateMachine> {
  readonly input?: InputFrom<M>;
  /**
   * Events from outside; a function builds them from the snapshot, e.g. with ids that fit. Timers and results are added
   * automatically.
   */
  readonly events: readonly EventFromLogic<M>[] | ((snapshot: AnyMachineSnapshot) => readonly EventFromLogic<M>[]);
  /**
   * Possible results of each invoke by its id, offered in the states that invoke it. A function builds them from the snapshot.
   */
  readonly results?: Readonly<
    Record<string, readonly Result[] | ((snapshot: AnyMachineSnapshot) => readonly Result[])>
  >;
  /**
   * What makes two snapshots the same state, as JSON. Default: value and context. A context that counts must be reduced to what
   * guards read of it, or the exploration does not end.
   */
  readonly serialize?: (snapshot: AnyMachineSnapshot) => unknown;
  /** More states than this are an error. Default 100,000. */
  readonly limit?: number;
}

/** A state of the graph, with the first snapshot found of those that serialize alike. */
export interface GraphState {
  readonly key: string;
  /** The active states, e.g. `automated/running.attempting`. */
  readonly name: string;
  readonly snapshot: AnyMachineSnapshot;
  /** The events it accepts; an event without an edge was refused. */
  readonly edges: readonly GraphEdge[];
  /** The last step of a shortest path; undefined for the initial state. */
  readonly via?: GraphEdge;
}

export interface GraphEdge {
  readonly from: GraphState;
  readonly event: EventObject;
  readonly to: GraphState;
  /** The step: its own snapshot (`to` has one that serializes alike), effects and emitted events. */
  readonly step: Step;
}

export interface Graph {
  readonly pure: Stepper;
  readonly states: readonly GraphState[];
  readonly edges: readonly GraphEdge[];
}

/** A fact that does not hold, with a shortest path to where it fails. */
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
  checkResults(machine, options.results);
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
  // A Map is iterated in the order of insertion, including entries added meanwhile, so it serves as the queue of the search.
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

/** The edges of a shortest path to a state. */
export function pathTo(state: GraphState): readonly GraphEdge[] {
  const path: GraphEdge[] = [];
  for (let edge = state.via; edge; edge = edge.from.via) path.unshift(edge);
  return path;
}

/** Throws where `results` names an invoke that the chart has not: its work would come to nothing in silence. */
export function checkResults(machine: AnyStateMachine, results: object = {}): void {
  const ids = [...descend(machine.root)].flatMap(({ invoke }) => invoke.map(({ id }) => id));
  const unknown = Object.keys(results).filter((id) => !ids.includes(id));
  if (unknown.length === 0) return;
  throw new Error(
    `results: ${machine.id} has no invoke with the id ${unknown.join(', ')}; it has ${ids.join(', ') || 'none'}`,
  );
}

/** Every event that is tried in a state: those from outside, its timers, and the results of its invokes. */
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
    throw new CounterExample(`the chart throws on ${textOf(event)}: ${(error as Error).message}`, from);
  }
}

/** One line per step: the event, and the states it led to. */
function describe(path: readonly GraphEdge[], at: GraphState): string {
  const first = path[0]?.from ?? at;
  return [`  ${first.name}`, ...path.map(({ event, to }) => `  ${textOf(event)} → ${to.name}`)].join('\n');
}

function textOf({ type, ...data }: EventObject): string {
  const { actorId: _, ...rest } = data as { actorId?: string };
  return Object.keys(rest).length > 0 ? `${type} ${JSON.stringify(rest)}` : type;
}
