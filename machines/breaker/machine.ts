// The chart of a circuit breaker: closed until an endpoint does badly, open for a while, half open for a trial.
import { createMachine, initialContext } from './rules.ts';

export const breakerMachine = createMachine({
  id: 'breaker',
  version: '1',
  context: initialContext,
  initial: 'closed',
  states: {
    closed: {
      tags: 'admits',
      entry: 'forget',
      initial: 'clear',
      on: {
        'call.succeeded': { guard: 'isCurrent', actions: 'countSuccess' },
        'call.failed': { guard: 'isCurrent', actions: 'countFailure' },
      },
      always: [
        { guard: 'failedTooOften', target: 'open' },
        { guard: 'slowTooOften', target: 'open' },
        { guard: 'spentTooMuch', target: 'open' },
      ],
      states: {
        clear: { always: { guard: 'hasCounted', target: 'counting' } },
        counting: {
          always: { guard: 'hasForgiven', target: 'clear' },
          after: { window: { target: 'clear', actions: 'forget' } },
        },
      },
    },
    open: {
      entry: 'countOpening',
      after: { recovery: 'halfOpen' },
    },
    halfOpen: {
      entry: 'forget',
      initial: 'ready',
      on: {
        'call.succeeded': [
          { guard: 'trialWasSlow', target: 'open' },
          { guard: 'isCurrent', target: 'closed' },
        ],
        'call.failed': { guard: 'isCurrent', target: 'open' },
        'call.abandoned': { guard: 'isCurrent', actions: 'freeTrial' },
      },
      states: {
        ready: {
          tags: 'admits',
          on: { 'call.started': { actions: 'countTrial' } },
          always: { guard: 'allTrialsRun', target: 'full' },
        },
        full: {
          always: { guard: 'hasTrialFree', target: 'ready' },
          after: { trial: '#breaker.open' },
        },
      },
    },
  },
});
