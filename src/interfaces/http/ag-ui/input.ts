// Reads a RunAgentInput of the Agent User Interaction Protocol: its session, text, tool results and decisions.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { token } from '../../../../machines/session/events.ts';
import { Refused } from '../../../platform/errors.ts';

const text = z.looseObject({ type: z.literal('text'), text: z.string() });
const content = z.union([z.string(), z.array(z.union([text, z.looseObject({ type: z.string() })]))]);

export const agUiMessage = z.looseObject({
  id: z.string(),
  role: z.enum(['developer', 'system', 'assistant', 'user', 'tool', 'activity', 'reasoning']),
  content: z.union([content, z.record(z.string(), z.unknown())]).nullish(),
  toolCallId: z.string().optional(),
  error: z.string().nullish(),
});
export type AgUiMessage = z.infer<typeof agUiMessage>;

const resumed = z.looseObject({
  interruptId: z.string(),
  status: z.enum(['resolved', 'cancelled']),
  payload: z.unknown().optional(),
});
export type Resumed = z.infer<typeof resumed>;

/** The client's state, tools and context are accepted and ignored: a session has its own. */
export const runAgentInput = z.looseObject({
  threadId: z.string().min(1).max(500),
  runId: z.string().min(1).max(200),
  messages: z.array(agUiMessage),
  tools: z.array(z.unknown()).nullish(),
  context: z.array(z.unknown()).nullish(),
  state: z.unknown().optional(),
  forwardedProps: z.unknown().optional(),
  resume: z.array(resumed).nullish(),
});
export type RunAgentInput = z.infer<typeof runAgentInput>;

/** The session of a thread: the thread's id if that is a token, else an id derived from it. */
export const sessionOf = (threadId: string): string =>
  token.safeParse(threadId).success
    ? threadId
    : `t-${createHash('sha256').update(threadId).digest('hex').slice(0, 32)}`;

/** The text of a message. Throws `Refused` if it contains anything else. */
export function wordsOf({ content: said }: AgUiMessage): string {
  if (typeof said === 'string') return said;
  if (!Array.isArray(said)) throw new Refused('unsupported_content', 'a message must have text or parts of text');
  const other = said.find(({ type }) => type !== 'text');
  if (other) throw new Refused('unsupported_content', `parts of type "${other.type}" are not taken: only text is`);
  return said.map((part) => (part as z.infer<typeof text>).text).join('\n');
}

/** The result of a client's tool: parsed JSON if it parses, else the text. */
export function resultOf(message: AgUiMessage): { result: unknown } | { error: string } {
  if (message.error) return { error: message.error };
  const said = wordsOf(message);
  try {
    return { result: JSON.parse(said) };
  } catch {
    return { result: said };
  }
}

const payload = z.union([
  z.boolean().transform((approved) => ({ approved })),
  z.looseObject({
    approved: z.boolean(),
    editedArgs: z.unknown().optional(),
    reason: z.string().max(2_000).optional(),
    by: z.string().min(1).max(200).optional(),
  }),
]);

/** The decision in a `resume` item. Throws `Refused` if its payload does not fit `approvalSchema`. */
export function decisionOf({ status, payload: given }: Resumed) {
  if (status === 'cancelled') return { decision: 'reject' as const, by: 'user', reason: 'cancelled' };
  const parsed = payload.safeParse(given);
  if (!parsed.success)
    throw new Refused('bad_resume', 'resume.payload must be { approved, editedArgs?, reason?, by? }');
  const {
    approved,
    editedArgs,
    reason,
    by = 'user',
  } = parsed.data as Exclude<z.output<typeof payload>, boolean> & {
    editedArgs?: unknown;
    reason?: string;
    by?: string;
  };
  if (!approved) return { decision: 'reject' as const, by, reason };
  return { decision: 'approve' as const, by, reason, arguments: editedArgs };
}

/** JSON schema of `resume.payload`. */
export const approvalSchema = {
  type: 'object',
  properties: {
    approved: { type: 'boolean' },
    editedArgs: { type: 'object', description: 'Full replacement of the arguments. Not merged.' },
    reason: { type: 'string' },
    by: { type: 'string', description: 'Who decides.' },
  },
  required: ['approved'],
} as const;
