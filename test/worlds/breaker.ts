// Everything that can happen to a circuit breaker, as little of it as its guards can tell apart.
import type { AnyMachineSnapshot } from 'xstate';
import type { BreakerContext, BreakerEvent } from '../../machines/breaker/events.ts';
import type { breakerMachine } from '../../machines/breaker/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

export const breakerWorld = {
  input: { failure_threshold: 3, trial_calls: 2, slow_ms: 100, slow_sample: 3, slow_rate: 0.5, budget_usd: 2 },
  // Results of calls let through now and of one let through before the last opening; a call starts only where one may.
  events: (state: AnyMachineSnapshot): BreakerEvent[] => [
    ...(state.hasTag('admits') ? [{ type: 'call.started' } as const] : []),
    ...[state.context.opened, state.context.opened - 1].flatMap((admission): BreakerEvent[] => [
      { type: 'call.succeeded', admission, ms: 1 },
      { type: 'call.succeeded', admission, ms: 200, cost_usd: 1 },
      { type: 'call.failed', admission, code: 'x' },
      { type: 'call.abandoned', admission },
    ]),
  ],
  serialize: ({ value, context }: AnyMachineSnapshot): unknown => {
    const { opened: _, limits: __, ...counted } = context as BreakerContext;
    return [value, counted];
  },
} satisfies ExploreOptions<typeof breakerMachine>;
