// The bodies of the flow chart's names.
import * as policy from '../attempt/policy.ts';
import type { Decision } from '../session/events.ts';
import type { TaskFailure, TaskOutput } from '../task/events.ts';
import { known } from '../task/rules.ts';
import { attemptActions, attemptGuards } from './attempts.ts';
import type { AggregateInput, FlowContext, FlowInput, Step, StepResult, StepsInput } from './events.ts';
import {
  type Args,
  assign,
  changing,
  emitOwn,
  ended,
  enqueueActions,
  isAtWork,
  nothingLeft,
  type Of,
  record,
  type StepEvent,
} from './step.ts';

export const initialContext = ({ input }: { input: FlowInput }): FlowContext => {
  const { mode, on_failure, attempts, backoff_ms, aggregate } = input;
  const last = typeof aggregate === 'object' ? [{ ...aggregate, aggregates: true }] : [];
  const steps = [...input.steps, ...last].map(({ fallbacks, ...step }) => ({
    ...step,
    state: 'waiting' as const,
    words: [],
    moves: 0,
    failures: 0,
    plan: policy.begin(fallbacks),
  }));
  return {
    mode,
    on_failure,
    attempts,
    backoff_ms,
    aggregates: aggregate === 'function',
    words: [...input.input],
    steps,
    question: null,
    answer: null,
    handover: null,
    usage: {},
  };
};

const isOver = ({ state }: Step): boolean => state === 'done' || state === 'failed';
/** The steps themselves, without the one that makes an answer of their results. */
const own = ({ steps }: FlowContext): Step[] => steps.filter(({ aggregates }) => !aggregates);
const succeeded = (context: FlowContext): Step[] => own(context).filter(({ state }) => state === 'done');

/** The steps that may go to work now: in a sequence the first that is not over, else all; the aggregating one after them. */
function nextSteps(context: FlowContext): Step[] {
  const left = own(context).filter((step) => !isOver(step));
  const turn = context.mode === 'sequential' ? left.slice(0, 1) : left;
  const isLast = left.length === 0 && succeeded(context).length > 0;
  const last = isLast ? context.steps.filter(({ aggregates }) => aggregates) : [];
  return [...turn, ...last].filter(({ state }) => state === 'waiting');
}

const resultsOf = (context: FlowContext): StepResult[] =>
  own(context)
    .filter(isOver)
    .map(({ id, agent, output, error }) => ({ step: id, agent, ...(error ? { error } : { output: output! }) }));

export const inputs = {
  steps: ({ context }: { context: FlowContext }): StepsInput => ({
    steps: context.steps.filter(isAtWork),
    words: context.words,
    results: resultsOf(context),
  }),
  aggregate: ({ context }: { context: FlowContext }): AggregateInput => ({
    words: context.words,
    results: resultsOf(context),
  }),
};

const failureOf = ({ id, agent, error }: Step): string =>
  `step "${id}" (agent "${agent}"): ${error!.code}: ${error!.message}`;

export const outputs = {
  answer: ({ context }: { context: FlowContext }): TaskOutput => ({
    type: 'answer',
    final_message: context.answer!,
    ...known(context.usage),
  }),
  failure: ({ context }: { context: FlowContext }): TaskFailure => {
    const failed = context.steps.filter(({ state }) => state === 'failed');
    const code = failed.length === own(context).length ? 'all_steps_failed' : 'step_failed';
    return { type: 'failed', code, message: failed.map(failureOf).join('; '), retryable: false };
  },
  handover: ({ context }: { context: FlowContext }): TaskOutput => ({ type: 'handoff', ...context.handover! }),
};

/** The output of the chart is that of its final state. */
export const outcome = ({ event }: { event: unknown }): TaskOutput => (event as { output: TaskOutput }).output;

/** The step that a question is about: the first that asks. */
const asking = ({ steps }: FlowContext): Step => steps.find(({ state }) => state === 'asking')!;

const answers: Record<string, Decision['kind']> = { approval_required: 'approval', tool_required: 'tool' };

