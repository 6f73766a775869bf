// Examples for the chart of a circuit breaker.
import { byType, type Samples } from '../samples.ts';
import { breakerEvent, breakerLimits } from './events.ts';
import type { breakerMachine } from './machine.ts';

export const breaker = {
  events: byType(breakerEvent),
  input: breakerLimits,
  sample_input: breakerLimits.parse({}),
  samples: {
    'call.succeeded': { admission: 0, ms: 120 },
    'call.failed': { admission: 0, code: 'unreachable' },
    'call.abandoned': { admission: 0 },
  },
  outputs: {},
} satisfies Samples<typeof breakerMachine>;
