// Examples for the chart of an endpoint.
import { byType, type Samples } from '../samples.ts';
import { endpointEvent, endpointInput } from './events.ts';
import type { endpointMachine } from './machine.ts';

export const endpoint = {
  events: byType(endpointEvent),
  input: endpointInput,
  sample_input: { watched: true, capacity: 2 },
  samples: {
    'call.started': { in_flight: 1 },
    'call.ended': { in_flight: 0, ok: true },
    heartbeat: { in_flight: 0, capacity: 2, interval_s: 30 },
  },
  outputs: {},
} satisfies Samples<typeof endpointMachine>;
