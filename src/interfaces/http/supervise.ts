// The WebSocket of supervisors: commands with replies, and the events of the sessions they watch, on one connection.
import websocket from '@fastify/websocket';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { bodies, token } from '../../../machines/session/events.ts';
import type { Key } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import { feed, Overrun } from '../../sessions/feed.ts';
import type { Troupe } from '../../troupe.ts';
import { checkPosition, type Position, parsePosition, toldBy, wholeBefore } from './frames.ts';
import { asRefused } from './problems.ts';
import { type App, checkDepth, tenantOfStream } from './requests.ts';

const verbs = [
  ...(['takeover', 'inject', 'release', 'pause', 'resume'] as const),
  ...(['approve', 'tool_result', 'cancel', 'close'] as const),
] as const;
type SuperviseVerb = (typeof verbs)[number];

/** A frame from the client; the fields of the command's body stand beside these. */
const request = z.looseObject({
  /** Returned with the reply. */
  id: z.union([z.string().max(200), z.number()]).optional(),
  session: token,
  verb: z.enum([...verbs, 'watch', 'unwatch']),
  idempotency_key: z.string().optional(),
});
const watchBody = z.strictObject({ after: z.string().optional() });

export interface SuperviseOptions {
  readonly heartbeat_ms: number;
  readonly buffer: number;
}

const LARGEST_FRAME = 1024 * 1024;
const MOST_WATCHED = 1_000;

export async function superviseRoutes(app: App, troupe: Troupe, options: SuperviseOptions): Promise<void> {
  await app.register(websocket, { options: { maxPayload: LARGEST_FRAME } });
  app.route({
    method: 'GET',
    url: '/v1/supervise',
    exposeHeadRoute: false,
    config: { stream: true },
    schema: {
      tags: ['sessions'],
      summary: 'WebSocket: command and watch sessions',
      querystring: z.strictObject({ tenant: token.optional() }),
    },
    // Refused before the upgrade, while there is still an HTTP status.
    preHandler: (request, _, done) => {
      tenantOfStream(request);
      done();
    },
    wsHandler: (socket, request) => {
      new Supervisor(socket, troupe, tenantOfStream(request), options);
    },
    handler: (_, reply) => {
      reply.header('upgrade', 'websocket');
      throw new Refused('upgrade_required', 'this is a WebSocket; ask for an upgrade', 426);
    },
  });
}

/** One supervisor's connection. Disconnecting does not end a takeover; its deadline does. */
class Supervisor {
  readonly #socket: WebSocket;
  readonly #troupe: Troupe;
  readonly #tenant: string;
  readonly #buffer: number;
  readonly #watched = new Map<string, AbortController>();
  #alive = true;

  constructor(socket: WebSocket, troupe: Troupe, tenant: string, { heartbeat_ms, buffer }: SuperviseOptions) {
    this.#socket = socket;
    this.#troupe = troupe;
    this.#tenant = tenant;
    this.#buffer = buffer;
    const beat = setInterval(() => this.#beat(), heartbeat_ms).unref();
    socket.on('pong', () => {
      this.#alive = true;
    });
    socket.on('message', (data, binary) => void this.#receive(binary ? '' : data.toString()));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      clearInterval(beat);
      for (const watch of this.#watched.values()) watch.abort();
    });
  }

  /** Pings the client. A client that has not answered the last ping is disconnected. */
  #beat(): void {
    if (!this.#alive) this.#socket.terminate();
    this.#alive = false;
    this.#socket.ping();
  }

  async #receive(text: string): Promise<void> {
    let id: unknown;
    try {
      const frame = readFrame(text);
      id = (frame as { id?: unknown } | null)?.id;
      const { id: _, session, verb, idempotency_key, ...body } = parse(request, frame, 'frame');
      const key = { tenant: this.#tenant, session };
      if (verb === 'watch') await this.#watch(id, key, parse(watchBody, body, 'frame').after);
      else if (verb === 'unwatch') this.#unwatch(id, key, parse(watchBody, body, 'frame'));
      else await this.#command(id, key, verb, body, idempotency_key);
    } catch (error) {
      const { code, message, details } = asRefused(error);
      if (code === 'internal') this.#troupe.log.error({ err: error }, 'a frame of a supervisor broke');
      void this.#send({ id, error: { code, message, ...details } });
    }
  }

  async #command(id: unknown, key: Key, verb: SuperviseVerb, body: object, idempotencyKey?: string): Promise<void> {
    const { conversations } = this.#troupe;
    const state = await conversations.command(key, verb, parse(bodies[verb], body, 'frame') as never, idempotencyKey);
    void this.#send({ id, ok: true, state });
  }

  /** Replies, then sends every event after the client's last id. Watching a session again restarts its stream. */
  async #watch(id: unknown, key: Key, after: string | undefined): Promise<void> {
    const state = await this.#troupe.conversations.view(key);
    const seen = parsePosition(after || '0');
    checkPosition(seen, state);
    this.#watched.get(key.session)?.abort();
    if (this.#watched.size >= MOST_WATCHED)
      throw new Refused('too_many_watched', `one connection may watch ${MOST_WATCHED} sessions`, 429);
    const watch = new AbortController();
    this.#watched.set(key.session, watch);
    void this.#send({ id, ok: true, state });
    void this.#stream(key, seen, watch);
  }

  #unwatch(id: unknown, { session }: Key, _body: object): void {
    this.#watched.get(session)?.abort();
    this.#watched.delete(session);
    void this.#send({ id, ok: true });
  }

  async #stream(key: Key, seen: Position, watch: AbortController): Promise<void> {
    const { session } = key;
    const { orchestrator, log } = this.#troupe;
    const options = { after: wholeBefore(seen), signal: watch.signal, buffer: this.#buffer };
    try {
      for await (const item of feed(orchestrator, key, options)) {
        let sent: Promise<void> | undefined;
        for (const told of toldBy(item, session, seen)) sent = this.#send({ type: 'event', session, ...told });
        // As with SSE: frames not yet taken by the socket stay in the feed, where a takeover can still stop them.
        await sent;
      }
    } catch (error) {
      if (error instanceof Overrun) void this.#send({ type: 'overrun', session });
      else log.error({ err: error }, 'a watch of a supervisor broke');
    } finally {
      if (this.#watched.get(session) === watch) this.#watched.delete(session);
    }
  }

  /** Resolves when the socket has taken the frame, or the client is gone. */
  #send(frame: object): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.readyState !== this.#socket.OPEN) resolve();
      else this.#socket.send(JSON.stringify(frame), () => resolve());
    });
  }
}

function readFrame(text: string): unknown {
  let frame: unknown;
  try {
    frame = JSON.parse(text);
  } catch {
    throw new Refused('bad_json', 'the frame is no JSON');
  }
  checkDepth(frame);
  return frame;
}
