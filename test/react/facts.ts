// What must hold of an agent that thinks and acts, each fact as a check of the explored graph.

import type { Call, ModelMessage, ReactContext, ReactEvent, ToolsInput } from '../../machines/react/events.ts';
import type { EmittedOf, EmittedType } from '../../src/emitted/emitted.ts';
import type { Graph, GraphEdge, GraphState } from '../../src/testing/explore.ts';
import { everyEdge, everyState, type Holds } from '../../src/testing/facts.ts';
import type { Fact } from '../session/facts.ts';
import { isOpen } from '../task/facts.ts';
import { MAX_STEPS, wordsOf } from './world.ts';

const before = ({ from }: GraphEdge): ReactContext => from.snapshot.context;
const after = ({ step }: GraphEdge): ReactContext => step.snapshot.context;
const thinks = ({ name }: GraphState): boolean => name === 'thinking';
const told = <T extends EmittedType>({ step }: GraphEdge, type: T) =>
  step.emitted.filter((one): one is EmittedOf<T> => one.type === type);
const decided = ({ event }: GraphEdge) => (event as unknown as Extract<ReactEvent, { type: 'decided' }>).decision;

/** The calls that are to be run in this state, as whoever runs them gets them. */
const running = (graph: Graph, snapshot: GraphState['snapshot']): ToolsInput['calls'] =>
  graph.pure
    .invokes(snapshot)
    .filter(({ src }) => src === 'tools')
    .flatMap(({ input }) => (input as ToolsInput).calls);

/** Every call of the same reply before and after a step that did not end it. */
const pairs = (edge: GraphEdge): [Call, Call][] =>
  before(edge).steps === after(edge).steps && after(edge).calls.length > 0
    ? before(edge).calls.map((call, index) => [call, after(edge).calls[index]!])
    : [];

/** The rule of the OpenAI protocol, and what other providers want besides. */
function protocol(messages: readonly ModelMessage[]): Holds {
  const ids: string[] = [];
  let due: string[] = [];
  for (const message of messages) {
    if (message.role === 'tool') {
      if (!due.includes(message.tool_call_id)) return `a result of ${message.tool_call_id}, which nobody waits for`;
      if (typeof message.content !== 'string') return `${message.tool_call_id} has nothing for a result`;
      due = due.filter((id) => id !== message.tool_call_id);
      continue;
    }
    if (due.length > 0) return `${message.role} speaks before the result of ${due.join(', ')}`;
    if (message.role === 'user') continue;
    const calls = message.tool_calls ?? [];
    if (calls.length === 0 && !message.content) return 'an empty message';
    for (const call of calls) {
      if (typeof JSON.parse(call.function.arguments) !== 'object') return `${call.id} has arguments that are no object`;
      due.push(call.id);
      ids.push(call.id);
    }
  }
  if (due.length > 0) return `no result of ${due.join(', ')}`;
  return new Set(ids).size === ids.length || `two calls are called ${ids.find((id, at) => ids.indexOf(id) !== at)}`;
}

