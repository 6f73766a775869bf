// How much may be spent on models, and by whom: the schema of budgets.
import { z } from 'zod';

/** So much per window. Whichever is reached first ends the spending until the window is over. */
export const budget = z
  .strictObject({
    tokens: z.int().positive().optional(),
    cost_usd: z.number().positive().optional(),
    calls: z.int().positive().optional(),
    /** How long a window is, s; it begins with the first call. An hour unless told. */
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

/** What a user's level may say: of what is shared with others, it may not. */
export const userBudgets = budgets.pick({ session: true, user: true });
