// The chart of a registered agent: as available as its endpoints are.
import { createMachine, initialContext } from './rules.ts';

export const agentMachine = createMachine({
  id: 'agent',
  version: '1',
  context: initialContext,
  initial: 'starting',
  on: {
    'endpoints.counted': { actions: 'count' },
    remove: '.gone',
  },
  states: {
    starting: {
      always: [
        { guard: 'allAvailable', target: 'available' },
        { guard: 'someAvailable', target: 'degraded' },
        { guard: 'noneLeftToProbe', target: 'unavailable' },
      ],
      after: { startingTime: 'unavailable' },
    },
    available: {
      always: [
        { guard: 'noneAvailable', target: 'unavailable' },
        { guard: 'someAvailable', target: 'degraded' },
      ],
    },
    degraded: {
      always: [
        { guard: 'noneAvailable', target: 'unavailable' },
        { guard: 'allAvailable', target: 'available' },
      ],
    },
    unavailable: {
      always: [
        { guard: 'allAvailable', target: 'available' },
        { guard: 'someAvailable', target: 'degraded' },
      ],
    },
    gone: { type: 'final' },
  },
});
