// The fields of an OpenAI request that are read here; the others are forwarded to the endpoint unchanged.
import { z } from 'zod';
import type { CompletionBody } from '../../../llm/models.ts';
import { Refused } from '../../../platform/errors.ts';

const part = z.looseObject({ type: z.string(), text: z.string().optional() });

const message = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'function']),
  content: z.union([z.string(), z.array(part)]).nullish(),
  tool_call_id: z.string().optional(),
});
export type ChatMessage = z.infer<typeof message>;

export const chatBody = z.looseObject({
  model: z
    .string()
    .min(1)
    .optional()
    .describe('`troupe` or `troupe/<agent>` is a conversation here; any other is a model'),
  messages: z.array(message).min(1, 'must have a message'),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish().describe('`session_id` names the session'),
  user: z.string().nullish().describe('names the session when nothing else does'),
});
export type ChatBody = z.infer<typeof chatBody>;

/** The body for the endpoint: without the fields meant for this runtime. */
export function forwarded({ metadata, stream: _, ...body }: ChatBody): CompletionBody {
  const { session_id: __, ...rest } = metadata ?? {};
  const kept = Object.keys(rest).length > 0 ? { metadata: rest } : {};
  return { ...body, ...kept } as unknown as CompletionBody;
}

/** The text of a message. Throws `Refused('unsupported_content')` if it contains anything else. */
export function textOf({ content }: ChatMessage): string {
  if (typeof content === 'string') return content;
  return (content ?? [])
    .map(({ type, text }) => {
      if (text === undefined)
        throw new Refused('unsupported_content', `a conversation takes text; there is a part of type "${type}"`, 400);
      return text;
    })
    .join('\n');
}
