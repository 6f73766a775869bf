// What must hold of a flow in every state it can reach, each fact as a check of the explored graph.
import { isDeepStrictEqual } from 'node:util';
import type { Verdict } from '../../machines/attempt/events.ts';
import type { FlowContext, FlowEvent, Step, StepsInput } from '../../machines/flow/events.ts';
import type { EmittedOf, EmittedType } from '../../src/emitted/emitted.ts';
import type { Graph, GraphEdge, GraphState } from '../../src/testing/explore.ts';
import { everyEdge, everyState } from '../../src/testing/facts.ts';
import type { Fact } from '../session/facts.ts';
import { isOpen } from '../task/facts.ts';

const contextOf = ({ snapshot }: GraphState): FlowContext => snapshot.context;
const before = ({ from }: GraphEdge): FlowContext => contextOf(from);
const after = ({ step }: GraphEdge): FlowContext => step.snapshot.context;
const own = ({ steps }: FlowContext): Step[] => steps.filter(({ aggregates }) => !aggregates);
const isOver = ({ state }: Step): boolean => state === 'done' || state === 'failed';
const eventOf = ({ event }: GraphEdge): FlowEvent => event as unknown as FlowEvent;
const told = <T extends EmittedType>({ step }: GraphEdge, type: T) =>
  step.emitted.filter((one): one is EmittedOf<T> => one.type === type);

/** The verdict on a failure, where the event is one about this step: it stands in the failure, whatever policy the chart is over. */
const verdictOn = ({ id }: Step, event: FlowEvent): Verdict['type'] | undefined =>
  event.type === 'step.failed' && event.step === id
    ? (event.failure as { verdict?: Verdict }).verdict!.type
    : undefined;

/** Every step before and after an edge. */
const pairs = (edge: GraphEdge): [Step, Step][] =>
  before(edge).steps.map((step, index) => [step, after(edge).steps[index]!]);

/** Who gets a step back; words that all have heard left aside. */
const back = (step: Step) => step.back && { ...step.back, words: [] };

const atWork = (graph: Graph, snapshot: GraphState['snapshot']): readonly Step[] =>
  graph.pure
    .invokes(snapshot)
    .filter(({ src }) => src === 'steps')
    .flatMap(({ input }) => (input as StepsInput).steps);

