// The bodies of the budget chart's names: the counts of spending, and when a limit is reached.
import { assign, setup } from 'xstate';
import type { BudgetContext, BudgetEvent, BudgetLimits, Spending } from './events.ts';

const nothing: Spending = { tokens: 0, cost_usd: 0, calls: 0 };
const limited = ['tokens', 'cost_usd', 'calls'] as const;

export const initialContext = ({ input }: { input: BudgetLimits }): BudgetContext => ({ limits: input, ...nothing });

/** The first limit that is reached. */
export const reached = ({ limits, ...spent }: BudgetContext): (typeof limited)[number] | undefined =>
  limited.find((name) => limits[name] !== undefined && spent[name] >= limits[name]);

export const { createMachine } = setup({
  types: { context: {} as BudgetContext, events: {} as BudgetEvent, input: {} as BudgetLimits, tags: {} as 'admits' },
  guards: { reachesLimit: ({ context }) => reached(context) !== undefined },
  actions: {
    forget: assign(nothing),
    count: assign(({ context, event: { tokens = 0, cost_usd = 0, calls = 0 } }) => ({
      tokens: context.tokens + tokens,
      cost_usd: context.cost_usd + cost_usd,
      calls: context.calls + calls,
    })),
  },
  delays: { window: ({ context }) => context.limits.window_ms },
});
