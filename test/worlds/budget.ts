// Everything that can happen to a budget of two calls.
import type { AnyMachineSnapshot } from 'xstate';
import type { BudgetContext } from '../../machines/budget/events.ts';
import type { budgetMachine } from '../../machines/budget/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

const LIMIT = 2;

export const budgetWorld = {
  input: { calls: LIMIT, window_ms: 1_000 },
  events: [{ type: 'spend', calls: 1 }],
  // What is spent beyond the limit only grows.
  serialize: ({ value, context }: AnyMachineSnapshot): unknown => [
    value,
    Math.min((context as BudgetContext).calls, LIMIT),
  ],
} satisfies ExploreOptions<typeof budgetMachine>;
