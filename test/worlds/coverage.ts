// What an exploration has seen of a chart: where it rests, which states it enters on the way, and which transitions it takes.
import {
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyStateNode,
  type AnyTransitionDefinition,
  createActor,
  type EventObject,
  getInitialMicrosteps,
} from 'xstate';
import { descend } from '../../src/diagram/graph.ts';
import { type ExploreOptions, explore } from '../../src/testing/explore.ts';

export interface Coverage {
  /** Of all explored worlds together. */
  readonly states: number;
  readonly edges: number;
  /** The simple and final states, by id: those found at rest, and those that carry the tag `passing`. */
  readonly resting: ReadonlySet<string>;
  readonly passing: ReadonlySet<string>;
  /** The faults, by id of the state; a transition says its source, its event and which alternative it is. */
  readonly neverAtRest: readonly string[];
  readonly restingThoughPassing: readonly string[];
  readonly neverEntered: readonly string[];
  readonly neverTaken: readonly string[];
}

/** Explores a chart in each world and says what is missing in all of them. */
export function coverage(machine: AnyStateMachine, worlds: readonly ExploreOptions<AnyStateMachine>[]): Coverage {
  const entered = new Set<AnyStateNode>();
  const taken = new Set<AnyTransitionDefinition>();
  const rested = new Set<AnyStateNode>();
  const enter = ({ _nodes }: AnyMachineSnapshot) => {
    for (const node of _nodes) entered.add(node);
  };
  const step = recorder(machine, (snapshot, transitions) => {
    enter(snapshot);
    for (const transition of transitions) taken.add(transition);
  });
  let states = 0;
  let edges = 0;
  for (const world of worlds) {
    const graph = explore(machine, world);
    states += graph.states.length;
    edges += graph.edges.length;
    for (const [snapshot] of getInitialMicrosteps(machine, world.input as never)) enter(snapshot);
    for (const { snapshot } of graph.states) for (const node of snapshot._nodes) rested.add(node);
    for (const { from, event } of graph.edges) step(from.snapshot, event);
  }

  const all = [...descend(machine.root)];
  const simple = all.filter(({ type }) => type === 'atomic' || type === 'final');
  const passing = simple.filter(({ tags }) => tags.includes('passing'));
  return {
    states,
    edges,
    resting: ids(simple.filter((state) => rested.has(state))),
    passing: ids(passing),
    neverAtRest: [...ids(simple.filter((state) => !rested.has(state) && !passing.includes(state)))],
    restingThoughPassing: [...ids(passing.filter((state) => rested.has(state)))],
    neverEntered: [...ids(all.filter((state) => !entered.has(state)))],
    neverTaken: all.flatMap((state) =>
      [state.always ?? [], ...state.transitions.values()].flatMap((alternatives) =>
        alternatives.flatMap((one, index) =>
          taken.has(one) ? [] : [`${state.id}: ${one.eventType || 'always'} ${index + 1}/${alternatives.length}`],
        ),
      ),
    ),
  };
}

const ids = (states: readonly AnyStateNode[]): Set<string> => new Set(states.map(({ id }) => id));

type Seen = (after: AnyMachineSnapshot, transitions: readonly AnyTransitionDefinition[]) => void;

/** Steps a chart and tells of each microstep; with one inert actor, which is never started, for XState's own makes one a step. */
function recorder(machine: AnyStateMachine, seen: Seen): (snapshot: AnyMachineSnapshot, event: EventObject) => void {
  const inspect = (told: any) => {
    if (told.type === '@xstate.microstep') seen(told.snapshot, told._transitions);
  };
  const self = createActor(machine, { input: {}, inspect });
  const nothing = () => {};
  const { system } = self;
  const scope: any = { self, system, id: machine.id, sessionId: '', logger: nothing, defer: nothing };
  Object.assign(scope, { stopChild: nothing, emit: nothing, actionExecutor: nothing });
  return (snapshot, event) => void machine.transition(snapshot, event, scope);
}
