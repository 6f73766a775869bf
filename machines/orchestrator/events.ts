// What can happen to a node: the schemas of its events, its limits and its context; the types follow from them.
import { z } from 'zod';

const reason = z.string();

export const orchestratorEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('journal.opened') }),
  z.object({ type: z.literal('journal.failed'), reason }),
  z.object({ type: z.literal('joined') }),
  z.object({ type: z.literal('join.failed'), reason }),
  /** The others are out of reach, and what they have decided with them. */
  z.object({ type: z.literal('journal.lost') }),
  z.object({ type: z.literal('journal.back') }),
  z.object({ type: z.literal('drain') }),
  z.object({ type: z.literal('drained') }),
]);
export type OrchestratorEvent = z.infer<typeof orchestratorEvent>;

/** How long a node waits for others, in milliseconds. */
export const orchestratorLimits = z.object({
  /** For its journal to open and what it owes to be awake. */
  start_ms: z.number().min(0).default(30_000),
  /** For its place among the other nodes. */
  join_ms: z.number().min(0).default(30_000),
  /** For its sessions to be handed over. Then it stops, and the journal has what was decided. */
  drain_ms: z.number().min(0).default(30_000),
});
export type OrchestratorInput = z.input<typeof orchestratorLimits> | undefined;

export const orchestratorContext = z.object({
  limits: orchestratorLimits,
  journal: z.enum(['open', 'lost']),
  /** Why it failed, or stopped before it had drained. */
  reason: reason.nullable(),
});
export type OrchestratorContext = z.infer<typeof orchestratorContext>;
