// The chart of a budget: fresh until something is spent, then counting for one window, and spent once a limit is reached.
import { createMachine, initialContext } from './rules.ts';

export const budgetMachine = createMachine({
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
