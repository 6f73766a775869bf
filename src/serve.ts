// The service: a runtime, its HTTP interface and its ingress in one process, from start to orderly shutdown.
import type { FastifyInstance } from 'fastify';
import { type Logger, pino } from 'pino';
import { shardLimits } from '../machines/shard/events.ts';
import { natsNode } from './cluster/node.ts';
import type { Config, Database } from './config/config.ts';
import { createServer } from './interfaces/http/server.ts';
import { startIngress } from './interfaces/ingress.ts';
import { memoryJournal } from './journal/memory.ts';
import { sqliteJournal } from './journal/sqlite.ts';
import { type NatsPort, natsPort } from './nats/port.ts';
import { Refused } from './platform/errors.ts';
import { createTroupe, type Troupe } from './troupe.ts';

export interface Service {
  /** Its base URL: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** URL of the loopback port for NATS clients, if it was opened: `nats://127.0.0.1:4222`. */
  readonly nats_url: string | undefined;
  readonly troupe: Troupe;
  readonly app: FastifyInstance;
  /**
   * Stops accepting requests, gives open ones a bounded time, closes the journal. Owed effects are performed after the next
   * start.
   */
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Default: JSON lines on standard output. */
  readonly log?: Logger;
  /** Whether SIGTERM and SIGINT close the service and end the process. Default true. */
  readonly signals?: boolean;
  /** Time for open requests to be answered after `close`, ms. Default: as configured, or 30,000. */
  readonly grace_ms?: number;
}

/**
 * Starts the service. Rejects with `Refused` for a bad declaration or `port_in_use`, with `JournalError` if the journal cannot be
 * opened; everything started so far is stopped then.
 */
export async function serve(config: Config, options: ServeOptions = {}): Promise<Service> {
  const { log = pino({ level: config.log_level }), signals = true } = options;
  const { grace_ms = config.troupe.drain_ms ?? shardLimits.parse({}).release_ms } = options;
  const node = config.nats && (await natsNode(config.nats));
  const journal = node?.journal ?? openJournal(config.database);
  const shared = { transport: node?.transport, cluster: node?.cluster };
  const troupe = await createTroupe({ ...config.troupe, ...shared, journal, log }).catch(async (error) => {
    await journal.close();
    await node?.close();
    throw error;
  });
  const ingress = config.ingress_url ? startIngress({ troupe, url: config.ingress_url, log }) : undefined;
  const app = await createServer(troupe);

  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= end();
    return closed;
  };
  const end = async (): Promise<void> => {
    for (const signal of SIGNALS) process.off(signal, leave);
    const late = setTimeout(() => {
      app.server.closeAllConnections();
      for (const socket of app.websocketServer.clients) socket.terminate();
    }, grace_ms);
    // Other nodes take over the sessions while the last requests are answered.
    await Promise.all([app.close(), troupe.cluster?.handOver()]);
    clearTimeout(late);
    ingress?.close();
    // Closed after HTTP, because agents of open requests may be connected to it.
    await clients?.close();
    await troupe.close();
    await node?.close();
  };
  const leave = (signal: NodeJS.Signals): void => {
    log.info({ signal }, 'closing');
    close().then(
      () => process.exit(0),
      (error) => {
        log.error({ err: error }, 'closed badly');
        process.exit(1);
      },
    );
    // A second signal ends the process at once.
    for (const again of SIGNALS) process.once(again, () => process.exit(1));
  };

  let clients: NatsPort | undefined;
  const open = async (): Promise<string> => {
    clients = await openNatsPort(config, troupe, log);
    return listen(app, config);
  };
  const url = await open().catch(async (error) => {
    await close();
    throw error;
  });
  if (signals) for (const signal of SIGNALS) process.once(signal, leave);
  const remembered = node ? { node: node.cluster.id, nats: true } : { database: config.database };
  log.info({ url, nats_url: clients?.url, ...remembered, file: config.file }, 'listening');
  return { url, nats_url: clients?.url, troupe, app, close };
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

const openJournal = (database: Database) =>
  database.kind === 'memory' ? memoryJournal() : sqliteJournal({ path: database.path });

/** Default port of NATS clients. */
const NATS_PORT = 4222;

/** Opens the loopback port for NATS clients. Without a configured port it gives way to a running nats-server. */
async function openNatsPort({ nats, nats_port }: Config, troupe: Troupe, log: Logger): Promise<NatsPort | undefined> {
  if (nats || nats_port === 'off') return undefined;
  const port = nats_port ?? NATS_PORT;
  return natsPort(troupe.transport, { port, log }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE' && error.code !== 'EACCES') throw error;
    const reason = `127.0.0.1:${port} ${error.code === 'EACCES' ? 'is not for this process' : 'is in use'}`;
    if (nats_port !== undefined) throw new Refused('port_in_use', `${reason}; choose another NATS_PORT, or 0`, 409);
    log.info({ port }, `${reason}, so no NATS port is opened; set NATS_PORT to have one elsewhere`);
    return undefined;
  });
}

function listen(app: FastifyInstance, { host, port, any_port }: Config): Promise<string> {
  return app.listen({ host, port }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE' && any_port) return app.listen({ host, port: 0 });
    const where = `${host}:${port}`;
    if (error.code === 'EADDRINUSE')
      throw new Refused('port_in_use', `${where} is in use; stop what listens there, or set HTTP_PORT`, 409);
    if (error.code === 'EACCES') throw new Refused('port_denied', `this process may not listen on ${where}`, 403);
    if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND')
      throw new Refused('bad_host', `${host} is no address of this machine; set HTTP_HOST`, 400);
    throw error;
  });
}
