// What the names in the budget's chart mean: its limits, what is counted, and when a limit is reached.

/** What may be spent in one window; what is not set is not limited. */
export interface BudgetLimits {
  readonly tokens?: number;
  readonly cost_usd?: number;
  readonly calls?: number;
  /** How long a window is, ms; it begins with the first spending. */
  readonly window_ms: number;
}

export interface Spending {
  readonly tokens: number;
  readonly cost_usd: number;
  readonly calls: number;
}

export interface BudgetContext extends Spending {
  readonly limits: BudgetLimits;
}

export type BudgetEvent = { readonly type: 'spend' } & Partial<Spending>;

interface Scope {
  readonly context: BudgetContext;
  readonly event: BudgetEvent;
}

const nothing: Spending = { tokens: 0, cost_usd: 0, calls: 0 };

export const begin = ({ input }: { input: BudgetLimits }): BudgetContext => ({ limits: input, ...nothing });

export const forget = () => nothing;

export const count = ({ context, event: { tokens = 0, cost_usd = 0, calls = 0 } }: Scope): Spending => ({
  tokens: context.tokens + tokens,
  cost_usd: context.cost_usd + cost_usd,
  calls: context.calls + calls,
});

export const reachesLimit = ({ context }: { context: BudgetContext }) => reached(context) !== undefined;

export const window = ({ context }: { context: BudgetContext }) => context.limits.window_ms;

const limited = ['tokens', 'cost_usd', 'calls'] as const;

/** The first limit that is reached. */
export const reached = ({ limits, ...spent }: BudgetContext): (typeof limited)[number] | undefined =>
  limited.find((name) => limits[name] !== undefined && spent[name] >= limits[name]);
