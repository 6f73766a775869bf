// The chart of a circuit breaker: closed until an endpoint does badly, open for a while, half open for a trial.
import { assign, setup } from 'xstate';
import * as rules from './rules.ts';

export const breakerMachine = setup({
  types: {
    context: {} as rules.BreakerContext,
    events: {} as rules.BreakerEvent,
    input: {} as Partial<rules.BreakerLimits>,
    tags: {} as 'admits',
  },
  guards: {
    isCurrent: rules.isCurrent,
    failedTooOften: rules.failedTooOften,
    slowTooOften: rules.slowTooOften,
    spentTooMuch: rules.spentTooMuch,
    hasCounted: rules.hasCounted,
    hasForgiven: rules.hasForgiven,
    allTrialsRun: rules.allTrialsRun,
    hasTrialFree: rules.hasTrialFree,
    trialWasSlow: rules.trialWasSlow,
  },
  actions: {
    forget: assign(rules.forget),
    countSuccess: assign(rules.countSuccess),
    countFailure: assign(rules.countFailure),
    countOpening: assign(rules.countOpening),
    countTrial: assign(rules.countTrial),
    freeTrial: assign(rules.freeTrial),
  },
  delays: { window: rules.window, recovery: rules.recovery, trial: rules.trial },
}).createMachine({
  id: 'breaker',
  version: '1',
  context: rules.begin,
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
