// The bodies of the flow chart's names that are about attempts. What follows from a failure is the policy's to say.
import type { Plan, Verdict } from '../attempt/events.ts';
import { LONGEST_BACKOFF, type Policy, verdictGuards } from '../attempt/policy.ts';
import type { FlowContext, Step } from './events.ts';
import { type Args, ended, moved, nothingLeft, type Of, record, stepAtWork } from './step.ts';

/** Attempts of an agent, and the first wait between them, ms, unless the flow says otherwise. */
const ATTEMPTS = 3;
const BACKOFF_MS = 500;
/** How often a step may be given from one agent to another. */
const TRANSFERS = 8;

type Failed = Of<'step.failed'>;

/** The plan of a step whose attempt failed: an agent that the step was transferred to has no place in the chain, and none after it. */
const planOf = ({ plan, agent }: Step, { chain }: Failed): Plan => ({
  ...plan,
  next: chain.includes(agent) ? chain.slice(chain.indexOf(agent) + 1) : [],
});

const verdictOf = (policy: Policy, context: FlowContext, event: Failed, step: Step): Verdict => {
  const { attempts = ATTEMPTS, backoff_ms = BACKOFF_MS } = context;
  const { failure } = event;
  return policy.judge(policy.fail(planOf(step, event), failure), failure, {
    attempts,
    backoff_ms,
    longest_ms: LONGEST_BACKOFF,
  });
};

const errorOf = ({ failure: { code, message } }: Failed) => ({ code, message });
const reasonOf = ({ failure: { code, message } }: Failed): string => `${code}: ${message}`;
const tooMany = { code: 'too_many_transfers', message: `it went from agent to agent ${TRANSFERS} times` };

/** Another agent begins with all that was said since the step began. */
const afresh = ({ moves, from }: Step, { words }: FlowContext) => ({
  ...nothingLeft,
  failures: 0,
  moves: moves + 1,
  words: words.slice(from),
  answering: undefined,
});

export const attemptGuards = (policy: Policy) => ({
  ...verdictGuards(({ context, event }: Args) => {
    const step = stepAtWork({ context, event });
    return step && verdictOf(policy, context, event as Failed, step);
  }),
  transfersLeft: (args: Args) => {
    const step = stepAtWork(args);
    return step !== undefined && policy.mayTransfer(step.plan, TRANSFERS);
  },
});

export const attemptActions = (policy: Policy) => ({
  // An agent that got on has seen what was decided.
  recordProgress: record<'step.progressed'>(({ task }, { plan }) => ({
    task,
    plan: policy.progress(plan),
    decision: undefined,
    not_before: undefined,
  })),
  countFailure: record<'step.failed'>(
    (event, step, context) => {
      const verdict = verdictOf(policy, context, event, step);
      const not_before = verdict.type === 'again' ? event.at + verdict.wait_ms : undefined;
      return { failures: step.failures + 1, plan: policy.fail(step.plan, event.failure), not_before };
    },
    (event, { id: step, agent }) => [
      { type: 'step_retried', step, agent, endpoint: event.failure.endpoint, ...errorOf(event) },
    ],
  ),
  nextAgent: record<'step.failed'>(
    (event, step, context) => {
      const plan = planOf(step, event);
      return { ...afresh(step, context), agent: plan.next[0]!, plan: policy.advance(plan) };
    },
    (event, step) => [moved(step, planOf(step, event).next[0]!, `${step.agent}: ${reasonOf(event)}`)],
  ),
  transfer: record<'step.transferred'>(
    ({ agent, reason, task }, step, context) => ({
      ...afresh(step, context),
      agent,
      plan: policy.transfer(step.plan),
      back: { agent: step.agent, reason, task, words: step.words, answering: step.answering },
    }),
    ({ agent, reason }, step) => [moved(step, agent, reason)],
  ),
  /** The other agent cannot: the step goes back to the one that gave it away, which sees why. */
  undoTransfer: record<'step.failed'>(
    (event, step, context) => {
      const { agent, task, words, answering } = step.back!;
      const decision = { kind: 'transfer' as const, to: step.agent, error: reasonOf(event) };
      return { ...afresh(step, context), plan: policy.giveBack(step.plan), agent, task, words, answering, decision };
    },
    (event, step) => [moved(step, step.back!.agent, reasonOf(event))],
  ),
  failTransfer: record<'step.transferred'>(
    () => ({ ...nothingLeft, state: 'failed', error: tooMany }),
    ({ ms }, step) => [ended(step, ms, tooMany)],
  ),
  recordFailure: record<'step.failed'>(
    (event) => ({ ...nothingLeft, state: 'failed', error: errorOf(event) }),
    (event, step) => [ended(step, event.ms, errorOf(event))],
  ),
});
