// What the bodies of the flow chart's names share: finding the step that an event is about, changing it, emitting what became of it.
import type { Usage } from '../../src/agents/definition.ts';
import type { TaskEmitted } from '../../src/emitted/emitted.ts';
import { action } from '../action.ts';
import { addUsage } from '../task/rules.ts';
import type { FlowContext, FlowEvent, Step } from './events.ts';

export type Args = { context: FlowContext; event: FlowEvent };
export type Of<T extends FlowEvent['type']> = Extract<FlowEvent, { type: T }>;
/** The events that are about one step. */
export type StepEvent = Extract<FlowEvent, { step: string }>;

export const act = action<FlowContext, FlowEvent, TaskEmitted>();

export const isAtWork = ({ state }: Step): boolean => state === 'running';

/** The step that an event is about. */
export const stepOf = ({ context, event }: Args): Step =>
  context.steps.find(({ id }) => id === (event as StepEvent).step)!;

/** The same, while it is at work. */
export const stepAtWork = ({ context, event }: Args): Step | undefined =>
  context.steps.find((step) => isAtWork(step) && step.id === (event as StepEvent).step);

export const changing = (
  steps: readonly Step[],
  which: (step: Step) => boolean,
  change: (step: Step) => Partial<Step>,
) => steps.map((step) => (which(step) ? { ...step, ...change(step) } : step));

/** The events of a step's agent, with the way to it: flows may be steps of flows. */
export const own = ({ id, agent }: Step, emitted: readonly TaskEmitted[] = []): TaskEmitted[] =>
  emitted.map((one) => ({ agent, ...one, path: one.path === undefined ? id : `${id}/${one.path}` }) as TaskEmitted);

export function begun({ id: step, agent, from }: Step): TaskEmitted {
  return { type: from === undefined ? 'step_started' : 'step_resumed', step, agent };
}

export function ended({ id: step, agent }: Step, ms: number, error?: Step['error']): TaskEmitted {
  return { type: 'step_finished', step, agent, ms, ...(error && { error }) };
}

export function moved({ id: step, agent: from }: Step, agent: string, reason: string): TaskEmitted {
  return { type: 'step_moved', step, from, agent, reason };
}

/** An action on an event about one step: changes the step, emits its agent's own events and then those of `say`. */
export const record = <T extends StepEvent['type']>(
  change: (event: Of<T>, step: Step, context: FlowContext) => Partial<Step>,
  say: (event: Of<T>, step: Step) => TaskEmitted[] = () => [],
) =>
  act(({ context, event: any }) => {
    const event = any as Of<T>;
    const { told, usage } = any as StepEvent & { usage?: Usage };
    const step = stepOf({ context, event: any });
    return {
      assign: {
        steps: context.steps.map((one) => (one === step ? { ...step, ...change(event, step, context) } : one)),
        usage: addUsage(context.usage, usage),
      },
      emit: [...own(step, told), ...say(event, step)],
    };
  });

/** What a step goes on with is of no use once it is over. */
export const nothingLeft = {
  task: undefined,
  decision: undefined,
  question: undefined,
  back: undefined,
  not_before: undefined,
} as const;
