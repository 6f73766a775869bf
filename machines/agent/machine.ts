// The chart of a registered agent: as available as its endpoints are.
import { assign, setup } from 'xstate';
import * as rules from './rules.ts';

export const agentMachine = setup({
  types: { context: {} as rules.AgentChartContext, events: {} as rules.AgentChartEvent },
  guards: {
    allAvailable: rules.allAvailable,
    someAvailable: rules.someAvailable,
    noneAvailable: rules.noneAvailable,
    noneLeftToProbe: rules.noneLeftToProbe,
  },
  actions: { count: assign(rules.count) },
  delays: { startingTime: rules.startingTime },
}).createMachine({
  id: 'agent',
  version: '1',
  context: rules.noCount,
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
