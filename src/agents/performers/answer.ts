// Converts the return value of an agent: text, a result or a stream of text becomes an `AgentResult`; any other value
// is an error.
import { z } from 'zod';
import { resultSchema } from '../../../actors/result.ts';
import { unlessAborted } from '../../platform/abort.ts';
import { Failed } from '../../platform/errors.ts';
import type { AgentResult } from '../definition.ts';
import type { WorkContext } from './context.ts';

/**
 * The result of an attempt, from any value that an agent may return (`AgentReturn`, a promise of it, or an async
 * generator). Rejects with `Failed`: `empty_answer` when the agent returned and streamed nothing, `bad_answer` for any
 * other value, and with the signal's reason as soon as it is aborted.
 */
export async function answerOf(returned: unknown, context: WorkContext): Promise<AgentResult> {
  const value = isThenable(returned) ? await unlessAborted(returned, context.signal) : returned;
  if (typeof value === 'string') return { type: 'answer', final_message: value };
  if (isStream(value)) return resultOf(await consume(value, context), context);
  return resultOf(value, context);
}

function resultOf(value: unknown, context: WorkContext): AgentResult {
  if (typeof value === 'string') return { type: 'answer', final_message: value };
  if (value === undefined || value === null) {
    if (context.said !== '') return { type: 'answer', final_message: context.said };
    throw new Failed('empty_answer', `agent "${context.agentId}" gave no answer: ${WANTED}`, false);
  }
  const parsed = resultSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw badAnswer(value, context, parsed.error);
}

const WANTED =
  'it should return a string, an AgentResult such as { type: "answer", final_message }, or a stream of strings';

function badAnswer(value: unknown, context: WorkContext, error?: z.ZodError): Failed {
  const type = (value as { type?: unknown }).type;
  const known = resultSchema.options.some((option) => option.shape.type.value === type);
  const why = known && error ? ` (${z.prettifyError(error).replaceAll('\n', ' ')})` : '';
  return new Failed('bad_answer', `agent "${context.agentId}" answered with ${kindOf(value)}${why}: ${WANTED}`, false);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value !== 'object') return `a ${typeof value}`;
  const keys = Object.keys(value);
  return keys.length === 0 ? 'an empty object' : `an object of ${keys.slice(0, 5).join(', ')}`;
}

/** Streams the deltas; resolves to the return value of a generator. */
async function consume(stream: AsyncIterable<unknown>, context: WorkContext): Promise<unknown> {
  const iterator = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await unlessAborted(iterator.next(), context.signal);
      if (done) return value;
      if (typeof value !== 'string')
        throw new Failed(
          'bad_answer',
          `agent "${context.agentId}" streamed ${kindOf(value)} where strings belong`,
          false,
        );
      context.part(value);
    }
  } catch (error) {
    // Not awaited: a generator in the middle of an await cannot return before the await has settled.
    Promise.resolve(iterator.return?.()).catch(() => {});
    throw error;
  }
}

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as { then?: unknown } | undefined | null)?.then === 'function';

const isStream = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
