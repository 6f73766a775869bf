// Examples for the chart of a shard.
import { byType, type Samples } from '../samples.ts';
import { shardEvent, shardInput } from './events.ts';
import type { shardMachine } from './machine.ts';

export const shard = {
  events: byType(shardEvent),
  input: shardInput,
  sample_input: { shard: 0 },
  samples: {},
  outputs: { recover: undefined, release: undefined },
} satisfies Samples<typeof shardMachine>;
