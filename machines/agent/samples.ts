// Examples for the chart of a registered agent.
import { byType, type Samples } from '../samples.ts';
import { agentEvent } from './events.ts';
import type { agentMachine } from './machine.ts';

export const agent = {
  events: byType(agentEvent),
  samples: { 'endpoints.counted': { available: 1, probing: 0, total: 2 } },
  outputs: {},
} satisfies Samples<typeof agentMachine>;
