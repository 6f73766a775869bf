// Everything that can happen to a shard on one node.
import type { AnyMachineSnapshot } from 'xstate';
import type { ShardContext } from '../../machines/shard/events.ts';
import type { shardMachine } from '../../machines/shard/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

export const shardWorld = {
  input: { shard: 7 },
  events: [{ type: 'assigned' }, { type: 'unassigned' }, { type: 'free' }, { type: 'lost' }],
  results: { recover: [{ output: undefined }, { error: 'no' }], release: [{ output: undefined }, { error: 'no' }] },
  // No guard reads how often it was lost.
  serialize: ({ value, context }: AnyMachineSnapshot): unknown => [value, { ...(context as ShardContext), losses: 0 }],
} satisfies ExploreOptions<typeof shardMachine>;
