// Everything that can happen to a list of one agent from outside.
import type { registryMachine } from '../../machines/registry/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

const agent = { agent_id: 'far', kind: 'nats' } as const;

export const registryWorld = {
  input: { tenant: 'acme' },
  events: [
    { type: 'register', agent },
    { type: 'deregister', agent_id: 'far' },
  ],
} satisfies ExploreOptions<typeof registryMachine>;
