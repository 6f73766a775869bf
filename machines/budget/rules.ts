// The bodies of the budget chart's names: what is counted, and when a limit is reached.
import { setup } from 'xstate';
import type { BudgetContext, BudgetEvent, BudgetLimits, Spending } from './events.ts';

type Args = { context: BudgetContext };

const { assign } = setup({ types: { context: {} as BudgetContext, events: {} as BudgetEvent } });

const nothing: Spending = { tokens: 0, cost_usd: 0, calls: 0 };

export const initialContext = ({ input }: { input: BudgetLimits }): BudgetContext => ({ limits: input, ...nothing });

export const guards = { reachesLimit: ({ context }: Args) => reached(context) !== undefined };

export const actions = {
  forget: assign(nothing),
  count: assign(({ context, event: { tokens = 0, cost_usd = 0, calls = 0 } }) => ({
    tokens: context.tokens + tokens,
    cost_usd: context.cost_usd + cost_usd,
    calls: context.calls + calls,
  })),
};

export const delays = { window: ({ context }: Args) => context.limits.window_ms };

const limited = ['tokens', 'cost_usd', 'calls'] as const;

/** The first limit that is reached. */
export const reached = ({ limits, ...spent }: BudgetContext): (typeof limited)[number] | undefined =>
  limited.find((name) => limits[name] !== undefined && spent[name] >= limits[name]);
