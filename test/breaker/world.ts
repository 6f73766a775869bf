// Everything that can happen to a breaker, with small limits so that each is met.
import type { SnapshotFrom } from 'xstate';
import type { breakerMachine } from '../../machines/breaker/machine.ts';
import type { BreakerEvent } from '../../machines/breaker/rules.ts';

type State = SnapshotFrom<typeof breakerMachine>;

export const input = {
  failure_threshold: 3,
  trial_calls: 2,
  slow_ms: 100,
  slow_sample: 3,
  slow_rate: 0.5,
  budget_usd: 2,
};

/** The context without what only ever grows. */
export const seen = ({ context: { opened: _, limits: __, ...counted } }: State) => counted;

/** Results of calls let through now and of one let through before the last opening; a call starts only where one may. */
export const events = (state: State): BreakerEvent[] => [
  ...(state.hasTag('admits') ? [{ type: 'call.started' } as const] : []),
  ...[state.context.opened, state.context.opened - 1].flatMap((admission): BreakerEvent[] => [
    { type: 'call.succeeded', admission, ms: 1 },
    { type: 'call.succeeded', admission, ms: 200, cost_usd: 1 },
    { type: 'call.failed', admission, code: 'x' },
    { type: 'call.abandoned', admission },
  ]),
];
