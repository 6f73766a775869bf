// A loopback port that speaks the NATS client protocol on top of any transport, so that NATS clients need no server.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { type Clock, realClock } from '../platform/clock.ts';
import { Refused } from '../platform/errors.ts';
import { type Log, silent } from '../platform/log.ts';
import type { Transport } from '../transport/transport.ts';
import { Connection, type ConnectionLimits } from './port/connection.ts';

export interface NatsPortOptions {
  /** A loopback address, `127.0.0.1` by default: the port has no authentication. */
  readonly host?: string;
  /** 0, the default, takes any free port. */
  readonly port?: number;
  /** The clock of the pings. */
  readonly clock?: Clock;
  /** Logs the clients that the port disconnected. */
  readonly log?: Log;
  /**
   * Overrides nats-server's defaults: 1 MiB payloads, 4 KiB lines, 64 MiB pending, a ping every two minutes, two
   * unanswered.
   */
  readonly limits?: Partial<ConnectionLimits>;
}

export interface NatsPort {
  readonly port: number;
  /** `nats://127.0.0.1:4222` */
  readonly url: string;
  /** Stops listening, flushes pending messages, and ends all connections. The transport stays open. */
  close(): Promise<void>;
}

const MiB = 1024 * 1024;
const LIMITS: ConnectionLimits = {
  maxPayload: MiB,
  maxControlLine: 4096,
  maxPending: 64 * MiB,
  pingInterval: 120_000,
  maxPingsOut: 2,
};

/** The server version that clients check for features: the port implements the core NATS of this version. */
const SPEAKS_LIKE = '2.9.0';
const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/**
 * Opens the port: core NATS, with headers, queue groups and no-responders, without JetStream, TLS or accounts
 * (https://docs.nats.io/reference/reference-protocols/nats-protocol). Messages between two clients of the port pass
 * through the transport, so subscribers in this process get them and can reply.
 *
 * `echo: false` needs a transport that passes headers on unchanged, as the memory transport does. Rejects with
 * `Refused('not_loopback')`, or with the error of `listen`, such as `EADDRINUSE`.
 */
export async function natsPort(transport: Transport, options: NatsPortOptions = {}): Promise<NatsPort> {
  const { host = '127.0.0.1', port = 0, clock = realClock, log = silent } = options;
  if (!LOOPBACK.test(host))
    throw new Refused('not_loopback', `the NATS port takes clients of this machine only, so it cannot be on ${host}`);
  const limits = { ...LIMITS, ...options.limits };
  const connections = new Set<Connection>();
  const serverId = randomUUID();
  let clients = 0;

  const server = createServer((socket) => {
    clients += 1;
    const client = clients;
    const closed = (reason?: string, err?: unknown): void => {
      connections.delete(connection);
      if (reason !== undefined) log.warn({ client, reason, err }, 'a NATS client was cut off');
    };
    const { port } = server.address() as AddressInfo;
    const info = {
      server_id: serverId,
      server_name: 'troupe',
      version: SPEAKS_LIKE,
      proto: 1,
      host,
      port,
      headers: true,
      max_payload: limits.maxPayload,
      client_id: client,
      client_ip: socket.remoteAddress,
    };
    const connection = new Connection(socket, info, { transport, limits, clock, closed });
    connections.add(connection);
  });
  server.listen(port, host);
  await once(server, 'listening');

  const { port: bound, address } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    const closed = once(server.close(), 'close');
    for (const connection of connections) connection.close();
    await closed;
  };
  return { port: bound, url: `nats://${address.includes(':') ? `[${address}]` : address}:${bound}`, close };
}
