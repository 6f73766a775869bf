// What must hold of every task's chart in every state it can reach, whatever the task is.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import {
  CounterExample,
  type ExploreOptions,
  type Graph,
  type GraphState,
  offered,
} from '../../src/testing/explore.ts';
import { deadlocks, everyEdge, everyState, reaches } from '../../src/testing/facts.ts';
import { type Fact, machinery } from '../session/facts.ts';

export const isOpen = ({ snapshot }: GraphState): boolean => snapshot.status === 'active';
const asks = ({ snapshot }: GraphState): boolean => snapshot.hasTag('asks');
const question = (snapshot: AnyMachineSnapshot): { type: string } | null => snapshot.context.question;
const owed = (graph: Graph, { snapshot }: GraphState): string[] => graph.pure.invokes(snapshot).map(({ id }) => id);

const answers: Record<string, string> = { approval_required: 'approval', tool_required: 'tool', transfer: 'transfer' };

export const task: Record<string, Fact> = {
  'no deadlock: every state that is not final accepts something': (graph, name) => {
    const [stuck] = deadlocks(graph);
    everyState(graph, name, (state) => state !== stuck);
  },

  'every state that is not final either works or asks, never both': (graph, name) =>
    everyState(graph, name, (state) => !isOpen(state) || asks(state) !== owed(graph, state).length > 0),

  'from everywhere it can come to an end, without a word of the user that it does not ask for': (graph, name) =>
    reaches(graph, name, {
      to: (state) => !isOpen(state),
      by: ({ from, event }) => event.type !== 'heard' || question(from.snapshot)?.type === 'input_required',
    }),

  'there is a question exactly while it asks, and an answer to another kind of question is refused': (graph, name) => {
    everyEdge(graph, name, ({ event, from, to, step }) => {
      if (isOpen(to) && asks(to) !== (question(step.snapshot) !== null)) return 'a question and nobody asks';
      if (event.type !== 'decided') return true;
      const { kind } = (event as unknown as { decision: { kind: string } }).decision;
      return asks(from) && answers[question(from.snapshot)!.type] === kind;
    });
    everyState(graph, name, (state) => {
      if (!asks(state)) return true;
      const wanted = question(state.snapshot)!.type === 'input_required' ? 'heard' : 'decided';
      return state.edges.some(({ event }) => event.type === wanted) || `${wanted} is refused`;
    });
  },

  'a final state has an output, which says what became of the task': (graph, name) =>
    everyEdge(graph, name, ({ to, step }) => isOpen(to) || typeof step.snapshot.output?.type === 'string'),

  ...Object.fromEntries(
    Object.entries(machinery).filter(([name]) => /fold of the effects|stored and restored/.test(name)),
  ),
};

/** Snapshots that count as one state go on alike: what the exploration leaves out of the context changes no step. */
export const abstraction =
  <M extends AnyStateMachine>(world: Required<Omit<ExploreOptions<M>, 'input' | 'limit'>>): Fact =>
  (graph, name) => {
    const outcomes = (snapshot: AnyMachineSnapshot) =>
      offered(graph.pure, snapshot, world as never).map((event) => {
        const step = graph.pure.step(snapshot, event);
        return step.changed ? JSON.stringify([event.type, world.serialize(step.snapshot)]) : event.type;
      });
    const compared = new Set<string>();
    everyEdge(graph, name, ({ to, step }) => {
      if (step.snapshot === to.snapshot || !isOpen(to) || compared.has(to.key)) return true;
      compared.add(to.key);
      return isDeepStrictEqual(outcomes(step.snapshot), outcomes(to.snapshot));
    });
  };

/** Checks a fact; its counter-example is thrown as the sentence alone, for a reporter would print the whole graph with it. */
export function holds(graph: Graph, name: string, fact: Fact): void {
  try {
    fact(graph, name);
  } catch (error) {
    throw error instanceof CounterExample ? new Error(error.message) : error;
  }
}
