// The schema of an attempt's result, which parses the answers of local and remote agents.
import { z } from 'zod';
import { token } from '../machines/session/events.ts';

const tokens = z.number().nonnegative().optional();

/** Usage as agents report it; an invalid report is dropped and the answer accepted. */
export const usageSchema = z
  .object({ input_tokens: tokens, output_tokens: tokens, total_tokens: tokens, cost_usd: tokens })
  .optional()
  .catch(undefined);

export const resultSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('answer'), final_message: z.string(), usage: usageSchema }),
  z.object({ type: z.literal('input_required'), prompt: z.string(), task: z.unknown().optional() }),
  z.object({
    type: z.literal('approval_required'),
    action: z.string(),
    summary: z.string(),
    details: z.unknown().optional(),
    task: z.unknown().optional(),
  }),
  z.object({
    type: z.literal('tool_required'),
    name: z.string(),
    arguments: z.unknown(),
    task: z.unknown().optional(),
  }),
  z.object({
    type: z.literal('transfer'),
    agent: token,
    reason: z.string(),
    context: z.record(z.string(), z.unknown()).optional(),
    task: z.unknown().optional(),
  }),
  z.object({ type: z.literal('handoff'), final_message: z.string(), reason: z.string() }),
]);