export const react: Record<string, Fact> = {
  'a call runs only while it has no result, and only if it needs no approval or has it': (graph, name) =>
    everyEdge(graph, name, ({ step }) => {
      const { calls } = step.snapshot.context as ReactContext;
      return running(graph, step.snapshot).every(({ id }) => {
        const call = calls.find((one) => one.id === id)!;
        return call.result === undefined && !call.invalid && (call.kind === 'run' || call.approved === true);
      });
    }),

  'only the approval of a person, given to its question, approves a call; then it runs with the arguments approved': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, (edge) =>
      pairs(edge).every(([call, then]) => {
        if (then.approved === call.approved) return true;
        const decision = decided(edge) as { kind: string; decision?: string; arguments?: unknown };
        if (decision?.kind !== 'approval' || decision.decision !== 'approve') return false;
        const wanted = JSON.stringify(decision.arguments ?? call.arguments);
        const runs = running(graph, edge.step.snapshot).find(({ id }) => id === call.id);
        return JSON.stringify(runs?.arguments) === wanted && edge.from.name === 'acting.awaitingApproval';
      }),
    ),

  'a call that was rejected, or that nobody decided on, has its result and never runs': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const decision = decided(edge) as { kind: string; decision?: string } | undefined;
      if (decision?.kind !== 'approval' || decision.decision === 'approve') return true;
      const answered = pairs(edge).filter(([call, then]) => call.result === undefined && then.result !== undefined);
      return (
        (answered.length === 1 && !answered[0]![1].approved) || thinks(edge.to) || `${answered.length} are rejected`
      );
    }),

  'a result never changes, and a second one of the same call is refused': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const finished = edge.event as unknown as Extract<ReactEvent, { type: 'tool.finished' }>;
      if (finished.type === 'tool.finished') {
        const call = before(edge).calls.find(({ id }) => id === finished.call);
        if (!call || call.result !== undefined) return `a result of ${finished.call} is accepted`;
      }
      return pairs(edge).every(([call, then]) => call.result === undefined || call.result === then.result);
    }),

  'every call is told to be called at most once, and to be finished exactly when it gets its result': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      for (const { call } of told(edge, 'tool_called')) {
        const was = before(edge).calls.find(({ id }) => id === call);
        if (
          was &&
          edge.from.name === 'acting.running' &&
          running(graph, edge.from.snapshot).some(({ id }) => id === call)
        )
          return `${call} is called again`;
      }
      const closed = before(edge).calls.filter(({ id, result }) => {
        const then = after(edge).calls.find((one) => one.id === id);
        return result === undefined && (then ? then.result !== undefined : thinks(edge.to));
      });
      const born = after(edge).calls.filter(
        ({ id, result }) => result !== undefined && before(edge).calls.every((one) => one.id !== id),
      );
      // A reply whose calls are all invalid is closed in the step that brought it.
      const isReply = edge.event.type === 'xstate.done.actor.model' && before(edge).steps < MAX_STEPS;
      const atOnce = isReply && thinks(edge.to) ? invalidCalls(edge) : [];
      const expected = [...closed, ...born, ...atOnce].map(({ id }) => id).sort();
      const finished = told(edge, 'tool_finished').map(({ call }) => call);
      return finished.sort().join() === expected.join() || `told are ${finished.join(', ') || 'none'}`;
    }),

  'whenever the model is asked, every call has exactly one result right behind its reply, under an id of its own': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, (edge) => {
      if (!thinks(edge.to)) return true;
      return after(edge).calls.length === 0 ? protocol(after(edge).messages) : 'calls are left open';
    }),

  'calls that whoever runs them forgot are not run again': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.event.type !== 'xstate.done.actor.tools') return true;
      const again = running(graph, edge.step.snapshot).map(({ id }) => id);
      return running(graph, edge.from.snapshot).every(({ id }) => !again.includes(id));
    }),

  'after max_steps replies no call is made any more, and the model is asked at most once, and once more if it said nothing':
    (graph, name) =>
      everyState(graph, name, (state) => {
        const { steps } = state.snapshot.context as ReactContext;
        if (steps > MAX_STEPS + 2) return `${steps} replies`;
        if (state.name.startsWith('acting') && steps > MAX_STEPS) return `calls of reply ${steps} are made`;
        const concluding = graph.pure.invokes(state.snapshot).some(({ input }) => (input as any).concluding);
        return concluding === (thinks(state) && steps >= MAX_STEPS);
      }),

  'that the steps are exhausted is told once, when the last of them has ended with calls': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const ends = before(edge).calls.length > 0 || edge.event.type === 'xstate.done.actor.model';
      const closes = thinks(edge.to) && ends && edge.event.type !== 'heard' && !isNudge(edge);
      const exhausted = closes && after(edge).steps === MAX_STEPS;
      return told(edge, 'steps_exhausted').length === (exhausted ? 1 : 0);
    }),

  'a transfer waits for every other call of its reply, and the first one wins': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const { question, calls } = after(edge);
      const open = calls.filter(({ kind, result }) => kind === 'transfer' && result === undefined);
      if (open.length > 1) return 'two transfers are open';
      if (question?.type !== 'transfer') return true;
      return calls.every((call) => call.result !== undefined || call === open[0]);
    }),

  'no word of the user is lost, and none stands in the run twice': (graph, name) => {
    everyEdge(graph, name, (edge) => {
      const more = edge.event.type === 'heard' ? 1 : isNudge(edge) ? 1 : 0;
      return wordsOf(after(edge)) === wordsOf(before(edge)) + more;
    });
    everyState(graph, name, (state) => !thinks(state) || (state.snapshot.context as ReactContext).heard.length === 0);
  },

  'it ends with an answer that says everything the user saw, and counts the tokens of every reply': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (isOpen(edge.to) || edge.to.name !== 'done') return true;
      const { final_message, usage } = edge.step.snapshot.output;
      const { said, steps } = after(edge);
      return final_message === said.join('\n\n') && final_message.trim() !== '' && usage.total_tokens === steps;
    }),

  'it fails only when the model said nothing twice': (graph, name) =>
    everyEdge(graph, name, (edge) => edge.to.name !== 'failed' || before(edge).nudged),
};

const isNudge = (edge: GraphEdge): boolean => after(edge).nudged && !before(edge).nudged;

const invalidCalls = (edge: GraphEdge): { id: string }[] => {
  const { output } = edge.event as unknown as { output: { calls: { invalid?: string }[] } };
  const said = after(edge).messages.filter(({ role }) => role === 'tool') as { tool_call_id: string }[];
  const count = output.calls.filter(({ invalid }) => invalid !== undefined).length;
  return count === 0 ? [] : said.slice(-count).map(({ tool_call_id }) => ({ id: tool_call_id }));
};
