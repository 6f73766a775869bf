// What can happen to a budget: the schemas of its limits, its events and its context; the types follow from them.
import { z } from 'zod';

export const spending = z.object({ tokens: z.int().min(0), cost_usd: z.number().min(0), calls: z.int().min(0) });
export type Spending = z.infer<typeof spending>;

/** What may be spent in one window; a member that is not set is not limited. */
export const budgetLimits = spending.partial().extend({
  /** How long a window is, ms; it begins with the first spending. */
  window_ms: z.number().min(0),
});
export type BudgetLimits = z.infer<typeof budgetLimits>;

export const budgetContext = spending.extend({ limits: budgetLimits });
export type BudgetContext = z.infer<typeof budgetContext>;

export const budgetEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('spend'), ...spending.partial().shape }),
]);
export type BudgetEvent = z.infer<typeof budgetEvent>;
