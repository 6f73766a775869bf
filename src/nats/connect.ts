// Connects to NATS, checks the server's version, and words the errors of a failed connection.

import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
} from '@nats-io/transport-node';

export interface NatsOptions {
  /**
   * Server addresses: `host:port` or `nats://host:port`, several of a cluster as a list or separated by commas. A URL
   * may carry `user:password@` or `token@`; error messages never contain its secrets.
   */
  readonly servers: string | readonly string[];
  /** The connection's name in the server's lists and logs; default `troupe`. */
  readonly name?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Path of a `.creds` file: a user's JWT and key. */
  readonly credentials?: string;
  /** Paths of PEM files. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Prefix of every inbox, for users without permission to subscribe to `_INBOX.>`. */
  readonly inboxPrefix?: string;
  /** Milliseconds to wait for one server's answer; default 5000. */
  readonly timeout?: number;
}

/**
 * A NATS server or JetStream that cannot be used as configured. `code` is one of `nats_unreachable`, `nats_denied`,
 * `nats_too_old`, `jetstream_disabled`, `jetstream_full`, `jetstream_failed`.
 */
export class NatsError extends Error {
  override name = 'NatsError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The oldest supported server. */
const OLDEST = '2.9.0';
/** The oldest server whose replicated streams enforce the fence (the expected last sequence of a subject). */
export const OLDEST_REPLICATED = '2.10.27';

/** Connects, or rejects with `NatsError`. Once connected it reconnects for ever, to any server of the cluster. */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { servers, user, password, token } = addresses(options);
  const settings: ConnectionOptions = {
    servers,
    name: options.name ?? 'troupe',
    timeout: options.timeout ?? 5000,
    // Two unanswered pings reveal a dead peer behind a silent network. The client's own interval of two minutes would
    // be an outage.
    pingInterval: 3000,
    // The client gives up after ten attempts by default; a node must reconnect however long the server is down.
    maxReconnectAttempts: -1,
    // After 50 ms instead of two seconds a surviving server takes the connection.
    reconnectTimeWait: 50,
    reconnectJitter: 50,
    // Capturing a stack trace for each request halves the rate of requests.
    noAsyncTraces: true,
    ...(user !== undefined && { user, pass: password }),
    ...(token !== undefined && { token }),
    ...(options.credentials && { authenticator: credsAuthenticator(readFileSync(options.credentials)) }),
    ...(options.tls && { tls: options.tls }),
    ...(options.inboxPrefix && { inboxPrefix: options.inboxPrefix }),
  };
  let connection: NatsConnection;
  try {
    connection = await connect(settings);
  } catch (error) {
    throw refusal(error, servers);
  }
  try {
    assertVersion(connection, OLDEST, 'Troupe works with nats-server 2.9 or newer');
  } catch (error) {
    await connection.close();
    throw error;
  }
  return connection;
}

/**
 * Throws `NatsError` when a stream with this many replicas would not enforce the fence: on a cluster of nats-server
 * 2.9.10, two or more of six racing writers were accepted after the same version in nearly every round; 2.10.27 and
 * later never accepted two. It checks the version of the connected server and assumes that the whole cluster runs it.
 */
export function assertReplicable(connection: NatsConnection, replicas: number): void {
  if (replicas === 1) return;
  const why = `${replicas} replicas need nats-server ${OLDEST_REPLICATED} or newer, because older clusters accept two writers at once`;
  assertVersion(connection, OLDEST_REPLICATED, why);
}

/** The prefix of every inbox of this connection. */
export function inboxPrefix(connection: NatsConnection): string | undefined {
  return (connection as { options?: ConnectionOptions }).options?.inboxPrefix;
}

/** Whether the connected server has at least this version. */
export function hasVersion(connection: NatsConnection, atLeast: string): boolean {
  const have = (connection.info?.version ?? '0.0.0').split('-')[0]!.split('.').map(Number);
  const need = atLeast.split('.').map(Number);
  const differs = need.findIndex((part, i) => part !== have[i]);
  return differs < 0 || have[differs]! > need[differs]!;
}

function assertVersion(connection: NatsConnection, atLeast: string, why: string): void {
  if (hasVersion(connection, atLeast)) return;
  const { version } = connection.info!;
  throw new NatsError('nats_too_old', `The NATS server at ${connection.getServer()} is version ${version}. ${why}.`);
}

/** The client takes credentials only apart from the addresses, and the same ones for all of them. */
function addresses({ servers, user, password, token }: NatsOptions) {
  const given = typeof servers === 'string' ? servers.split(',') : servers;
  const plain: string[] = [];
  for (const address of given) {
    const [, scheme = '', secret, host = ''] = address.trim().match(/^(\w+:\/\/)?(?:(.*)@)?(.*)$/)!;
    plain.push(scheme + host);
    if (secret === undefined || user !== undefined || token !== undefined) continue;
    const [name, word] = secret.split(':', 2).map(decodeURIComponent);
    if (word === undefined) token = name;
    else [user, password] = [name, word];
  }
  return { servers: plain, user, password, token };
}

function refusal(error: unknown, servers: string[]): NatsError {
  const tried = servers.join(', ');
  const cause = error instanceof Error ? error : new Error(String(error));
  if (cause instanceof errors.AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError) {
    return new NatsError('nats_denied', `The NATS server at ${tried} refused the credentials: ${cause.message}.`, {
      cause,
    });
  }
  const how = 'Start nats-server there, or say where it is';
  return new NatsError('nats_unreachable', `No NATS server answers at ${tried}: ${reason(cause)}. ${how}.`, { cause });
}

/** Node's sockets put the reason into `code`, with an empty message when several addresses were tried. */
function reason(error: Error): string {
  const { code } = error as { code?: string };
  const inner = error.cause instanceof Error ? reason(error.cause) : undefined;
  return inner ?? (error.message || code || 'unknown');
}
