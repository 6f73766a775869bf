// An attempt policy that may say anything, whatever happened before: what charts that follow the policy are explored over.
import type { Verdict } from '../../machines/attempt/events.ts';
import * as policy from '../../machines/attempt/policy.ts';
import type { Result } from '../../src/testing.ts';

/**
 * What it says stands in the failure. It keeps nothing, so a chart over it has few states; what holds for a chart over it holds
 * over every policy that keeps to the verdicts. Which verdicts the product's own policy gives, and when, are the facts beside this.
 */
export const anyPolicy: policy.Policy = {
  ...policy,
  fail: (plan) => plan,
  judge: (_, failure) => (failure as { verdict?: Verdict }).verdict ?? { type: 'give_up' },
  advance: (plan) => plan,
  transfer: (plan) => plan,
  giveBack: (plan) => plan,
  recover: (plan) => plan,
};

/** The guard of a limit over any policy: the event says whether it lets another one pass. */
export const allowed = ({ event }: { event: object }): boolean => (event as { allowed?: boolean }).allowed !== false;

const verdicts: Verdict[] = [
  { type: 'elsewhere' },
  { type: 'again', wait_ms: 1_000 },
  { type: 'give_back' },
  { type: 'next_agent' },
  { type: 'give_up' },
];

/** A failure with each verdict; nothing is given back that was not transferred. */
export const failures = (wasTransferred: boolean) =>
  verdicts
    .filter(({ type }) => type !== 'give_back' || wasTransferred)
    .map((verdict) => ({ error: { code: 'test', message: 'no', retryable: true, verdict } })) satisfies Result[];
