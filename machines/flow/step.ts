// What the bodies of the flow chart's names share: finding the step that an event is about, changing it, emitting what became of it.
import { setup } from 'xstate';
import { addUsage } from '../task/rules.ts';
import type { FlowContext, FlowEmitted, FlowEvent, Step } from './events.ts';

export type Args = { context: FlowContext; event: FlowEvent };
export type Of<T extends FlowEvent['type']> = Extract<FlowEvent, { type: T }>;
/** The events that are about one step. */
export type StepEvent = Extract<FlowEvent, { step: string }>;

const typed = setup({
  types: { context: {} as FlowContext, events: {} as FlowEvent, emitted: {} as FlowEmitted },
});
export const { assign } = typed;
// XState does not export the names that the inferred type would need in a declaration file.
export const enqueueActions: typeof typed.enqueueActions = typed.enqueueActions;

export const isAtWork = ({ state }: Step): boolean => state === 'running';

/** The step that an event is about, while it is at work. */
export const stepAtWork = ({ context, event }: Args): Step | undefined =>
  context.steps.find((step) => isAtWork(step) && step.id === (event as StepEvent).step);

export const changing = (
  steps: readonly Step[],
  which: (step: Step) => boolean,
  change: (step: Step) => Partial<Step>,
) => steps.map((step) => (which(step) ? { ...step, ...change(step) } : step));

/** The events of a step's agent, with the way to it: flows may be steps of flows. */
export function emitOwn(
  { id, agent }: Step,
  own: readonly FlowEmitted[] = [],
  emit: (event: FlowEmitted) => void,
): void {
  for (const one of own) emit({ agent, ...one, path: one.path === undefined ? id : `${id}/${one.path}` });
}

export const ended = ({ id, agent }: Step, ms: number, error?: Step['error']): FlowEmitted => ({
  type: 'step_finished',
  step: id,
  agent,
  ms,
  ...(error && { error }),
});

export const moved = ({ id, agent: from }: Step, agent: string, reason: string): FlowEmitted => ({
  type: 'step_moved',
  step: id,
  from,
  agent,
  reason,
});

/** Takes an event about one step: changes the step, emits its agent's own events and what there is to say besides. */
export const record = <T extends StepEvent['type']>(
  change: (event: Of<T>, step: Step, context: FlowContext) => Partial<Step>,
  say: (event: Of<T>, step: Step) => FlowEmitted[] = () => [],
) =>
  enqueueActions(({ context, event: any, enqueue }) => {
    const event = any as Of<T>;
    const step = context.steps.find(({ id }) => id === (event as StepEvent).step)!;
    const { told, usage } = event as { told?: FlowEmitted[]; usage?: object };
    const steps = changing(
      context.steps,
      (one) => one === step,
      () => change(event, step, context),
    );
    enqueue.assign({ steps, usage: addUsage(context.usage, usage) });
    emitOwn(step, told, enqueue.emit);
    for (const one of say(event, step)) enqueue.emit(one);
  });

/** What a step goes on with is of no use once it is over. */
export const nothingLeft = {
  task: undefined,
  decision: undefined,
  question: undefined,
  back: undefined,
  not_before: undefined,
} as const;
