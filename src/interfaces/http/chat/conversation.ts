// A conversation behind the OpenAI API: a request's last message goes to a session, and the response is its answer.
import { createHash, randomUUID } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { parseRunId, type RunEvent, runEventsOf } from '../../../../actors/transcript.ts';
import type { SessionView } from '../../../../actors/view.ts';
import { bodies, token } from '../../../../machines/session/events.ts';
import type { Key } from '../../../journal/journal.ts';
import { Refused } from '../../../platform/errors.ts';
import { parse } from '../../../platform/parse.ts';
import { continuation, questionOf } from '../../../sessions/continuation.ts';
import { cameTo, type Outcome } from '../../../sessions/outcome.ts';
import { type TurnItem, turn } from '../../../sessions/turn.ts';
import type { Troupe } from '../../../troupe.ts';
import { ending, idempotencyKeyOf, leaving, tenantOf } from '../requests.ts';
import type { EventStreams } from '../sse.ts';
import { type ChatBody, textOf } from './body.ts';
import { Chunks, completionOf, endingOf, failure } from './completion.ts';
import { apiErrorOf } from './errors.ts';

/** Model name of a conversation; `troupe/<agent>` names the agent as well. */
const CONVERSATION = 'troupe';

export const isConversation = (model: string | undefined): model is string =>
  model === CONVERSATION || (model?.startsWith(`${CONVERSATION}/`) ?? false);

export class ChatConversations {
  readonly #troupe: Troupe;
  readonly #streams: EventStreams;
  readonly #buffer: number;

  constructor(troupe: Troupe, streams: EventStreams, buffer: number) {
    this.#troupe = troupe;
    this.#streams = streams;
    this.#buffer = buffer;
  }

