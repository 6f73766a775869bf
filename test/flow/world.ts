// Everything that can happen to a flow of two steps, as little of it as its guards can tell apart.
import type { AnyMachineSnapshot } from 'xstate';
import { attemptActions, attemptGuards } from '../../machines/flow/attempts.ts';
import type { FlowContext, FlowEvent, FlowInput, Step } from '../../machines/flow/events.ts';
import { flowMachine } from '../../machines/flow/machine.ts';
import { stepAtWork } from '../../machines/flow/step.ts';
import type { Decision } from '../../machines/session/events.ts';
import type { Question } from '../../machines/task/events.ts';
import type { TaskEmitted } from '../../src/emitted/emitted.ts';
import { explore, type Graph, type Result } from '../../src/testing/explore.ts';
import { allowed, anyPolicy, failures } from '../attempt/any-policy.ts';

export type Shape = Pick<FlowInput, 'mode' | 'on_failure' | 'aggregate'>;

export const shapes: Shape[] = (['sequential', 'parallel'] as const).flatMap((mode) =>
  (['stop', 'continue'] as const).flatMap((on_failure) => [
    { mode, on_failure },
    { mode, on_failure, aggregate: 'function' as const },
    { mode, on_failure, aggregate: { id: 'sum', agent: 'z' } },
  ]),
);

const steps = [
  { id: 'a', agent: 'x' },
  { id: 'b', agent: 'y' },
];

export const inputOf = (shape: Shape): FlowInput => ({ ...shape, steps, input: ['hello'] });

/** The flow's chart over any attempt policy; what else it is made of is its own. */
export const overAnyPolicy = () =>
  flowMachine.provide({
    actions: attemptActions(anyPolicy),
    guards: { ...attemptGuards(anyPolicy), transfersLeft: (args) => allowed(args) && stepAtWork(args) !== undefined },
  });

/** `change` is what a broken copy of the chart does otherwise. */
export const exploreFlow = (shape: Shape, change: object = {}): Graph =>
  explore(overAnyPolicy().provide(change), { input: inputOf(shape), limit: 20_000, ...world });

/** One of the steps asks all kinds of questions, another only one: that is enough for them to get in each other's way. */
const questions: Question[] = [
  { type: 'approval_required', action: 'pay', summary: 'pay?' },
  { type: 'tool_required', name: 'look', arguments: {} },
  { type: 'input_required', prompt: 'which?' },
];

const decisions: Decision[] = [
  { kind: 'approval', decision: 'approve', by: 'ann' },
  { kind: 'tool', result: 1 },
  { kind: 'transfer', to: 'v', error: 'busy' },
];

/** Of what an agent's own chart emits no more than the facts read. */
const told = [{ type: 'tool_called', call: 'c1' } as TaskEmitted];

function reportsOn(
  step: string,
  { agent, moves, failures: failed, back }: Pick<Step, 'agent' | 'moves' | 'failures' | 'back'>,
): FlowEvent[] {
  const mayMove = moves < 1 && step !== 'sum';
  const transferred = { type: 'step.transferred', step, agent: 'v', reason: 'knows more', task: 't0', ms: 1 } as const;
  const offered = failures(back !== undefined).filter(({ error: { verdict } }) => {
    if (verdict.type === 'next_agent') return mayMove;
    return failed < 1 || (verdict.type !== 'again' && verdict.type !== 'elsewhere');
  });
  return [
    { type: 'step.progressed', step, task: 't1', told },
    ...(mayMove ? [transferred] : []),
    Object.assign({ allowed: false }, transferred),
    ...offered.map(({ error }) => {
      const failure = { ...error, endpoint: 'x/1' };
      return {
        type: 'step.failed' as const,
        step,
        failure,
        chain: ['x', 'y', 'v', 'w'].filter((one) => one === agent || one === 'w'),
        at: 10,
        ms: 1,
      };
    }),
    { type: 'step.finished', step, output: `said by ${step}`, usage: { total_tokens: 1 }, ms: 1, told },
    ...(step === 'b' ? questions.slice(-1) : questions).map((question) => ({
      type: 'step.asked' as const,
      step,
      question,
      task: 't2',
      told,
    })),
    { type: 'step.handed_over', step, final_message: 'wait', reason: 'asked' },
  ];
}

function events({ context }: AnyMachineSnapshot): FlowEvent[] {
  const { steps, words, question } = context as FlowContext;
  const more = words.length < 2 || question?.type === 'input_required';
  return [
    ...steps.flatMap((step) => reportsOn(step.id, step)),
    ...reportsOn('wrong', { agent: 'x', moves: 0, failures: 0 }),
    ...decisions.map((decision) => ({ type: 'decided' as const, decision })),
    ...(more ? [{ type: 'heard' as const, input: ['and quickly'] }] : []),
  ];
}

const results: Record<string, Result[]> = { steps: [{ output: undefined }], aggregate: [{ output: 'in short' }] };

/** What guards read, and what a step at work goes on with. */
function serialize({ value, context }: AnyMachineSnapshot): unknown {
  const { steps, words, question } = context as FlowContext;
  return [
    value,
    question?.type,
    Math.min(words.length, 2),
    steps.map(({ state, agent, from, task, decision, question, answering, moves, failures, plan, back }) =>
      // Nobody reads what a step was before it was over.
      state === 'done' || state === 'failed'
        ? state
        : [
            state,
            agent,
            from === undefined,
            task,
            decision?.kind,
            question?.type,
            answering,
            Math.min(moves, 1),
            failures > 0,
            plan,
            back && [back.agent, back.task, back.answering],
          ],
    ),
  ];
}

export const world = { events, results, serialize };
