// The attempt policy: what follows from a failed attempt, for every chart that tries agents. Decided here and nowhere else.
import type { Failure, Limits, Plan, Verdict } from './events.ts';

/** The longest wait between two attempts in a conversation, ms. */
export const LONGEST_BACKOFF = 30_000;

/** Why an attempt failed. An event without an error is a time-out: nothing is known of what was done, so another try may help. */
export const failureOf = (event: unknown, timeout: string): Failure =>
  (event as { error?: Failure }).error ?? { code: 'timeout', message: timeout, retryable: true };

/** Before the first attempt; `next` are the agents to try when the first has failed for good. */
export const begin = (next: readonly string[] = []): Plan => ({
  failures: 0,
  tried: [],
  next,
  recoveries: 0,
  transfers: 0,
});

/** Counts anew: the user, a person or the agent that got the work back has changed what the attempts are about. */
export const startOver = (plan: Plan): Plan => ({ ...plan, failures: 0, tried: [] });

/** The agent got so far that it need not do it again. */
export const progress = (plan: Plan): Plan => ({ ...startOver(plan), recoveries: 0 });

/** An attempt failed; `judge` then says what follows. */
export const fail = (plan: Plan, { endpoint }: Pick<Failure, 'endpoint'>): Plan => ({
  ...plan,
  failures: plan.failures + 1,
  tried: endpoint === undefined || plan.tried.includes(endpoint) ? plan.tried : [...plan.tried, endpoint],
});

/**
 * Another instance, another try, the agent that gave the work away, another agent, or nothing more. `failures` counts this one.
 * An agent that is out is not waited for where another could go on.
 */
export function judge(
  { failures, next, back }: Pick<Plan, 'failures' | 'next' | 'back'>,
  failure: Pick<Failure, 'code' | 'retryable' | 'final' | 'alternatives' | 'retry_after_s' | 'jitter'>,
  limits: Limits,
): Verdict {
  const { code, retryable, final, alternatives = 0 } = failure;
  if (final) return { type: 'give_up' };
  const other = back ? 'give_back' : next.length > 0 ? 'next_agent' : undefined;
  if (retryable && alternatives > 0) return { type: 'elsewhere' };
  const isOut = code === 'no_agent_available' && other !== undefined;
  if (retryable && !isOut && failures < limits.attempts)
    return { type: 'again', wait_ms: waitBefore(failures, failure, limits) };
  return { type: other ?? 'give_up' };
}

/** Doubles with every failure; jitter takes up to half of it away; never shorter than the endpoint asked for. */
function waitBefore(
  failures: number,
  { jitter = 0, retry_after_s = 0 }: Pick<Failure, 'jitter' | 'retry_after_s'>,
  { backoff_ms, longest_ms }: Limits,
): number {
  const backoff = Math.min(longest_ms, backoff_ms * 2 ** (failures - 1));
  return Math.max(retry_after_s * 1_000, Math.round(backoff * (1 - jitter / 2)));
}

/** The first of `next` goes on. */
export const advance = (plan: Plan): Plan => ({ ...startOver(plan), next: plan.next.slice(1), back: undefined });

export const mayTransfer = ({ transfers }: Plan, most: number): boolean => transfers < most;

/** The agent gave the work to another one, which has no fallback but that agent. */
export const transfer = (plan: Plan): Plan => ({
  ...startOver(plan),
  next: [],
  transfers: plan.transfers + 1,
  back: plan.next,
});

/** The other agent has come to something: the work stays there. */
export const settle = (plan: Plan): Plan => ({ ...plan, back: undefined });

/** The work is back where it was transferred from. */
export const giveBack = (plan: Plan): Plan => ({ ...startOver(plan), next: plan.back ?? [], back: undefined });

/** The process that performed the attempt died; it is performed again under the same key. */
export const recover = (plan: Plan): Plan => ({ ...plan, recoveries: plan.recoveries + 1 });

export const mayRecover = ({ recoveries }: Pick<Plan, 'recoveries'>, most: number): boolean => recoveries < most;

/** The guards of a chart that asks what the policy has said. */
export const verdictGuards = <A>(verdictOf: (args: A) => Verdict | undefined) => ({
  triesElsewhere: (args: A) => verdictOf(args)?.type === 'elsewhere',
  triesAgain: (args: A) => verdictOf(args)?.type === 'again',
  givesBack: (args: A) => verdictOf(args)?.type === 'give_back',
  triesNextAgent: (args: A) => verdictOf(args)?.type === 'next_agent',
});

/** These functions. What charts do with them is explored over others that may say anything. */
export type Policy = typeof import('./policy.ts');
