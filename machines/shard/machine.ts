// The chart of one shard on one node: unowned, being claimed, recovering its sessions, owned, being handed over.
import { createMachine, initialContext, inputs } from './rules.ts';

export const shardMachine = createMachine({
  id: 'shard',
  version: '1',
  context: initialContext,
  initial: 'unowned',
  on: { lost: { target: '.unowned', actions: 'countLoss' } },
  states: {
    unowned: { on: { assigned: 'claiming' } },
    // The owner before says which sessions it still works for; a dead one is not waited for.
    claiming: {
      on: { free: 'recovering', unassigned: 'unowned' },
      after: { claimTime: 'recovering' },
    },
    recovering: {
      invoke: {
        id: 'recover',
        src: 'recover',
        input: inputs.shard,
        onDone: 'owned',
        onError: { target: 'waiting', actions: 'noteError' },
      },
      on: { unassigned: 'releasing' },
    },
    waiting: { after: { retryTime: 'recovering' }, on: { unassigned: 'unowned' } },
    owned: { on: { unassigned: 'releasing' } },
    releasing: {
      invoke: {
        id: 'release',
        src: 'release',
        input: inputs.shard,
        onDone: 'unowned',
        onError: { target: 'unowned', actions: 'noteError' },
      },
      after: { releaseTime: 'unowned' },
    },
  },
});
