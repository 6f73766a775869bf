// The chart of a budget: fresh until something is spent, then counting for one window, and spent once a limit is reached.
import { setup } from 'xstate';
import type { BudgetContext, BudgetEvent, BudgetLimits } from './events.ts';
import { actions, delays, guards, initialContext } from './rules.ts';

export const budgetMachine = setup({
  types: { context: {} as BudgetContext, events: {} as BudgetEvent, input: {} as BudgetLimits, tags: {} as 'admits' },
  guards,
  actions,
  delays,
}).createMachine({
  id: 'budget',
  version: '1',
  context: initialContext,
  initial: 'fresh',
  states: {
    fresh: {
      tags: 'admits',
      entry: 'forget',
      on: { spend: { target: 'counting', actions: 'count' } },
    },
    counting: {
      initial: 'within',
      // Calls that were let through before the limit was reached still tell what they cost.
      on: { spend: { actions: 'count' } },
      after: { window: 'fresh' },
      states: {
        within: { tags: 'admits', always: { guard: 'reachesLimit', target: 'spent' } },
        spent: {},
      },
    },
  },
});
