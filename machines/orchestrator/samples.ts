// Examples for the chart of a node.
import { byType, type Samples } from '../samples.ts';
import { orchestratorEvent, orchestratorLimits } from './events.ts';
import type { orchestratorMachine } from './machine.ts';

export const orchestrator = {
  events: byType(orchestratorEvent),
  input: orchestratorLimits.optional(),
  samples: {
    'journal.failed': { reason: 'the disk is full' },
    'join.failed': { reason: 'no server answers' },
  },
  outputs: {},
} satisfies Samples<typeof orchestratorMachine>;
