// The bodies of the shard chart's names.
import { setup } from 'xstate';

/** Waits of a shard, in milliseconds. */
export interface ShardLimits {
  /** For the owner before to say which sessions it still works for. It is not waited for when it dies. */
  readonly claim_ms: number;
  /** Between two tries to recover. */
  readonly retry_ms: number;
  /** For running answers to end: those that take longer are called for again by the next owner. All other sessions go to it at once. */
  readonly release_ms: number;
}

export const shardDefaults: ShardLimits = { claim_ms: 10_000, retry_ms: 500, release_ms: 30_000 };

export interface ShardInput {
  readonly shard: number;
  readonly limits?: Partial<ShardLimits>;
}

export interface ShardContext {
  readonly shard: number;
  readonly limits: ShardLimits;
  /** How often the shard was lost without having been handed over. */
  readonly losses: number;
  readonly error: string | null;
}

export type ShardEvent =
  /** The assignment table says that this node shall have it, or shall have it no more. */
  | { readonly type: 'assigned' }
  | { readonly type: 'unassigned' }
  /** The owner before has handed it over, is dead, or there was none. */
  | { readonly type: 'free' }
  /** This node may not be seen by the others any more: it stops at once. */
  | { readonly type: 'lost' };

type Args = { context: ShardContext; event: ShardEvent };

const { assign } = setup({ types: { context: {} as ShardContext, events: {} as ShardEvent } });

export const fresh = ({ input }: { input: ShardInput }): ShardContext => ({
  shard: input.shard,
  limits: { ...shardDefaults, ...input.limits },
  losses: 0,
  error: null,
});

export const inputs = { shard: ({ context }: { context: ShardContext }) => ({ shard: context.shard }) };

export const delays = {
  claimTime: ({ context }: Args) => context.limits.claim_ms,
  retryTime: ({ context }: Args) => context.limits.retry_ms,
  releaseTime: ({ context }: Args) => context.limits.release_ms,
};

export const actions = {
  countLoss: assign(({ context }) => ({ losses: context.losses + 1 })),
  noteError: assign(({ event }) => ({ error: String((event as { error?: unknown }).error ?? 'unknown') })),
};
