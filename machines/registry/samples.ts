// Examples for the chart of a tenant's registered agents.
import { byType, type Samples } from '../samples.ts';
import { registryEvent, registryInput } from './events.ts';
import type { registryMachine } from './machine.ts';

export const registry = {
  events: byType(registryEvent),
  input: registryInput,
  sample_input: { tenant: 'default' },
  samples: {
    register: { agent: { agent_id: 'far', kind: 'http', endpoints: [{ id: '1', url: 'http://127.0.0.1:9001' }] } },
    deregister: { agent_id: 'far' },
  },
  outputs: {},
} satisfies Samples<typeof registryMachine>;
