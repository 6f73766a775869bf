// Models behind the OpenAI API: forwards requests to the tenant's endpoint, with its key, budgets and breaker.

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { token } from '../../../../machines/session/events.ts';
import type { ModelScope } from '../../../llm/model.ts';
import { parse } from '../../../platform/parse.ts';
import type { Troupe } from '../../../troupe.ts';
import { ending, idempotencyKeyOf, leaving, tenantOf } from '../requests.ts';
import type { EventStreams } from '../sse.ts';
import { type ChatBody, forwarded } from './body.ts';
import { data, failure } from './completion.ts';
import { apiErrorOf } from './errors.ts';

/** Agent id under which the budgets count these calls. */
const PROXY = 'proxy';

/** Answers a request for a model. A failure before the first chunk is thrown, so that it becomes an error document. */
export async function proxied(
  { models, access }: Troupe,
  streams: EventStreams,
  request: FastifyRequest,
  reply: FastifyReply,
  body: ChatBody,
): Promise<FastifyReply> {
  const scope = scopeOf(request, body);
  const { tenant, session_id } = scope;
  await access.check({ tenant, action: 'model', ...(session_id !== '' && { session_id }) });
  if (body.stream !== true) return reply.send(await models.complete(scope, forwarded(body), leaving(reply)));
  const chunks = models.stream(scope, forwarded(body), ending(reply));
  const first = await chunks.next();
  const counts = body.stream_options?.include_usage === true;
  await streams.open(reply).tell(told(first, chunks, counts), ({ text }) => text);
  return reply;
}

function scopeOf(request: FastifyRequest, { metadata }: ChatBody): ModelScope {
  const named = metadata?.session_id ?? request.headers['x-session-id'];
  return {
    tenant: tenantOf(request),
    session_id: named === undefined ? '' : parse(token, named, 'session_id'),
    agent_id: PROXY,
    idempotency_key: idempotencyKeyOf(request),
  };
}

async function* told(
  first: IteratorResult<ChatCompletionChunk, void>,
  rest: AsyncIterable<ChatCompletionChunk>,
  counts: boolean,
): AsyncGenerator<{ readonly type: string; readonly text: string }, void, undefined> {
  try {
    if (!first.done) yield { type: 'part', text: shown(first.value, counts) };
    for await (const chunk of rest) yield { type: 'part', text: shown(chunk, counts) };
    yield { type: 'end', text: 'data: [DONE]\n\n' };
  } catch (error) {
    yield { type: 'failure', text: failure(apiErrorOf(error)) };
  }
}

/** Token counts are always requested for the budgets, and forwarded only to callers that asked for them. */
function shown(chunk: ChatCompletionChunk, counts: boolean): string {
  if (counts) return data(chunk);
  const { usage, ...rest } = chunk;
  return usage && chunk.choices.length === 0 ? '' : data(rest);
}
