// The bodies of the flow chart's names.
import { assign, setup } from 'xstate';
import type { TaskEmitted } from '../../src/emitted/emitted.ts';
import * as policy from '../attempt/policy.ts';
import { performed } from '../performed.ts';
import type { Decision } from '../session/events.ts';
import type { TaskFailure, TaskOutput } from '../task/events.ts';
import { answerOf } from '../task/rules.ts';
import { attemptActions, attemptGuards } from './attempts.ts';
import type { AggregateInput, FlowContext, FlowEvent, FlowInput, Step, StepResult, StepsInput } from './events.ts';
import {
  type Args,
  act,
  begun,
  changing,
  ended,
  isAtWork,
  nothingLeft,
  type Of,
  own,
  record,
  stepAtWork,
  stepOf,
} from './step.ts';

export const initialContext = ({ input }: { input: FlowInput }): FlowContext => {
  const { mode, on_failure, attempts, backoff_ms, aggregate } = input;
  const last = typeof aggregate === 'object' ? [{ ...aggregate, aggregates: true }] : [];
  const steps = [...input.steps, ...last].map((step) => ({
    ...step,
    state: 'waiting' as const,
    words: [],
    moves: 0,
    failures: 0,
    plan: policy.begin(),
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
const declared = ({ steps }: FlowContext): Step[] => steps.filter(({ aggregates }) => !aggregates);
const succeeded = (context: FlowContext): Step[] => declared(context).filter(({ state }) => state === 'done');

/** The steps that may go to work now: in a sequence the first that is not over, else all; the aggregating one after them. */
function nextSteps(context: FlowContext): Step[] {
  const left = declared(context).filter((step) => !isOver(step));
  const turn = context.mode === 'sequential' ? left.slice(0, 1) : left;
  const isLast = left.length === 0 && succeeded(context).length > 0;
  const last = isLast ? context.steps.filter(({ aggregates }) => aggregates) : [];
  return [...turn, ...last].filter(({ state }) => state === 'waiting');
}

const resultsOf = (context: FlowContext): StepResult[] =>
  declared(context)
    .filter(isOver)
    .map(({ id, agent, output, error }) => ({ step: id, agent, ...(error ? { error } : { output: output! }) }));

/** What the steps have come to so far. */
const aggregate = ({ context }: Args): AggregateInput => ({ words: context.words, results: resultsOf(context) });

export const inputs = {
  steps: (args: Args): StepsInput => ({ steps: args.context.steps.filter(isAtWork), ...aggregate(args) }),
  aggregate,
};

const failureOf = ({ id, agent, error }: Step): string =>
  `step "${id}" (agent "${agent}"): ${error!.code}: ${error!.message}`;

export const outputs = {
  answer: ({ context: { answer, usage } }: { context: FlowContext }): TaskOutput => answerOf(answer!, usage),
  failure: ({ context }: { context: FlowContext }): TaskFailure => {
    const failed = context.steps.filter(({ state }) => state === 'failed');
    const code = failed.length === declared(context).length ? 'all_steps_failed' : 'step_failed';
    return { type: 'failed', code, message: failed.map(failureOf).join('; '), retryable: false };
  },
  handover: ({ context }: { context: FlowContext }): TaskOutput => ({ type: 'handoff', ...context.handover! }),
};

/** The step that a question is about: the first that asks. */
const asking = ({ steps }: FlowContext): Step => steps.find(({ state }) => state === 'asking')!;

/** The step that asked has its answer, and waits to go on. */
const answering = (context: FlowContext, answer: Partial<Step>) => {
  const isIt = (step: Step) => step === asking(context);
  return changing(context.steps, isIt, () => ({ state: 'waiting', question: undefined, ...answer }));
};

const answers: Record<string, Decision['kind']> = { approval_required: 'approval', tool_required: 'tool' };

const joined = (steps: readonly Step[]): string => steps.map(({ output }) => output!).join('\n\n');

export const { createMachine } = setup({
  types: {
    context: {} as FlowContext,
    events: {} as FlowEvent,
    input: {} as FlowInput,
    output: {} as TaskOutput,
    emitted: {} as TaskEmitted,
    tags: {} as 'asks' | 'passing',
  },
  actors: {
    steps: performed<void, StepsInput>(),
    aggregate: performed<string, AggregateInput>(),
  },
  guards: {
    ...attemptGuards(policy),
    // No other step makes an answer of the results, so a flow ends when the one that aggregates fails.
    mustStop: ({ context }) =>
      context.steps.some(
        ({ state, aggregates }) => state === 'failed' && (context.on_failure === 'stop' || aggregates === true),
      ),
    stepsCanRun: ({ context }) => nextSteps(context).length > 0,
    stepAsks: ({ context }) => asking(context) !== undefined,
    nothingSucceeded: ({ context }) => succeeded(context).length === 0,
    functionAggregates: ({ context }) => context.aggregates,
    noneAtWork: ({ context }) => !context.steps.some(isAtWork),
    isAtWork: (args) => stepAtWork(args) !== undefined,
    isAnswer: ({ context, event }) => answers[context.question!.type] === (event as Of<'decided'>).decision.kind,
    asksForInput: ({ context }) => context.question!.type === 'input_required',
  },
  actions: {
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

    startSteps: act(({ context }) => {
      const next = nextSteps(context);
      const running = ({ from }: Step) => ({ state: 'running' as const, from: from ?? context.words.length });
      return {
        assign: { steps: changing(context.steps, (step) => next.includes(step), running) },
        emit: next.map(begun),
      };
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
    noteMissing: act(({ context: { steps } }) => {
      const error = { code: 'no_result', message: 'nothing came of this step' };
      return {
        assign: { steps: changing(steps, isAtWork, () => ({ ...nothingLeft, state: 'failed', error })) },
        emit: steps.filter(isAtWork).map((step) => ended(step, 0, error)),
      };
    }),
    handOver: act(({ context, event }) => {
      const { final_message, reason, told } = event as Of<'step.handed_over'>;
      return { assign: { handover: { final_message, reason } }, emit: own(stepOf({ context, event }), told) };
    }),

    ask: assign(({ context }) => ({ question: asking(context).question! })),
    recordDecision: assign(({ context, event }) => {
      const { decision } = event as Of<'decided'>;
      return { question: null, steps: answering(context, { decision }) };
    }),
    recordAnswer: assign(({ context, event }) => {
      const { input: words } = event as Of<'heard'>;
      const steps = answering(context, { words, answering: true });
      return { question: null, words: [...context.words, ...words], steps };
    }),

    /** Without a step that aggregates: the last result of a sequence, all results of those that ran at once. */
    conclude: assign(({ context }) => {
      const aggregated = context.steps.filter(({ aggregates }) => aggregates);
      const done = succeeded(context);
      if (aggregated.length > 0) return { answer: joined(aggregated) };
      return { answer: joined(context.mode === 'sequential' ? done.slice(-1) : done) };
    }),
    recordAnswerOfFunction: assign(({ event }) => ({ answer: (event as unknown as { output: string }).output })),
    tellFinished: act(({ context }) => {
      const results = resultsOf(context);
      const finished = {
        results: results.filter(({ error }) => error === undefined),
        failed: results.filter(({ error }) => error !== undefined),
        // Also of those that were never begun.
        success_rate: succeeded(context).length / declared(context).length,
      };
      return { emit: [{ type: 'flow_finished', ...finished }] };
    }),
  },
});
