// The chart of one shard on one node: nobody's, being taken, being woken, ours, being handed over.
import { setup } from 'xstate';
import { performed } from '../performed.ts';
import type { ShardContext, ShardEvent, ShardInput } from './events.ts';
import { actions, delays, initialContext, inputs } from './rules.ts';

export const shardMachine = setup({
  types: { context: {} as ShardContext, events: {} as ShardEvent, input: {} as ShardInput },
  actors: {
    recover: performed<void, { shard: number }>(),
    release: performed<void, { shard: number }>(),
  },
  actions,
  delays,
}).createMachine({
  id: 'shard',
  version: '1',
  context: initialContext,
  initial: 'unowned',
  on: { lost: { target: '.unowned', actions: 'countLoss' } },
  states: {
    unowned: { on: { assigned: 'claiming' } },
    // The owner before says which sessions it still works for; when it is dead, nobody waits for it.
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
