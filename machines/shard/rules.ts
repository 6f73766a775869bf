// The bodies of the shard chart's names.
import { setup } from 'xstate';
import { type ShardContext, type ShardEvent, type ShardInput, shardInput } from './events.ts';

type Args = { context: ShardContext };

const { assign } = setup({ types: { context: {} as ShardContext, events: {} as ShardEvent } });

export const initialContext = ({ input }: { input: ShardInput }): ShardContext => ({
  ...shardInput.parse(input),
  losses: 0,
  error: null,
});

export const inputs = { shard: ({ context }: Args) => ({ shard: context.shard }) };

export const delays = {
  claimTime: ({ context }: Args) => context.limits.claim_ms,
  retryTime: ({ context }: Args) => context.limits.retry_ms,
  releaseTime: ({ context }: Args) => context.limits.release_ms,
};

export const actions = {
  countLoss: assign(({ context }) => ({ losses: context.losses + 1 })),
  noteError: assign(({ event }) => ({ error: String((event as { error?: unknown }).error ?? 'unknown') })),
};
