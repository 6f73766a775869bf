// The HTTP interface for agents that speak A2A (1.0 and 0.3, JSON-RPC): a context is a session, a task is a run.
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import type { Troupe } from '../../troupe.ts';
import { cardOf } from './a2a/card.ts';
import { current, type Dialect, isCurrentMethod, legacy } from './a2a/dialect.ts';
import { refusal, rpcErrorOf } from './a2a/errors.ts';
import { A2aMethods } from './a2a/methods.ts';
import type { StreamResponse } from './a2a/objects.ts';
import { type App, ending, leaving, tenantOf } from './requests.ts';
import type { EventStreams } from './sse.ts';

const envelope = z.looseObject({
  jsonrpc: z.literal('2.0', 'must be "2.0"'),
  id: z.union([z.string().max(200), z.number(), z.null()]).optional(),
  method: z.string(),
  params: z.unknown().optional(),
});

/**
 * Updates that are written together. A batch of type `part` carries a delta and is written only when the client has taken
 * the one before.
 */
export interface Batch {
  readonly type: 'part' | 'entry';
  readonly events: readonly StreamResponse[];
}

export function a2aRoutes(app: App, troupe: Troupe, streams: EventStreams, buffer: number): void {
  const tags = ['interop'];
  const params = z.object({ agent_id: token });
  const door = new A2aDoor(troupe, streams, buffer);
  // The protocol wants every error as JSON-RPC, so a body that does not parse gets a JSON-RPC error as well.
  const errorHandler = (error: unknown, _: FastifyRequest, reply: FastifyReply) =>
    reply.code(200).send({ jsonrpc: '2.0', id: null, error: rpcErrorOf(error) });
  const body = z.unknown();

  app.get('/.well-known/agent-card.json', { schema: { tags, summary: 'A2A: the agent card' } }, (request, reply) =>
    door.card(request, reply),
  );
  app.get(
    '/a2a/:agent_id/.well-known/agent-card.json',
    { schema: { tags, summary: 'A2A: the card of one agent', params } },
    (request, reply) => door.card(request, reply, request.params.agent_id),
  );
  app.post('/a2a', { schema: { tags, summary: 'A2A: JSON-RPC', body }, errorHandler }, (request, reply) =>
    door.call(request, reply),
  );
  app.post(
    '/a2a/:agent_id',
    { schema: { tags, summary: 'A2A: JSON-RPC, with this agent', params, body }, errorHandler },
    (request, reply) => door.call(request, reply, request.params.agent_id),
  );
}

class A2aDoor {
  readonly #troupe: Troupe;
  readonly #streams: EventStreams;
  readonly #buffer: number;

  constructor(troupe: Troupe, streams: EventStreams, buffer: number) {
    this.#troupe = troupe;
    this.#streams = streams;
    this.#buffer = buffer;
  }

  card(request: FastifyRequest, reply: FastifyReply, agent_id?: string): FastifyReply {
    const known = this.#troupe.directory.agents(tenantOf(request));
    const agent = known.find(({ id }) => id === agent_id);
    if (agent_id !== undefined && !agent) throw refusal('task_not_found', `there is no agent "${agent_id}"`);
    const path = agent_id === undefined ? '/a2a' : `/a2a/${agent_id}`;
    const url = `${request.protocol}://${request.host}${path}`;
    const card = JSON.stringify(cardOf(url, agent ? [agent] : known, agent));
    const etag = `"${createHash('sha256').update(card).digest('base64url').slice(0, 22)}"`;
    reply.header('cache-control', 'max-age=60').header('etag', etag);
    if (request.headers['if-none-match'] === etag) return reply.code(304).send();
    return reply.type('application/json; charset=utf-8').send(card);
  }

  async call(request: FastifyRequest, reply: FastifyReply, agent_id?: string): Promise<unknown> {
    const parsed = envelope.safeParse(request.body);
    const id = parsed.success ? (parsed.data.id ?? null) : null;
    try {
      if (!parsed.success) throw refusal('invalid_request', z.prettifyError(parsed.error));
      const { method: given, params } = parsed.data;
      const dialect = dialectOf(request, given);
      const method = dialect.method(given);
      if (method === undefined) throw refusal('method_not_found', `there is no method "${given}"`);
      const tenant = tenantOf(request);
      const methods = new A2aMethods(this.#troupe, { tenant, agent_id, buffer: this.#buffer });
      const input = dialect.params(params);
      if (method === 'SendStreamingMessage' || method === 'SubscribeToTask') {
        const items =
          method === 'SubscribeToTask' ? methods.subscribe(input, ending(reply)) : methods.stream(input, ending(reply));
        return await this.#stream(reply, items, id, dialect);
      }
      return { jsonrpc: '2.0', id, result: await methods.call(method, input, dialect, leaving(reply)) };
    } catch (error) {
      const told = rpcErrorOf(error);
      if (told.code === -32603) this.#troupe.log.error({ err: error }, 'a call of A2A broke');
      return { jsonrpc: '2.0', id, error: told };
    }
  }

  /** Refusals are thrown before the stream is opened, so that the client gets a plain response. */
  async #stream(
    reply: FastifyReply,
    items: AsyncGenerator<Batch>,
    id: unknown,
    dialect: Dialect,
  ): Promise<FastifyReply> {
    const first = await items.next();
    const frame = (member: object) => `data: ${JSON.stringify({ jsonrpc: '2.0', id, ...member })}\n\n`;
    const { log } = this.#troupe;
    async function* rest(): AsyncGenerator<Batch | { readonly type: 'error'; readonly error: unknown }> {
      try {
        if (!first.done) yield first.value;
        yield* items;
      } catch (error) {
        log.error({ err: error }, 'a stream of A2A broke');
        yield { type: 'error', error };
      }
    }
    await this.#streams
      .open(reply)
      .tell(rest(), (item) =>
        item.type === 'error'
          ? frame({ error: rpcErrorOf(item.error) })
          : item.events.map((event) => frame({ result: dialect.event(event) })).join(''),
      );
    return reply;
  }
}

/** The A2A version of a request. Without a version header it is 0.3, unless the method exists only in 1.0. */
function dialectOf({ headers, query }: FastifyRequest, method: string): Dialect {
  const named = (headers['a2a-version'] ?? (query as Record<string, string>)?.['A2A-Version'] ?? '') as string;
  if (named === '') return isCurrentMethod(method) ? current : legacy;
  const [, version] = /^(\d+\.\d+)(?:\.\d+)?$/.exec(named.trim()) ?? [];
  if (version === '1.0') return current;
  if (version === '0.3') return legacy;
  throw refusal('version_not_supported', `A2A ${named} is not spoken here: 1.0 and 0.3 are`);
}