export const flow: Record<string, Fact> = {
  'steps of a sequence go to work one after the other; those of a parallel flow all at once': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const context = after(edge);
      const working = atWork(graph, edge.step.snapshot).filter(({ aggregates }) => !aggregates);
      if (working.length === 0) return true;
      if (context.mode === 'parallel') return own(context).every(({ state }) => state !== 'waiting');
      const at = own(context).findIndex(({ id }) => id === working[0]!.id);
      return working.length === 1 && own(context).slice(0, at).every(isOver);
    }),

  'whoever aggregates goes to work when all steps are over and one has succeeded': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const context = after(edge);
      const aggregates =
        edge.to.name === 'aggregating' || atWork(graph, edge.step.snapshot).some((step) => step.aggregates);
      return !aggregates || (own(context).every(isOver) && own(context).some(({ state }) => state === 'done'));
    }),

  'a step that is over stays as it is, and nothing more is taken of it': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge) as { type: string; step?: string };
      if (event.step !== undefined) {
        const step = before(edge).steps.find(({ id }) => id === event.step);
        if (step?.state !== 'running') return `${event.type} of ${event.step} is taken`;
      }
      return pairs(edge).every(([step, then]) => !isOver(step) || isDeepStrictEqual(step, then));
    }),

  'a step is told to start once, and to be finished exactly when it is over': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const started = told(edge, 'step_started').map(({ step }) => step);
      const begun = pairs(edge).filter(([step, then]) => step.from === undefined && then.from !== undefined);
      const finished = told(edge, 'step_finished').map(({ step }) => step);
      const over = pairs(edge).filter(([step, then]) => !isOver(step) && isOver(then));
      const ids = (all: [Step, Step][]) => all.map(([{ id }]) => id).join();
      return ids(begun) === started.join() && ids(over) === finished.join();
    }),

  'what an agent told on its way is told on with its step': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge) as { step?: string; told?: unknown[] };
      return told(edge, 'tool_called').length === (event.told?.length ?? 0)
        ? told(edge, 'tool_called').every(({ path }) => path === event.step)
        : 'something is swallowed';
    }),

  'the answer to a question goes to the step that asked, which goes on from where it was': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const asked = before(edge).steps.find(({ state }) => state === 'asking');
      const event = eventOf(edge);
      const answered =
        event.type === 'decided' || (event.type === 'heard' && before(edge).question?.type === 'input_required');
      if (edge.from.name !== 'asking' || !answered) return true;
      const then = after(edge).steps.find(({ id }) => id === asked!.id)!;
      if (then.question !== undefined || !isDeepStrictEqual(then.task, asked!.task)) return 'it lost its place';
      return event.type === 'decided'
        ? isDeepStrictEqual(then.decision, event.decision)
        : then.answering === true && isDeepStrictEqual(then.words, event.input);
    }),

  'a step that got on has its new task, and is not told again what was decided before': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge);
      if (event.type !== 'step.progressed') return true;
      const then = after(edge).steps.find(({ id }) => id === event.step)!;
      return then.task === event.task && then.decision === undefined;
    }),

  'an agent never goes on with the task of another, and one that gets a step back goes on with its own': (
    graph,
    name,
  ) =>
    everyEdge(graph, name, (edge) =>
      pairs(edge).every(([step, then]) => {
        const event = eventOf(edge);
        const verdict = verdictOn(step, event);
        if (verdict === 'give_back') {
          const { agent, task, words, answering } = step.back!;
          const { kind, to } = then.decision as { kind: string; to: string };
          if (kind !== 'transfer' || to !== step.agent || then.back !== undefined) return false;
          return isDeepStrictEqual(
            [then.agent, then.task, then.words, then.answering],
            [agent, task, words, answering],
          );
        }
        const given = event.type === 'step.transferred' && event.step === step.id && !isOver(then);
        if (!given && verdict !== 'next_agent')
          return step.agent === then.agent && (isOver(then) || isDeepStrictEqual(back(step), back(then)));
        if (then.task !== undefined || then.decision !== undefined || then.answering) return false;
        if (!given) return then.back === undefined && then.agent === 'w';
        return then.back?.agent === step.agent && then.back.task === event.task && then.agent === event.agent;
      }),
    ),

  'every call has a name of its own: a failure counts, and so does every move to another agent': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge);
      return pairs(edge).every(([step, then]) => {
        if (isOver(then)) return true;
        const verdict = verdictOn(step, event);
        const isTriedAgain = verdict === 'again' || verdict === 'elsewhere';
        if (step.agent !== then.agent || verdict === 'give_back')
          return then.moves === step.moves + 1 && then.failures === 0;
        return then.moves === step.moves && then.failures === step.failures + (isTriedAgain ? 1 : 0);
      });
    }),

  'only a step that backs off waits, and as long as the policy says': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge);
      return pairs(edge).every(([step, then]) => {
        const about = 'step' in event && event.step === step.id;
        const waits = verdictOn(step, event) === 'again' ? 1_010 : undefined;
        return about && edge.to.name !== 'handedOver' ? then.not_before === waits : then.not_before === step.not_before;
      });
    }),

  'no step is at work while it asks, and none asks while another could work': (graph, name) =>
    everyState(graph, name, (state) => {
      if (state.name !== 'asking') return true;
      const { steps } = contextOf(state);
      if (steps.some(({ state }) => state === 'running')) return 'a step is at work';
      return contextOf(state).mode === 'sequential' || own(contextOf(state)).every(({ state }) => state !== 'waiting');
    }),

  'steps that whoever performs them forgot are not performed again': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.event.type !== 'xstate.done.actor.steps') return true;
      const again = atWork(graph, edge.step.snapshot).map(({ id }) => id);
      return atWork(graph, edge.from.snapshot).every(({ id }) => !again.includes(id));
    }),

  'it fails at once when a step fails and it must stop, and otherwise only when nothing is left': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const context = after(edge);
      const failed = context.steps.filter(({ state }) => state === 'failed');
      const fatal = failed.some(({ aggregates }) => aggregates || context.on_failure === 'stop');
      const hopeless = failed.length === own(context).length;
      return (edge.to.name === 'failed') === (fatal || hopeless);
    }),

  'a flow that fails says which step did, and why': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.to.name !== 'failed') return true;
      const { message, code } = edge.step.snapshot.output;
      const failed = after(edge).steps.filter(({ state }) => state === 'failed');
      return (
        /^(step|all_steps)_failed$/.test(code) &&
        failed.every(({ id, error }) => message.includes(`step "${id}"`) && message.includes(error!.message))
      );
    }),

  'a flow that is done has an answer, made of what its steps said': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (edge.to.name !== 'done') return true;
      const context = after(edge);
      const { final_message, usage } = edge.step.snapshot.output;
      if (!own(context).every(isOver)) return 'a step is not over';
      const said = own(context).flatMap(({ output }) => output ?? []);
      const done = context.steps.filter(({ state }) => state === 'done');
      if ((usage?.total_tokens ?? 0) !== done.length) return `${usage?.total_tokens} tokens`;
      if (context.aggregates) return final_message === 'in short';
      if (context.steps.length > own(context).length) return final_message === 'said by sum';
      return final_message === (context.mode === 'sequential' ? said.at(-1) : said.join('\n\n'));
    }),

  'its end is told once, with the share of steps that succeeded': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const [finished, ...more] = told(edge, 'flow_finished');
      if (more.length > 0 || (finished !== undefined) !== !isOpen(edge.to)) return false;
      const done = own(after(edge)).filter(({ state }) => state === 'done').length;
      return finished === undefined || finished.success_rate === done / own(after(edge)).length;
    }),

  'a step that gives the conversation to a person ends the flow': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      if (eventOf(edge).type !== 'step.handed_over') return edge.to.name !== 'handedOver';
      return edge.to.name === 'handedOver' && edge.step.snapshot.output.type === 'handoff';
    }),

  'every word is heard by every step that is under way, and seen by those that come': (graph, name) =>
    everyEdge(graph, name, (edge) => {
      const event = eventOf(edge);
      const { words } = before(edge);
      if (event.type !== 'heard') return after(edge).words.length === words.length;
      if (after(edge).words.length !== words.length + 1) return 'a word is lost';
      if (before(edge).question?.type === 'input_required') return true;
      return pairs(edge).every(
        ([step, then]) => step.from === undefined || isOver(step) || then.words.length === step.words.length + 1,
      );
    }),
};
