// The chart of a tenant's registered agents: a list that survives restarts because it is a journal like any other.
import { createMachine, initialContext } from './rules.ts';

export const registryMachine = createMachine({
  id: 'registry',
  version: '1',
  context: initialContext,
  initial: 'listing',
  states: {
    listing: {
      on: {
        register: { guard: 'isNews', actions: 'register' },
        deregister: { guard: 'isRegistered', actions: 'deregister' },
      },
    },
  },
});
