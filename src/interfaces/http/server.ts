// The HTTP interface: a Fastify server over a runtime. Mount it, inject requests into it, or listen.
import { isUtf8 } from 'node:buffer';
import fastify, { type FastifyInstance, type HTTPMethods } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { z } from 'zod';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import type { Troupe } from '../../troupe.ts';
import { a2aRoutes } from './a2a.ts';
import { agUiRoutes } from './ag-ui.ts';
import { agentRoutes } from './agents.ts';
import { chartRoutes } from './charts.ts';
import { chatRoutes } from './chat.ts';
import { idleConnections } from './connections.ts';
import { eventRoutes } from './events.ts';
import { fleetRoutes } from './fleet.ts';
import { healthRoutes } from './health.ts';
import { inspectRoutes } from './inspect.ts';
import { inspectorRoutes } from './inspector.ts';
import { jobRoutes } from './jobs.ts';
import { lifeRoutes } from './lives.ts';
import { messageRoutes } from './messages.ts';
import { metricsRoutes } from './metrics.ts';
import { openapi } from './openapi.ts';
import { orchestrateRoutes } from './orchestrate.ts';
import { orchestratorRoutes } from './orchestrators.ts';
import { answerNoHttp, sendProblem } from './problems.ts';
import { type App, checkDepth, checkOrigin } from './requests.ts';
import { runRoutes } from './runs.ts';
import { sessionRoutes } from './sessions.ts';
import { EventStreams } from './sse.ts';
import { superviseRoutes } from './supervise.ts';

export interface ServerOptions {
  /** Largest body, bytes. Default 1 MiB. */
  readonly bodyLimit?: number;
  /** Interval between the heartbeats of a stream, ms. Default 15,000. */
  readonly heartbeat_ms?: number;
  /** Items that may wait for a slow client before its stream ends with `overrun`. Default 1,000. */
  readonly buffer?: number;
  /** Folder of the built inspector page. Default: the package's own. */
  readonly page?: string;
}

/** Time within which a request must have arrived, ms. The reply may take longer. */
const ARRIVAL = 30_000;

/**
 * Builds the server. It does not listen yet, and closing it does not close the runtime.
 *
 * @example
 * ```ts
 * import { createTroupe } from 'troupe';
 * import { createServer } from 'troupe/http';
 *
 * const troupe = await createTroupe({ handleNoMatch: () => 'Nobody is in yet.' });
 * const app = await createServer(troupe);
 * const url = await app.listen({ host: '127.0.0.1', port: 0 });
 * const response = await fetch(`${url}/v1/sessions/s1/messages`, {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ content: 'hello' }),
 * });
 * console.log(((await response.json()) as { answer: string }).answer); // Nobody is in yet.
 * await app.close();
 * await troupe.close();
 * ```
 */
export async function createServer(troupe: Troupe, options: ServerOptions = {}): Promise<FastifyInstance> {
  const { bodyLimit = 1024 * 1024, heartbeat_ms = 15_000, buffer = 1_000, page } = options;
  const app: App = fastify({
    bodyLimit,
    requestTimeout: ARRIVAL,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1_000 },
    frameworkErrors: (error, request, reply) => void sendProblem(request, reply, error, troupe.log),
    clientErrorHandler: answerNoHttp,
  }).withTypeProvider<ZodTypeProvider>();
  const streams = new EventStreams(heartbeat_ms, troupe.log);

  readBodies(app);
  refuse(app, troupe);
  const methods = methodsByUrl(app);
  await openapi(app);
  metricsRoutes(app, troupe, streams);
  sessionRoutes(app, troupe);
  messageRoutes(app, troupe, streams, buffer);
  eventRoutes(app, troupe, streams, buffer);
  lifeRoutes(app, troupe);
  agUiRoutes(app, troupe, streams, buffer);
  a2aRoutes(app, troupe, streams, buffer);
  runRoutes(app, troupe);
  agentRoutes(app, troupe);
  orchestratorRoutes(app, troupe);
  orchestrateRoutes(app, troupe);
  jobRoutes(app, troupe);
  chartRoutes(app, troupe);
  fleetRoutes(app, troupe, streams);
  chatRoutes(app, troupe, streams, buffer);
  healthRoutes(app, troupe);
  inspectorRoutes(app, troupe, page);
  await superviseRoutes(app, troupe, { heartbeat_ms, buffer });
  inspectRoutes(app, troupe, { heartbeat_ms });
  refuseOtherMethods(app, methods);
  const endIdle = idleConnections(app.server);
  // Before the server waits for its connections: these would never end by themselves.
  app.addHook('preClose', async () => {
    streams.close();
    endIdle();
  });
  return app as unknown as FastifyInstance;
}

/** Accepts JSON in UTF-8 only; the route's zod schema validates it. */
function readBodies(app: App): void {
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    if (body.length === 0) done(null, undefined);
    else if (isUtf8(body)) parseJson(request, body.toString(), done);
    else done(new Refused('bad_json', 'the body is not UTF-8') as Error);
  });
  app.setValidatorCompiler<z.ZodType>(({ schema, httpPart }) => (data) => {
    try {
      if (httpPart === 'body') checkDepth(data);
      return { value: parse(schema, data ?? {}, httpPart === 'querystring' ? 'query' : httpPart) };
    } catch (error) {
      return { error: error as Error };
    }
  });
  // Responses are built here; validating them again would cost more than building them.
  app.setSerializerCompiler(() => JSON.stringify);
}

function refuse(app: App, { log }: Troupe): void {
  app.addHook('onRequest', (request, { raw }, done) => {
    // Node detaches the connection of a request with `Upgrade`; if the request gets a plain response, the connection must be
    // closed here.
    if (request.headers.upgrade !== undefined) raw.once('finish', () => raw.socket?.destroySoon());
    if (request.is404) throw new Refused('not_found', `there is nothing at ${request.method} ${request.url}`, 404);
    checkOrigin(request);
    done();
  });
  app.setNotFoundHandler(() => {
    throw new Refused('not_found', 'there is nothing here', 404);
  });
  app.setErrorHandler((error, request, reply) => sendProblem(request, reply, error, log));
}

const METHODS: readonly HTTPMethods[] = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];

/** A map that the routes added from now on fill. */
function methodsByUrl(app: App): Map<string, Set<string>> {
  const methods = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method }) => {
    const known = methods.get(url) ?? new Set();
    for (const one of [method].flat()) known.add(one);
    methods.set(url, known);
  });
  return methods;
}

/** Refuses a path that exists for other methods: 405 with `Allow`. */
function refuseOtherMethods(app: App, methods: ReadonlyMap<string, ReadonlySet<string>>): void {
  for (const [url, allowed] of [...methods]) {
    const allow = [...allowed].sort().join(', ');
    app.route({
      url,
      method: METHODS.filter((method) => !allowed.has(method)),
      schema: { hide: true } as object,
      // Refused before the body is read, because its content does not matter.
      onRequest: (request, reply) => {
        reply.header('allow', allow);
        throw new Refused('method_not_allowed', `${request.method} is not allowed here; ${allow} is`, 405);
      },
      handler: () => {},
    });
  }
}
