// The bodies of the shard chart's names.
import { assign, setup } from 'xstate';
import { performed } from '../performed.ts';
import { type ShardContext, type ShardEvent, type ShardInput, shardInput } from './events.ts';

export const initialContext = ({ input }: { input: ShardInput }): ShardContext => ({
  ...shardInput.parse(input),
  losses: 0,
  error: null,
});

export const inputs = { shard: ({ context: { shard } }: { context: ShardContext }) => ({ shard }) };

export const { createMachine } = setup({
  types: { context: {} as ShardContext, events: {} as ShardEvent, input: {} as ShardInput },
  actors: {
    recover: performed<void, { shard: number }>(),
    release: performed<void, { shard: number }>(),
  },
  actions: {
    countLoss: assign(({ context }) => ({ losses: context.losses + 1 })),
    noteError: assign(({ event }) => ({ error: String((event as { error?: unknown }).error ?? 'unknown') })),
  },
  delays: {
    claimTime: ({ context }) => context.limits.claim_ms,
    retryTime: ({ context }) => context.limits.retry_ms,
    releaseTime: ({ context }) => context.limits.release_ms,
  },
});
