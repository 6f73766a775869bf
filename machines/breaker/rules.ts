// The bodies of the breaker chart's names: its counters, and when they are too many.
import { assertEvent, assign, setup } from 'xstate';
import { type BreakerContext, type BreakerEvent, type BreakerInput, breakerLimits } from './events.ts';

type Args = { context: BreakerContext; event: BreakerEvent };

const nothing = { failures: 0, sampled: 0, slow: 0, cost_usd: 0, trials: 0 };

export const initialContext = ({ input }: { input: BreakerInput }): BreakerContext => ({
  limits: breakerLimits.parse(input),
  opened: 0,
  ...nothing,
});

const isSlow = ({ slow_ms }: BreakerContext['limits'], ms: number) => slow_ms !== undefined && ms >= slow_ms;
const isSpent = ({ limits: { budget_usd }, cost_usd }: BreakerContext) =>
  budget_usd !== undefined && cost_usd >= budget_usd;
const hasCounted = ({ context: { failures, sampled, cost_usd } }: Args) => failures + sampled + cost_usd > 0;
const allTrialsRun = ({ context: { trials, limits } }: Args) => trials >= limits.trial_calls;
// Calls that were let through before the breaker last opened say nothing new: it has opened on their account already.
const isCurrent = ({ context, event }: Args) => event.type !== 'call.started' && event.admission === context.opened;

/** Milliseconds that it stays open. A budget is per window: half opening sooner would spend it over and over. */
export const recoveryTime = (context: BreakerContext) =>
  isSpent(context) ? context.limits.window_ms : context.limits.recovery_ms;

/** Whether telling a breaker of a success could change anything: not while nothing is held against the endpoint. */
export const wouldCount = ({ failures, sampled, limits }: BreakerContext, ms: number, cost_usd: number | undefined) =>
  failures + sampled > 0 || isSlow(limits, ms) || (limits.budget_usd !== undefined && cost_usd !== undefined);

export const { createMachine } = setup({
  types: { context: {} as BreakerContext, events: {} as BreakerEvent, input: {} as BreakerInput, tags: {} as 'admits' },
  guards: {
    isCurrent,
    failedTooOften: ({ context: { failures, limits } }) => failures >= limits.failure_threshold,
    slowTooOften: ({ context: { limits, sampled, slow } }) =>
      sampled >= limits.slow_sample && slow >= limits.slow_rate * sampled,
    spentTooMuch: ({ context }) => isSpent(context),
    hasCounted,
    hasForgiven: (args) => !hasCounted(args),
    allTrialsRun,
    hasTrialFree: (args) => !allTrialsRun(args),
    trialWasSlow: ({ context, event }) =>
      isCurrent({ context, event }) && event.type === 'call.succeeded' && isSlow(context.limits, event.ms),
  },
  actions: {
    forget: assign(nothing),
    countSuccess: assign(({ context, event }) => {
      assertEvent(event, 'call.succeeded');
      const { limits } = context;
      const wasSlow = isSlow(limits, event.ms);
      // A full sample that did not trip is forgiven; the next one begins with the next slow call.
      const previous = context.sampled < limits.slow_sample ? context : nothing;
      const sampling = wasSlow || previous.sampled > 0;
      return {
        failures: 0,
        sampled: sampling ? previous.sampled + 1 : 0,
        slow: previous.slow + (wasSlow ? 1 : 0),
        cost_usd: context.cost_usd + (limits.budget_usd === undefined ? 0 : (event.cost_usd ?? 0)),
      };
    }),
    countFailure: assign(({ context }) => ({ failures: context.failures + 1 })),
    countOpening: assign(({ context }) => ({ opened: context.opened + 1, trials: 0 })),
    countTrial: assign(({ context }) => ({ trials: context.trials + 1 })),
    freeTrial: assign(({ context }) => ({ trials: Math.max(0, context.trials - 1) })),
  },
  delays: {
    window: ({ context }) => context.limits.window_ms,
    recovery: ({ context }) => recoveryTime(context),
    trial: ({ context }) => context.limits.trial_ms,
  },
});
