// What can happen to a shard on one node: the schemas of its events, its input and its context.
import { z } from 'zod';

export const shardEvent = z.discriminatedUnion('type', [
  /** The assignment table says that this node shall have it, or shall have it no more. */
  z.object({ type: z.literal('assigned') }),
  z.object({ type: z.literal('unassigned') }),
  /** The owner before has handed it over, is dead, or there was none. */
  z.object({ type: z.literal('free') }),
  /** This node may not be seen by the others any more: it stops at once. */
  z.object({ type: z.literal('lost') }),
]);
export type ShardEvent = z.infer<typeof shardEvent>;

/** Waits of a shard, in milliseconds. */
export const shardLimits = z.object({
  /** For the owner before to say which sessions it still works for. It is not waited for when it dies. */
  claim_ms: z.number().min(0).default(10_000),
  /** Between two tries to recover. */
  retry_ms: z.number().min(0).default(500),
  /** For running answers to end: those that take longer are called for again by the next owner. All other sessions go to it at once. */
  release_ms: z.number().min(0).default(30_000),
});
export type ShardLimits = z.infer<typeof shardLimits>;

export const shardInput = z.object({ shard: z.int().min(0), limits: shardLimits.prefault({}) });
export type ShardInput = z.input<typeof shardInput>;

export const shardContext = shardInput.extend({
  /** How often the shard was lost without having been handed over. */
  losses: z.int().min(0),
  error: z.string().nullable(),
});
export type ShardContext = z.infer<typeof shardContext>;
