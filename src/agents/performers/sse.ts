// Decodes an agent's HTTP answer: server-sent `delta` … `done`, or one plain JSON object, up to a limit of bytes.
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { z } from 'zod';
import { resultSchema, usageSchema } from '../../../actors/result.ts';
import { Failed } from '../../platform/errors.ts';
import type { AgentResult } from '../definition.ts';

const answerSchema = z.object({ final_message: z.string().nullish(), usage: usageSchema });
const doneSchema = z.union([resultSchema, answerSchema]);
const errorSchema = z.object({
  code: z.string().default('agent_failed'),
  message: z.string().default('the agent reported an error'),
  retryable: z.boolean().default(true),
});

type Chunks = AsyncIterable<Uint8Array>;

/** Reads `delta` events until `done`, and leaves later events unread. `where` names the endpoint in errors. */
export async function readEvents(
  chunks: Chunks,
  limit: number,
  where: string,
  part: (text: string) => void,
): Promise<AgentResult> {
  let said = '';
  let result: AgentResult | undefined;
  let garbage: string | undefined;

  const take = ({ event, data }: EventSourceMessage) => {
    if (result) return;
    if (event === 'delta') {
      const { text } = parse(data, where, 'delta') as { text?: unknown };
      if (typeof text !== 'string') throw bad(where, `a delta without text: ${excerpt(data)}`);
      said += text;
      part(text);
    } else if (event === 'done') {
      result = resultFrom(parse(data, where, 'done'), said, where);
    } else if (event === 'error') {
      const error = errorSchema.safeParse(parse(data, where, 'error'));
      if (!error.success) throw bad(where, `an error event of a wrong shape: ${excerpt(data)}`);
      throw new Failed(error.data.code, error.data.message, error.data.retryable);
    }
    // Other events are reserved for later versions of the protocol.
  };
  const parser = createParser({
    onEvent: take,
    // The standard ignores unknown fields; but if `done` never comes, they were the reason.
    onError: (error) => {
      garbage ??= error.line ?? error.message;
    },
  });

  for await (const text of textOf(chunks, limit, where)) {
    parser.feed(text);
    if (result) return result;
  }
  if (garbage !== undefined) throw bad(where, `no server-sent events: ${excerpt(garbage)}`);
  throw new Failed('cut_off', `${where} stopped before its answer was done`);
}

/** Reads a whole answer `{final_message, usage?}` or an `AgentResult` as JSON. */
export async function readJson(chunks: Chunks, limit: number, where: string): Promise<AgentResult> {
  let body = '';
  for await (const text of textOf(chunks, limit, where)) body += text;
  return resultFrom(parse(body, where, 'answer'), '', where);
}

function resultFrom(value: unknown, said: string, where: string): AgentResult {
  const parsed = doneSchema.safeParse(value);
  if (!parsed.success) throw bad(where, `an answer of a wrong shape: ${excerpt(JSON.stringify(value))}`);
  if ('type' in parsed.data) return parsed.data;
  const { final_message, usage } = parsed.data;
  const text = final_message ?? said;
  if (text === '' && typeof final_message !== 'string')
    throw new Failed('empty_answer', `${where} gave no answer`, false);
  return usage ? { type: 'answer', final_message: text, usage } : { type: 'answer', final_message: text };
}

/** Decodes the bytes to text, also when they split a character; fails as soon as they exceed the limit. */
async function* textOf(chunks: Chunks, limit: number, where: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.byteLength;
    if (bytes > limit)
      throw new Failed('answer_too_large', `${where} answered with more than ${limit} bytes`, false, { limit });
    yield decode(decoder, chunk, where);
  }
  yield decode(decoder, undefined, where);
}

function decode(decoder: InstanceType<typeof TextDecoder>, chunk: Uint8Array | undefined, where: string): string {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw chunk ? bad(where, 'bytes that are not UTF-8') : new Failed('cut_off', `${where} stopped inside a character`);
  }
}

function parse(data: string, where: string, what: string): object {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw bad(where, `a ${what} that is not JSON: ${excerpt(data)}`);
  }
  if (typeof value !== 'object' || value === null) throw bad(where, `a ${what} that is no object: ${excerpt(data)}`);
  return value;
}

// Another instance may implement the protocol correctly, so this is retryable.
export const bad = (where: string, what: string): Failed => new Failed('bad_answer', `${where} sent ${what}`);

const excerpt = (text: string): string => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
