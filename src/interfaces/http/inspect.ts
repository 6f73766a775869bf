// Stately's inspection protocol on a WebSocket: programs send their actors, viewers receive them and this runtime's sessions.
import type { FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import { answerOthers, askOthers } from '../../cluster/ask.ts';
import { type ForeignActor, ForeignActors, type Source } from '../../inspect/foreign.ts';
import { inspection } from '../../inspect/protocol.ts';
import { WatchedSessions } from '../../inspect/sessions.ts';
import { Refused } from '../../platform/errors.ts';
import type { Troupe } from '../../troupe.ts';
import { type App, checkDepth, isOwnPage, tenantOf, tenantOfStream } from './requests.ts';

const tags = ['machines'];
/** Name of the question to the other nodes. */
const QUESTION = 'actors';
/**
 * Delay before anything is sent to a connection, ms: a program sends its first event within it and is not taken for a
 * viewer.
 */
const INTRODUCTION = 100;
/** Bytes that may wait for a viewer. Further events are dropped; the next snapshot of each actor has the whole state. */
const WAITING = 4 * 1024 * 1024;

const unknown = z.unknown();
const foreignActor = z.object({
  actor_id: z.string().describe('unique here'),
  name: z.string(),
  session_id: z.string().describe('as its program calls it'),
  parent_id: z.string().nullable(),
  source: z.object({ client: z.string(), connected: z.boolean() }),
  status: z.string(),
  value: unknown,
  context: unknown.optional(),
  output: unknown.optional(),
  definition: z.looseObject({ id: z.string() }).nullable().describe('its chart, as in `GET /v1/machines`'),
  events: z.array(z.object({ at: z.number(), type: z.string(), event: unknown })).describe('the newest, at most 50'),
  updated_at: z.number(),
}) as unknown as z.ZodType<ForeignActor>;

export interface InspectOptions {
  readonly heartbeat_ms: number;
}

/** Mounts the routes. The WebSocket plugin must be registered first. */
export function inspectRoutes(app: App, troupe: Troupe, { heartbeat_ms }: InspectOptions): void {
  const { cluster, transport, log } = troupe;
  const foreign = new ForeignActors(() => troupe.orchestrator.clock.now());
  let connections = 0;
  const failed = (error: unknown) => log.warn({ err: error }, 'foreign actors could not be told to another node');
  if (cluster) {
    const asked = answerOthers(cluster, transport, QUESTION, ({ tenant }) => foreign.list(tenant), failed);
    app.addHook('onClose', async () => asked.unsubscribe());
  }

  app.get(
    '/v1/inspect/actors',
    {
      schema: {
        tags,
        summary: 'Actors of other programs that stream in over `/v1/inspect`, the one with the newest news first',
        response: { 200: z.object({ actors: z.array(foreignActor) }) },
      },
    },
    async (request) => {
      const tenant = tenantOf(request);
      const elsewhere = await askOthers<ForeignActor[]>(cluster, transport, QUESTION, { tenant });
      const actors = [...foreign.list(tenant), ...elsewhere.flatMap(({ answer }) => answer ?? [])];
      return { actors: actors.sort((a, b) => b.updated_at - a.updated_at) };
    },
  );

  app.route({
    method: 'GET',
    url: '/v1/inspect',
    exposeHeadRoute: false,
    // A page of any origin on this machine may send events of its actors, but only this service's own pages may view.
    config: { stream: true, fromOtherPages: true },
    schema: {
      tags,
      summary: "WebSocket: Stately's inspection protocol, for programs (`createWebSocketInspector`) and for viewers",
      querystring: z.strictObject({
        tenant: token.optional(),
        session: token.optional().describe('for viewers: only this session'),
        sessions: z.enum(['true', 'false']).optional().describe('for viewers: `false` leaves sessions out'),
      }),
    },
    preHandler: (request, _, done) => {
      tenantOfStream(request);
      done();
    },
    wsHandler: (socket, request) => {
      connections += 1;
      const tenant = tenantOfStream(request);
      const source = { id: [cluster?.id, `c${connections}`].filter(Boolean).join('.'), tenant, client: request.ip };
      const told = isOwnPage(request) ? new Viewer(socket, troupe, foreign, tenant, request) : undefined;
      listen(socket, foreign, source, told, heartbeat_ms);
    },
    handler: (_, reply) => {
      reply.header('upgrade', 'websocket');
      throw new Refused('upgrade_required', 'this is a WebSocket; ask for an upgrade', 426);
    },
  });
}

/** A connection that sends events is a program: from then on it receives none, because it would not understand them. */
function listen(
  socket: WebSocket,
  foreign: ForeignActors,
  source: Source,
  viewer: Viewer | undefined,
  heartbeat_ms: number,
): void {
  let alive = true;
  let told = false;
  const beat = setInterval(() => {
    if (!alive) socket.terminate();
    alive = false;
    socket.ping();
  }, heartbeat_ms).unref();
  socket.on('pong', () => {
    alive = true;
  });
  socket.on('message', (data, binary) => {
    const parsed = binary ? undefined : inspection.safeParse(readFrame(data.toString()));
    // The protocol has no replies, so an event that does not parse closes the connection.
    if (!parsed?.success) {
      socket.close(1008, 'no event of the inspection protocol');
      return;
    }
    told = true;
    viewer?.stop();
    foreign.hear(source, parsed.data);
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    clearInterval(beat);
    viewer?.stop();
    if (told) foreign.left(source);
  });
}

class Viewer {
  readonly #socket: WebSocket;
  readonly #sessions: WatchedSessions | undefined;
  readonly #introduction: NodeJS.Timeout;
  #unlisten: (() => void) | undefined;

  constructor(socket: WebSocket, troupe: Troupe, foreign: ForeignActors, tenant: string, request: FastifyRequest) {
    const { session, sessions } = request.query as { session?: string; sessions?: string };
    this.#socket = socket;
    if (sessions !== 'false') this.#sessions = new WatchedSessions(troupe, tenant, session, (told) => this.#tell(told));
    this.#introduction = setTimeout(() => {
      if (session === undefined) {
        this.#unlisten = foreign.listen((of, told) => of === tenant && this.#tell(told));
        for (const told of foreign.told(tenant)) this.#tell(told);
      }
      this.#sessions?.start().catch((error) => troupe.log.error({ err: error }, 'sessions could not be inspected'));
    }, INTRODUCTION);
  }

  stop(): void {
    clearTimeout(this.#introduction);
    this.#unlisten?.();
    this.#sessions?.stop();
  }

  #tell(told: object): void {
    if (this.#socket.readyState === this.#socket.OPEN && this.#socket.bufferedAmount < WAITING)
      this.#socket.send(JSON.stringify(told));
  }
}

function readFrame(text: string): unknown {
  try {
    const frame = JSON.parse(text);
    checkDepth(frame);
    return frame;
  } catch {
    return undefined;
  }
}
