// Examples for the chart of a budget.
import { byType, type Samples } from '../samples.ts';
import { budgetEvent, budgetLimits } from './events.ts';
import type { budgetMachine } from './machine.ts';

export const budget = {
  events: byType(budgetEvent),
  input: budgetLimits,
  sample_input: { tokens: 10_000, window_ms: 3_600_000 },
  samples: { spend: { tokens: 4_000, calls: 1 } },
  outputs: {},
} satisfies Samples<typeof budgetMachine>;
