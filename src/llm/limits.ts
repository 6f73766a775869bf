// The schema of budgets: limits of spending on models, by scope.
import { z } from 'zod';

/** Limits per window. The first one reached ends the spending until the window is over. */
export const budget = z
  .strictObject({
    tokens: z.int().positive().optional(),
    cost_usd: z.number().positive().optional(),
    calls: z.int().positive().optional(),
    /** Length of a window, s; it begins with the first call. Default one hour. */
    window_s: z.number().positive().optional(),
  })
  .refine(
    ({ tokens, cost_usd, calls }) => (tokens ?? cost_usd ?? calls) !== undefined,
    'must limit tokens, cost_usd or calls',
  );
export type Budget = z.infer<typeof budget>;

/** A budget for each session, each user and each agent of a tenant, and one for the tenant as a whole. */
export const budgets = z.strictObject({
  session: budget.optional(),
  user: budget.optional(),
  agent: budget.optional(),
  tenant: budget.optional(),
});
export type Budgets = z.infer<typeof budgets>;

/** The budgets that a user's level may set: not those that users share. */
export const userBudgets = budgets.pick({ session: true, user: true });
