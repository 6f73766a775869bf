// The chart of a job: an orchestrator's run that waits for a worker, is tried again when it fails, and is never lost.
import { migrate } from './migrate.ts';
import { createMachine, initialContext, inputs } from './rules.ts';

export const jobMachine = createMachine({
  id: 'job',
  version: '2',
  meta: { migrate },
  context: initialContext,
  initial: 'new',
  states: {
    new: {
      on: {
        enqueue: [
          { guard: 'hasDelay', target: 'delayed', actions: ['take', 'tellEnqueued'] },
          { target: 'waiting', actions: ['take', 'tellEnqueued'] },
        ],
      },
    },
    delayed: {
      after: { delay: 'waiting' },
      on: { cancel: { target: 'cancelled', actions: 'tellCancelled' } },
    },
    // Nothing is owed here: a job that waits is a row in the journal, and its priority stands in its state.
    waiting: {
      initial: 'deciding',
      on: {
        start: { target: 'running', actions: ['begin', 'tellStarted'] },
        cancel: { target: 'cancelled', actions: 'tellCancelled' },
      },
      states: {
        deciding: {
          tags: 'passing',
          always: [{ guard: 'isHigh', target: 'high' }, { guard: 'isLow', target: 'low' }, { target: 'normal' }],
        },
        high: {},
        normal: {},
        low: {},
      },
    },
    running: {
      invoke: {
        id: 'run',
        src: 'run',
        input: inputs.run,
        onDone: { target: 'done', actions: ['finish', 'tellDone'] },
        onError: { target: 'failing', actions: 'recordFailure' },
      },
      after: { attemptTimeout: { target: 'failing', actions: 'recordFailure' } },
      on: {
        progressed: { actions: ['recordProgress', 'tellProgress'] },
        step_done: { actions: ['recordStep', 'tellStep'] },
        recovered: [
          { guard: 'recoveriesLeft', actions: ['recordRecovery', 'tellRecovered'] },
          { target: 'dead', actions: ['recordCrashes', 'tellDead'] },
        ],
        cancel: { target: 'cancelled', actions: 'tellCancelled' },
        fail: { target: 'dead', actions: ['recordBroken', 'tellDead'] },
      },
    },
    // The attempt policy's verdict on a failure, an error or a time-out alike.
    failing: {
      tags: 'passing',
      always: [
        { guard: 'triesAgain', target: 'backingOff', actions: 'tellFailed' },
        { target: 'dead', actions: 'tellDead' },
      ],
    },
    backingOff: {
      after: { backoff: 'waiting' },
      on: { cancel: { target: 'cancelled', actions: 'tellCancelled' } },
    },
    done: { type: 'final' },
    // The dead letters: they wait for a person.
    dead: {
      on: {
        retry: { target: 'waiting', actions: ['startOver', 'tellRetried'] },
        cancel: { target: 'cancelled', actions: 'tellCancelled' },
      },
    },
    cancelled: { on: { retry: { target: 'waiting', actions: ['startOver', 'tellRetried'] } } },
  },
});