export const guards = {
  ...attemptGuards(policy),
  // Nobody else makes an answer of the results, so a flow ends with whoever should have.
  mustStop: ({ context }: Args) =>
    context.steps.some(
      ({ state, aggregates }) => state === 'failed' && (context.on_failure === 'stop' || aggregates === true),
    ),
  stepsCanRun: ({ context }: Args) => nextSteps(context).length > 0,
  stepAsks: ({ context }: Args) => asking(context) !== undefined,
  nothingSucceeded: ({ context }: Args) => succeeded(context).length === 0,
  functionAggregates: ({ context }: Args) => context.aggregates,
  noneAtWork: ({ context }: Args) => !context.steps.some(isAtWork),
  isAtWork: ({ context, event }: Args) =>
    context.steps.some((step) => isAtWork(step) && step.id === (event as StepEvent).step),
  isAnswer: ({ context, event }: Args) => answers[context.question!.type] === (event as Of<'decided'>).decision.kind,
  asksForInput: ({ context }: Args) => context.question!.type === 'input_required',
};

const joined = (steps: readonly Step[]): string => steps.map(({ output }) => output!).join('\n\n');

export const actions = {
  ...attemptActions(policy),

  hear: assign(({ context, event }) => {
    const { input } = event as Of<'heard'>;
    const hasBegun = (step: Step) => step.from !== undefined && !isOver(step);
    return {
      words: [...context.words, ...input],
      steps: changing(context.steps, hasBegun, ({ words, back }) => ({
        words: [...words, ...input],
        back: back && { ...back, words: [...back.words, ...input] },
      })),
    };
  }),

  startSteps: enqueueActions(({ context, enqueue }) => {
    const next = nextSteps(context);
    const steps = changing(
      context.steps,
      (step) => next.includes(step),
      ({ from }) => ({ state: 'running' as const, from: from ?? context.words.length }),
    );
    enqueue.assign({ steps });
    for (const { id, agent, from } of next)
      enqueue.emit({ type: from === undefined ? 'step_started' : 'step_resumed', step: id, agent });
  }),
  recordResult: record<'step.finished'>(
    ({ output }) => ({ ...nothingLeft, state: 'done', output }),
    ({ ms }, step) => [ended(step, ms)],
  ),
  recordQuestion: record<'step.asked'>(({ question, task }, { plan }) => ({
    state: 'asking',
    question,
    task,
    decision: undefined,
    not_before: undefined,
    plan: policy.startOver(plan),
  })),
  /** Each step is reported on; one that was forgotten must not be performed for ever. */
  noteMissing: enqueueActions(({ context, enqueue }) => {
    const error = { code: 'no_result', message: 'nothing came of this step' };
    enqueue.assign({
      steps: changing(context.steps, isAtWork, () => ({ ...nothingLeft, state: 'failed' as const, error })),
    });
    for (const step of context.steps.filter(isAtWork)) enqueue.emit(ended(step, 0, error));
  }),
  handOver: enqueueActions(({ context, event, enqueue }) => {
    const { step: id, final_message, reason, told } = event as Of<'step.handed_over'>;
    emitOwn(context.steps.find((step) => step.id === id)!, told, enqueue.emit);
    enqueue.assign({ handover: { final_message, reason } });
  }),

  ask: assign(({ context }) => ({ question: asking(context).question! })),
  recordDecision: assign(({ context, event }) => ({
    question: null,
    steps: changing(
      context.steps,
      (step) => step === asking(context),
      () => ({ state: 'waiting' as const, question: undefined, decision: (event as Of<'decided'>).decision }),
    ),
  })),
  recordAnswer: assign(({ context, event }) => {
    const { input } = event as Of<'heard'>;
    return {
      question: null,
      words: [...context.words, ...input],
      steps: changing(
        context.steps,
        (step) => step === asking(context),
        () => ({ state: 'waiting' as const, question: undefined, words: input, answering: true }),
      ),
    };
  }),

  /** Without anybody who aggregates: the last result of a sequence, all results of those that ran at once. */
  conclude: assign(({ context }) => {
    const aggregated = context.steps.filter(({ aggregates }) => aggregates);
    const done = succeeded(context);
    if (aggregated.length > 0) return { answer: joined(aggregated) };
    return { answer: joined(context.mode === 'sequential' ? done.slice(-1) : done) };
  }),
  recordAnswerOfFunction: assign(({ event }) => ({ answer: (event as unknown as { output: string }).output })),
  tellFinished: enqueueActions(({ context, enqueue }) => {
    const results = resultsOf(context);
    enqueue.emit({
      type: 'flow_finished',
      results: results.filter(({ error }) => error === undefined),
      failed: results.filter(({ error }) => error !== undefined),
      // Also of those that were never begun.
      success_rate: succeeded(context).length / own(context).length,
    });
  }),
};
