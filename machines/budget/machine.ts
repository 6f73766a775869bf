// The chart of a budget: fresh until something is spent, then counting for one window, and spent once a limit is reached.
import { assign, setup } from 'xstate';
import * as rules from './rules.ts';

export const budgetMachine = setup({
  types: {
    context: {} as rules.BudgetContext,
    events: {} as rules.BudgetEvent,
    input: {} as rules.BudgetLimits,
    tags: {} as 'admits',
  },
  guards: { reachesLimit: rules.reachesLimit },
  actions: { forget: assign(rules.forget), count: assign(rules.count) },
  delays: { window: rules.window },
}).createMachine({
  id: 'budget',
  version: '1',
  context: rules.begin,
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
