// What a client of the Agent User Interaction Protocol sends: a RunAgentInput, and what of it concerns a session.
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

/** State, tools and context of the client are taken and not looked at: a session keeps its own. */
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

/** A thread's session: of the same name where that is a token, else of one that is made of it. */
export const sessionOf = (threadId: string): string =>
  token.safeParse(threadId).success
    ? threadId
    : `t-${createHash('sha256').update(threadId).digest('hex').slice(0, 32)}`;

/** The words of a message. Throws `Refused` where it has something else than text. */
export function wordsOf({ content: said }: AgUiMessage): string {
  if (typeof said === 'string') return said;
  if (!Array.isArray(said)) throw new Refused('unsupported_content', 'a message must have text or parts of text');
  const other = said.find(({ type }) => type !== 'text');
  if (other) throw new Refused('unsupported_content', `parts of type "${other.type}" are not taken: only text is`);
  return said.map((part) => (part as z.infer<typeof text>).text).join('\n');
}

/** What a client's tool returned: JSON where it is JSON, else the text. */
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

/** The decision that a resumption carries. Throws `Refused` on a payload that does not fit `approvalSchema`. */
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

/** What `resume.payload` must look like, as JSON schema. */
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
