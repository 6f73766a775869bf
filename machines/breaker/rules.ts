// What the names in the breaker's chart mean: its limits, its counters, and when they are too many.

/** When a breaker opens and how it closes again. Times are in milliseconds. */
export interface BreakerLimits {
  /** Opens after so many failures in a row; 5 unless told. */
  readonly failure_threshold: number;
  /** How long it stays open before it lets a trial call through; 60,000 unless told. */
  readonly recovery_ms: number;
  /** How many trial calls may run at once while it is half open; 1 unless told. */
  readonly trial_calls: number;
  /** A trial that has not come back after so long counts as failed; 300,000 unless told. */
  readonly trial_ms: number;
  /** What is held against an endpoint is forgotten after so long, and budgets are per so long; 600,000 unless told. */
  readonly window_ms: number;
  /** A call that took at least so long was slow. Not set: no call is. */
  readonly slow_ms?: number;
  /** Slowness is judged over so many calls, beginning with a slow one; 20 unless told. */
  readonly slow_sample: number;
  /** Opens when at least this share of the sample was slow; 0.5 unless told. */
  readonly slow_rate: number;
  /** Opens for the rest of a window once its calls have cost so much, as they reported it. Not set: no limit. */
  readonly budget_usd?: number;
}

export const breakerDefaults: BreakerLimits = {
  failure_threshold: 5,
  recovery_ms: 60_000,
  trial_calls: 1,
  trial_ms: 300_000,
  window_ms: 600_000,
  slow_sample: 20,
  slow_rate: 0.5,
};

export interface BreakerContext {
  readonly limits: BreakerLimits;
  /** How often it has opened. A call is told this number when it is admitted and brings it back with its result. */
  readonly opened: number;
  /** Failures since the last success. */
  readonly failures: number;
  /** Calls since the sample began with a slow one, and how many of them were slow. */
  readonly sampled: number;
  readonly slow: number;
  readonly cost_usd: number;
  /** Trial calls running; only while half open. */
  readonly trials: number;
}

/**
 * `admission` is `context.opened` as it was when the call was let through.
 * A failure that says nothing about the endpoint's health (the agent refused the request) is told as `call.abandoned`.
 */
export type BreakerEvent =
  | { readonly type: 'call.started' }
  | { readonly type: 'call.succeeded'; readonly admission: number; readonly ms: number; readonly cost_usd?: number }
  | { readonly type: 'call.failed'; readonly admission: number; readonly code: string }
  | { readonly type: 'call.abandoned'; readonly admission: number };

interface Scope {
  readonly context: BreakerContext;
  readonly event: BreakerEvent;
}

const nothing = { failures: 0, sampled: 0, slow: 0, cost_usd: 0, trials: 0 };

export const begin = ({ input }: { input: Partial<BreakerLimits> }): BreakerContext => ({
  limits: { ...breakerDefaults, ...input },
  opened: 0,
  ...nothing,
});

export const forget = () => nothing;

// Calls that were let through before the breaker last opened say nothing new: it has opened on their account already.
export const isCurrent = ({ context, event }: Scope) =>
  event.type !== 'call.started' && event.admission === context.opened;

const slow = (limits: BreakerLimits, ms: number) => limits.slow_ms !== undefined && ms >= limits.slow_ms;

export const countSuccess = ({ context, event }: Scope) => {
  if (event.type !== 'call.succeeded') return {};
  const { limits } = context;
  const wasSlow = slow(limits, event.ms);
  // A full sample that did not trip is forgiven; the next one begins with the next slow call.
  const previous = context.sampled < limits.slow_sample ? context : nothing;
  const sampling = wasSlow || previous.sampled > 0;
  return {
    failures: 0,
    sampled: sampling ? previous.sampled + 1 : 0,
    slow: previous.slow + (wasSlow ? 1 : 0),
    cost_usd: context.cost_usd + (limits.budget_usd === undefined ? 0 : (event.cost_usd ?? 0)),
  };
};

export const countFailure = ({ context }: Scope) => ({ failures: context.failures + 1 });
export const countOpening = ({ context }: Scope) => ({ opened: context.opened + 1, trials: 0 });
export const countTrial = ({ context }: Scope) => ({ trials: context.trials + 1 });
export const freeTrial = ({ context }: Scope) => ({ trials: Math.max(0, context.trials - 1) });

export const failedTooOften = ({ context }: Scope) => context.failures >= context.limits.failure_threshold;
export const slowTooOften = ({ context: { limits, sampled, slow } }: Scope) =>
  sampled >= limits.slow_sample && slow >= limits.slow_rate * sampled;
export const spentTooMuch = ({ context: { limits, cost_usd } }: Scope) =>
  limits.budget_usd !== undefined && cost_usd >= limits.budget_usd;

export const hasCounted = ({ context }: Scope) => context.failures + context.sampled + context.cost_usd > 0;
export const hasForgiven = (scope: Scope) => !hasCounted(scope);
export const allTrialsRun = ({ context }: Scope) => context.trials >= context.limits.trial_calls;
export const hasTrialFree = (scope: Scope) => !allTrialsRun(scope);
export const trialWasSlow = (scope: Scope) =>
  isCurrent(scope) && scope.event.type === 'call.succeeded' && slow(scope.context.limits, scope.event.ms);

export const window = ({ context }: Scope) => context.limits.window_ms;
export const trial = ({ context }: Scope) => context.limits.trial_ms;
export const recovery = ({ context }: Scope) => recoveryTime(context);

/** Milliseconds that it stays open. A budget is per window: half opening sooner would spend it over and over. */
export const recoveryTime = ({ limits, cost_usd }: BreakerContext) =>
  limits.budget_usd !== undefined && cost_usd >= limits.budget_usd ? limits.window_ms : limits.recovery_ms;

/** Whether telling a breaker of a success could change anything: not while nothing is held against the endpoint. */
export const wouldCount = (context: BreakerContext, ms: number, cost_usd: number | undefined) =>
  context.failures + context.sampled > 0 ||
  slow(context.limits, ms) ||
  (context.limits.budget_usd !== undefined && cost_usd !== undefined);