  /**
   * Answers a request whose model is a conversation. Refusals are thrown before the stream, so that they become error
   * documents.
   */
  async answer(request: FastifyRequest, reply: FastifyReply, body: ChatBody): Promise<FastifyReply> {
    const model = body.model!;
    const key = { tenant: tenantOf(request), session: sessionOf(request, body) };
    const streamed = body.stream === true;
    const signal = streamed ? ending(reply) : leaving(reply);
    const items = this.#items(key, model, body, { signal, idempotencyKey: idempotencyKeyOf(request) });
    const { value: accepted } = await items.next();
    if (accepted?.type !== 'accepted') return reply;
    const { run_id } = accepted;
    const header = { run_id, model, created: Math.floor(this.#troupe.orchestrator.clock.now() / 1_000) };
    const headers = { 'x-session-id': key.session, 'x-run-id': run_id };
    if (!streamed) {
      const outcome = await lastOf(items);
      return reply.headers(headers).send(completionOf(header, endingOf(outcome)));
    }
    for (const [name, value] of Object.entries(headers)) reply.raw.setHeader(name, value);
    const chunks = new Chunks(header, body.stream_options?.include_usage === true);
    await this.#streams.open(reply).tell(framesOf(items, chunks, run_id), ({ text }) => text);
    return reply;
  }

  /** The items of a turn, from the request's last message: `accepted` first, the outcome last. */
  #items(
    key: Key,
    model: string,
    { messages }: ChatBody,
    { signal, idempotencyKey }: { readonly signal: AbortSignal; readonly idempotencyKey?: string },
  ): AsyncGenerator<TurnItem, void, undefined> {
    const { orchestrator, conversations } = this.#troupe;
    const last = messages.at(-1)!;
    if (last.role === 'tool') {
      const result = { call: last.tool_call_id ?? '', result: parsed(textOf(last)) };
      const body = parse(bodies.tool_result, result, 'messages');
      return continued(this.#troupe, key, body, { signal, idempotencyKey }, this.#buffer);
    }
    if (last.role !== 'user')
      throw new Refused(
        'no_user_message',
        `the last message is of role "${last.role}"; it should be "user" or "tool"`,
        400,
      );
    const agent_id = model === CONVERSATION ? undefined : parse(token, model.slice(CONVERSATION.length + 1), 'model');
    const body = parse(bodies.message, { content: textOf(last), agent_id }, 'messages');
    const items = turn(orchestrator, conversations, key, body, { idempotencyKey, signal, buffer: this.#buffer });
    return unlessWaiting(this.#troupe, key, items);
  }
}

/** States of an older run in which a message waits until a person or another client acts. */
const WAITING = new Set(['running.awaitingApproval', 'running.awaitingClientTool']);

/**
 * The items of a turn. A message behind a waiting run stays in the mailbox, and its caller gets status `accepted` at once.
 */
async function* unlessWaiting(
  { conversations }: Troupe,
  key: Key,
  items: AsyncIterable<TurnItem>,
): AsyncGenerator<TurnItem, void, undefined> {
  for await (const item of items) {
    yield item;
    if (item.type !== 'accepted') continue;
    const state = await conversations.view(key);
    if (state.run?.run_id === item.run_id || !WAITING.has(state.turn ?? '')) continue;
    const { run_id, message_id } = item;
    const outcome = { status: 'accepted', run_id, message_id, agent_id: null, answer: null, trace: [], state } as const;
    yield { type: 'outcome', outcome };
    return;
  }
}

/** Submits the result of a caller's tool and yields what follows. A repeated result gets the same reply. */
async function* continued(
  { orchestrator, conversations }: Troupe,
  key: Key,
  body: { readonly call: string; readonly result?: unknown },
  {
    signal,
    idempotencyKey = `result:${body.call}`,
  }: { readonly signal: AbortSignal; readonly idempotencyKey?: string },
  buffer: number,
): AsyncGenerator<TurnItem, void, undefined> {
  const found = await questionOf(orchestrator, key, body.call);
  const question = found ?? { run_id: runOf(body.call), n: 0 };
  const { run_id } = question;
  const common = { run_id, message_id: '', agent_id: null, answer: null };
  let kept: SessionView | undefined;
  const hand = async (): Promise<void> => {
    const state = await conversations.command(key, 'tool_result', body, idempotencyKey);
    if (state.control === 'automated') return;
    // The run continues when the AI has the floor again; there is no telling when that is.
    kept = state;
    throw QUEUED;
  };
  const items = continuation(orchestrator, key, question, hand, { conversations, signal, buffer });
  const trace: RunEvent[] = [];
  let begun = false;
  try {
    for await (const item of items) {
      if (!begun) yield { type: 'accepted', run_id, message_id: '' };
      begun = true;
      if (item.type === 'entry') trace.push(...runEventsOf(item.entry, run_id));
      if (item.type !== 'settled') yield item;
      else {
        const state = await conversations.view(key);
        const done = trace.findLast((one) => one.type === 'agent_invoke_done');
        yield { type: 'outcome', outcome: { ...common, ...cameTo(item.told, done), trace, state } };
      }
    }
    signal.throwIfAborted();
  } catch (error) {
    if (error !== QUEUED) throw error;
    yield { type: 'accepted', run_id, message_id: '' };
    yield { type: 'outcome', outcome: { ...common, status: 'accepted', trace: [], state: kept! } };
  }
}

const QUEUED = new Error('kept');

async function lastOf(items: AsyncIterable<TurnItem>): Promise<Outcome> {
  for await (const item of items) if (item.type === 'outcome') return item.outcome;
  throw new Refused('stopped', 'this node stops; the conversation goes on, ask again', 503, { retry_after_s: 1 });
}

/** The chunks of a turn's items. An error after the stream has begun is sent as its last event. */
async function* framesOf(
  items: AsyncIterable<TurnItem>,
  chunks: Chunks,
  run_id: string,
): AsyncGenerator<{ readonly type: string; readonly text: string }, void, undefined> {
  yield { type: 'begin', text: chunks.begin() };
  try {
    for await (const item of items) {
      if (item.type === 'part' && item.part.run_id === run_id) yield { type: 'part', text: chunks.text(item.part) };
      if (item.type === 'outcome') yield { type: 'outcome', text: chunks.end(endingOf(item.outcome)) };
    }
  } catch (error) {
    yield { type: 'failure', text: failure(apiErrorOf(error)) };
  }
}

/** The session of a request: the one it names, or the one whose tool call it answers, or its user's, or a new one. */
function sessionOf({ headers }: FastifyRequest, { metadata, user, messages }: ChatBody): string {
  const named = metadata?.session_id ?? headers['x-session-id'];
  if (named !== undefined) return parse(token, named, 'session_id');
  const { role, tool_call_id = '' } = messages.at(-1)!;
  const asked = role === 'tool' && parseRunId(runOf(tool_call_id))?.session;
  if (asked) return asked;
  if (user)
    return token.safeParse(user).success ? user : `u-${createHash('sha256').update(user).digest('hex').slice(0, 32)}`;
  return `c-${randomUUID()}`;
}

/** A call id begins with its run's id. */
const runOf = (call: string): string => call.slice(0, Math.max(0, call.lastIndexOf('.')));

/** The parsed JSON of a result, else its text. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
