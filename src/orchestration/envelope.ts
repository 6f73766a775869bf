// The canonical envelope: the result of every orchestrator's run. Each record carries its provenance.
import { z } from 'zod';
import { token } from '../../machines/session/events.ts';

const time = z.number().describe('ms since the epoch');

/** Source of a record. Has exactly one of `agent`, `tool` and `orchestrator`. */
export const provenance = z
  .strictObject({
    agent: token.optional().describe('the agent that said it'),
    agent_version: z.string().optional(),
    tool: token.optional(),
    orchestrator: token.optional().describe('the orchestrator that was asked for a run'),
    orchestrator_version: z.string().optional(),
    instance: z.string().optional().describe('of the agent: `agent/instance`'),
    run: z.string().describe('the id of the run that asked for it'),
    at: time,
    input_digest: z
      .string()
      .regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits')
      .describe('of the input as JSON with its members in order'),
    input_ref: z.string().optional().describe('where the input can be read'),
  })
  .refine(
    ({ agent, tool, orchestrator }) => [agent, tool, orchestrator].filter((it) => it !== undefined).length === 1,
    {
      path: ['agent'],
      message: 'give exactly one of agent, tool and orchestrator',
    },
  );
export type Provenance = z.infer<typeof provenance>;

export const envelopeRecord = z.strictObject({
  id: z.string().min(1).max(500).optional(),
  data: z.json(),
  provenance,
});
export type EnvelopeRecord = z.infer<typeof envelopeRecord>;

const count = z.int().min(0);

export const envelope = z.strictObject({
  metadata: z.strictObject({
    orchestrator: token,
    version: z.string(),
    run_id: z.string(),
    tenant: token,
    started_at: time,
    finished_at: time,
    counts: z.strictObject({
      records: count,
      calls: count.describe('of agents and tools'),
      failed_calls: count.describe('of those, for good'),
    }),
    warnings: z.array(z.string()),
  }),
  records: z.array(envelopeRecord),
});
export type Envelope = z.infer<typeof envelope>;
