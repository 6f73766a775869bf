// The chart of an endpoint, one instance of an agent: whether it can be called, and how busy it is.
import { createMachine, initialContext } from './rules.ts';

export const endpointMachine = createMachine({
  id: 'endpoint',
  version: '1',
  context: initialContext,
  initial: 'probing',
  on: {
    'call.started': { actions: 'noteLoad' },
    'call.ended': { actions: 'noteLoad' },
  },
  states: {
    probing: {
      tags: 'doubtful',
      always: { guard: 'isUnwatched', target: 'available' },
      on: {
        'probe.succeeded': 'available',
        'probe.failed': 'unavailable',
        heartbeat: { target: 'available', actions: 'noteHeartbeat' },
        'call.ended': [{ guard: 'wentWell', target: 'available', actions: 'noteLoad' }, { actions: 'noteLoad' }],
        drain: 'draining',
      },
      after: { firstProbe: 'unavailable' },
    },
    available: {
      initial: 'idle',
      on: {
        'probe.failed': 'suspect',
        // Re-entered, so that the silence is counted from this heartbeat on.
        heartbeat: { target: 'available', reenter: true, actions: 'noteHeartbeat' },
        drain: 'draining',
      },
      after: { silence: { guard: 'isSilent', target: 'suspect' } },
      states: {
        idle: {
          tags: 'pickable',
          always: [
            { guard: 'isSaturated', target: 'saturated' },
            { guard: 'isBusy', target: 'busy' },
          ],
        },
        busy: {
          tags: 'pickable',
          always: [
            { guard: 'isSaturated', target: 'saturated' },
            { guard: 'isIdle', target: 'idle' },
          ],
        },
        saturated: {
          always: [
            { guard: 'isBusy', target: 'busy' },
            { guard: 'isIdle', target: 'idle' },
          ],
        },
      },
    },
    suspect: {
      tags: 'doubtful',
      on: {
        'probe.succeeded': 'available',
        'probe.failed': 'unavailable',
        heartbeat: { target: 'available', actions: 'noteHeartbeat' },
        'call.ended': [{ guard: 'wentWell', target: 'available', actions: 'noteLoad' }, { actions: 'noteLoad' }],
        drain: 'draining',
      },
      after: { doubt: 'unavailable' },
    },
    unavailable: {
      on: {
        'probe.succeeded': 'available',
        heartbeat: { target: 'available', actions: 'noteHeartbeat' },
        drain: 'draining',
      },
    },
    draining: {
      always: { guard: 'hasNoCalls', target: 'gone' },
      after: { drainTime: 'gone' },
    },
    gone: { type: 'final' },
  },
});
