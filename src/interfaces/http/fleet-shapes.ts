// Response schemas of the fleet's routes: they document the interface and type the handlers.
import { z } from 'zod';
import type { FleetView } from '../../fleet/nodes.ts';
import { agentView } from './shapes.ts';

const count = z.int();
const states = z.record(z.string(), count).describe('sessions per state, e.g. `{ "automated/idle": 12 }`');
const milliseconds = z.number();
const time = z.number().describe('ms since the epoch');

export const fleetView: z.ZodType<FleetView> = z.object({
  at: time,
  sessions: count,
  states,
  dwell: z
    .record(
      z.string(),
      z.object({
        count,
        sum_ms: milliseconds,
        buckets: z.array(z.object({ le_ms: milliseconds.nullable(), count })).describe('not cumulative'),
      }),
    )
    .describe('how long sessions stayed, by the part of the state that they left: `human`, `human.held`, `idle`, …'),
  transitions: z
    .array(z.object({ from: z.string().nullable(), to: z.string().nullable(), event: z.string(), count }))
    .describe('steps since the nodes started, the most frequent first; `from` is null where a session came to be'),
  stuck: z.object({
    total: count,
    sessions: z
      .array(
        z.object({
          session_id: z.string(),
          part: z.string().describe('the part of its state that it does not leave'),
          since: time,
          threshold_ms: milliseconds,
        }),
      )
      .describe('at most 100, the longest first'),
  }),
  agents: z.array(z.intersection(agentView, z.object({ node: z.string() }))).describe('as each node sees them'),
  nodes: z.array(
    z.object({
      node: z.string(),
      answered: z.boolean().describe('false: what it has is missing from the sums'),
      state: z.string().nullable(),
      resident: count.describe('sessions in its memory'),
      sessions: count,
      shards: count.describe('shards that it owns'),
      counts: z.record(z.string(), count),
    }),
  ),
  shards: z.array(z.object({ shard: count, node: z.string().nullable(), state: z.string() })),
});
