// The chart of a tenant's registered agents: a list that survives restarts because it is a journal like any other.
import { setup } from 'xstate';
import type { RegistryContext, RegistryEvent, RegistryInput } from './events.ts';
import { actions, guards, initialContext } from './rules.ts';

export const registryMachine = setup({
  types: { context: {} as RegistryContext, events: {} as RegistryEvent, input: {} as RegistryInput },
  guards,
  actions,
}).createMachine({
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
