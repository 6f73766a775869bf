// What must hold of the attempts of every piece of work, each fact as a check of the explored graph.
import type { Failure, Verdict } from '../../machines/attempt/events.ts';
import type { Graph, GraphEdge } from '../../src/testing/explore.ts';
import { everyEdge, everyState, type Holds, reaches } from '../../src/testing/facts.ts';
import type { Fact } from '../session/facts.ts';
import { type AttemptContext, limits } from './world.ts';

const before = ({ from }: GraphEdge): AttemptContext => from.snapshot.context;
const after = ({ step }: GraphEdge): AttemptContext => step.snapshot.context;

/** What followed from a failure, read off where the work went: not what the policy said, but what came of it. */
function outcomeOf(edge: GraphEdge): Verdict['type'] {
  const { value } = edge.step.snapshot;
  if (value === 'over') return 'give_up';
  if (value === 'backingOff') return 'again';
  const [was, is] = [before(edge), after(edge)];
  if (was.giver !== null && is.giver === null) return 'give_back';
  return was.turns === is.turns ? 'elsewhere' : 'next_agent';
}

const everyFailure = (
  graph: Graph,
  name: string,
  holds: (failure: Failure, outcome: Verdict['type'], edge: GraphEdge) => Holds,
): void =>
  everyEdge(graph, name, (edge) => {
    if (edge.event.type !== 'failed') return true;
    return holds(edge.event as unknown as Failure, outcomeOf(edge), edge);
  });

export const attempts: Record<string, Fact> = {
  'every verdict is given': (graph, name) => {
    const given = new Set(graph.edges.filter(({ event }) => event.type === 'failed').map(outcomeOf));
    everyState(graph, name, () => given.size === 5 || [...given].join());
  },

  'an agent fails at most as often as the settings say before it gets on, but for instances that are left': (
    graph,
    name,
  ) =>
    everyFailure(graph, name, (_, outcome, edge) => {
      return outcome !== 'again' || after(edge).failed < limits.attempts || `it failed ${after(edge).failed} times`;
    }),

  'an agent that may be tried again is, as often as the settings say': (graph, name) =>
    everyFailure(graph, name, ({ code, retryable, final, alternatives }, outcome, edge) => {
      const left = retryable && !final && before(edge).failed + 1 < limits.attempts;
      return !left || alternatives !== undefined || code === 'no_agent_available' || outcome === 'again' || outcome;
    }),

  'what cannot help is not tried again, neither here nor elsewhere': (graph, name) =>
    everyFailure(graph, name, ({ retryable }, outcome) => {
      return retryable || !['again', 'elsewhere'].includes(outcome) || outcome;
    }),

  'when the time of the whole is over, nothing more is tried': (graph, name) =>
    everyFailure(graph, name, ({ final }, outcome) => !final || outcome === 'give_up' || outcome),

  'another instance is tried at once where there is one': (graph, name) =>
    everyFailure(graph, name, ({ retryable, final, alternatives = 0 }, outcome) => {
      return (outcome === 'elsewhere') === (retryable && !final && alternatives > 0) || outcome;
    }),

  'an instance that failed is known, and every one only until the agent gets on or another has the work': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, (edge) => {
      const { tried } = after(edge).plan;
      if (edge.event.type === 'progressed' || before(edge).agent !== after(edge).agent) return tried.length === 0;
      const { endpoint } = edge.event as Partial<Failure>;
      if (endpoint === undefined || !['again', 'elsewhere'].includes(outcomeOf(edge))) return true;
      return tried.includes(endpoint);
    }),

  'the agents that come next are tried in their order, each once': (graph, name) =>
    everyState(graph, name, ({ snapshot }) => 'abc'.startsWith(snapshot.context.turns) || snapshot.context.turns),

  'nothing is given up while an agent is left that could go on': (graph, name) =>
    everyFailure(graph, name, ({ final }, outcome, edge) => {
      const { giver, plan } = before(edge);
      return outcome !== 'give_up' || final === true || (giver === null && plan.next.length === 0);
    }),

  'what was transferred goes back to the agent that gave it away, with the agents that came after that one': (
    graph,
    name,
  ) =>
    everyFailure(graph, name, (_, outcome, edge) => {
      const { giver } = before(edge);
      if (giver === null) return outcome !== 'give_back';
      if (outcome === 'next_agent') return 'it goes to somebody else';
      if (outcome !== 'give_back') return true;
      const { agent, plan } = after(edge);
      const order = ['a', 'b', 'c'];
      const rest = giver === 't' ? [] : order.slice(order.indexOf(giver) + 1);
      return agent === giver && plan.back === undefined && plan.next.join() === rest.join();
    }),

  'an agent that is out is not waited for while another could go on': (graph, name) =>
    everyFailure(graph, name, ({ code }, outcome, edge) => {
      const { giver, plan } = before(edge);
      const another = giver !== null || plan.next.length > 0;
      return code !== 'no_agent_available' || !another || outcome !== 'again';
    }),

  'an agent that is out is waited for where no other could go on, as often as the settings say': (graph, name) =>
    everyFailure(graph, name, ({ code }, outcome, edge) => {
      const { giver, plan, failed } = before(edge);
      const waits =
        code === 'no_agent_available' && giver === null && plan.next.length === 0 && failed + 1 < limits.attempts;
      return !waits || outcome === 'again' || outcome;
    }),

  'the wait doubles up to the longest, jitter takes up to half of it, and an endpoint is left alone as long as it asks':
    (graph, name) =>
      everyFailure(graph, name, ({ jitter = 0, retry_after_s = 0 }, outcome, edge) => {
        if (outcome !== 'again') return true;
        const { wait_ms } = after(edge).verdict as { wait_ms: number };
        const whole = after(edge).failed === 1 ? 10_000 : 15_000;
        return wait_ms === Math.max(retry_after_s * 1_000, whole * (1 - jitter / 2)) || `${wait_ms} ms`;
      }),

  'the work goes from agent to agent of their own will as often as the settings say': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.event.type !== 'transferred') return true;
      return before(edge).moved < limits.transfers === (edge.to.name !== 'over') || `moved ${before(edge).moved} times`;
    }),

  'a crash is outlived as often as the settings say, and what gets on counts anew': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.event.type !== 'recovered') return true;
      return before(edge).crashed < limits.recoveries === (edge.to.name !== 'over');
    }),

  'what only fails comes to an end': (graph, name) => {
    reaches(graph, name, { to: ({ name }) => name === 'over', by: ({ event }) => /failed|after/.test(event.type) });
    // No circle of failures: each leads to a state from which fewer are left.
    const left = new Map(graph.states.map((state) => [state, undefined as number | undefined]));
    const depth = (state: Graph['states'][number], path: Set<unknown>): Holds => {
      if (left.get(state) !== undefined) return true;
      if (path.has(state)) return `there is a circle through ${state.name}`;
      path.add(state);
      const ways = state.edges.filter(({ event }) => event.type === 'failed' || event.type.startsWith('xstate.after'));
      for (const { to } of ways) {
        const found = depth(to, path);
        if (found !== true) return found;
      }
      path.delete(state);
      left.set(state, 1 + Math.max(0, ...ways.map(({ to }) => left.get(to)!)));
      return true;
    };
    everyState(graph, name, (state) => depth(state, new Set()));
  },
};
