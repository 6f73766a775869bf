// Reads an A2A client's message: text for the conversation, or the answer to a task's question.
import { z } from 'zod';
import { bodies, decision } from '../../../../machines/session/events.ts';
import { parse } from '../../../platform/parse.ts';
import { refusal } from './errors.ts';
import type { SentMessage } from './objects.ts';

/** The text of a message. Throws `Refused` if it has parts that agents cannot read. */
export function wordsOf({ parts }: SentMessage): string {
  const words = parts.map(({ text, data, raw, url }) => {
    if (text !== undefined) return text;
    if (data !== undefined) return JSON.stringify(data);
    if (raw !== undefined || url !== undefined)
      throw refusal('content_type_not_supported', 'files are not taken: only text and data are');
    throw refusal('invalid_params', 'message.parts: each part must have text or data');
  });
  return words.join('\n');
}

const dataOf = ({ parts }: SentMessage): unknown => parts.find(({ data }) => data !== undefined)?.data;

const YES = /^\s*(yes|y|ok|okay|approve|approved)\s*[.!]?\s*$/i;
const NO = /^\s*(no|n|reject|rejected|deny|denied)\s*[.!]?\s*$/i;

/** The decision on an approval: a data part `{ decision, by?, reason?, arguments? }`, or a plain yes or no. */
export function decisionOf(message: SentMessage, by: string) {
  const data = dataOf(message);
  if (data !== undefined) return parse(decision, { by, ...(parse(z.looseObject({}), data, 'data') as object) }, 'data');
  const words = wordsOf(message);
  if (YES.test(words)) return { decision: 'approve' as const, by };
  if (NO.test(words)) return { decision: 'reject' as const, by };
  throw refusal(
    'invalid_params',
    'the task waits for an approval: say yes or no, or send data { decision: "approve" | "reject", by?, reason?, arguments? }',
  );
}

/** The result of a tool that the client was asked to call: data `{ result }` or `{ error }`, else the message's text. */
export function resultOf(message: SentMessage): { result?: unknown; error?: string } {
  const data = dataOf(message);
  const told = bodies.tool_result.omit({ call: true }).safeParse(data);
  if (data !== undefined && told.success && (told.data.error !== undefined || told.data.result !== undefined))
    return told.data;
  return { result: data ?? wordsOf(message) };
}
