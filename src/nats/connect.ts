// The one place that connects to NATS, and the sentences that say why it cannot.

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
   * Where the servers are: `host:port` or `nats://host:port`, several of a cluster as a list or separated by commas.
   * A URL may carry `user:password@` or `token@`; its secrets are in no error message.
   */
  readonly servers: string | readonly string[];
  /** How the connection shows up in the server's lists and logs; `troupe` unless told. */
  readonly name?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Path of a `.creds` file: a user's JWT and key. */
  readonly credentials?: string;
  /** Paths of PEM files. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Begins every inbox, for users that may not subscribe to `_INBOX.>`. */
  readonly inboxPrefix?: string;
  /** Milliseconds that one server may take to answer; 5000 unless told. */
  readonly timeout?: number;
}

/**
 * NATS cannot be used as asked. `code` is one of `nats_unreachable`, `nats_denied`, `nats_too_old`, `jetstream_disabled`,
 * `jetstream_full`, `jetstream_failed`.
 */
export class NatsError extends Error {
  override name = 'NatsError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The oldest server that is used at all. */
const OLDEST = '2.9.0';
/** The oldest server whose replicated streams keep the fence. */
export const OLDEST_REPLICATED = '2.10.27';

/** Connects, or rejects with `NatsError`. Once connected it reconnects for ever, to any server of the cluster. */
export async function connectNats(options: NatsOptions): Promise<NatsConnection> {
  const { servers, user, password, token } = addresses(options);
  const settings: ConnectionOptions = {
    servers,
    name: options.name ?? 'troupe',
    timeout: options.timeout ?? 5000,
    // A dead peer behind a silent network is noticed after two of these. The client's own two minutes are an outage.
    pingInterval: 3000,
    // The client gives up after ten attempts unless told; a runtime has nothing better to do than to come back.
    maxReconnectAttempts: -1,
    // A surviving server takes over within milliseconds instead of two seconds.
    reconnectTimeWait: 50,
    reconnectJitter: 50,
    // A stack trace captured for each request halves the rate of requests.
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
 * Throws `NatsError` where a stream with so many replicas must not be trusted: on a cluster of nats-server 2.9.10, two or more
 * of six racing writers were accepted after the same version in nearly every round; 2.10.27 and later never accepted two. It
 * sees the version of the server it is connected to, and trusts that a cluster runs one version.
 */
export function assertReplicable(connection: NatsConnection, replicas: number): void {
  if (replicas === 1) return;
  const why = `${replicas} replicas need nats-server ${OLDEST_REPLICATED} or newer, because older clusters accept two writers at once`;
  assertVersion(connection, OLDEST_REPLICATED, why);
}

/** The name that every inbox of this connection begins with. */
export function inboxPrefix(connection: NatsConnection): string | undefined {
  return (connection as { options?: ConnectionOptions }).options?.inboxPrefix;
}

/** Whether the server it is connected to has at least this version. */
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

/** The client takes credentials beside the addresses only, and the same ones for all of them. */
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

/** Node's sockets put the reason into `code`, under an empty message when several addresses were tried. */
function reason(error: Error): string {
  const { code } = error as { code?: string };
  const inner = error.cause instanceof Error ? reason(error.cause) : undefined;
  return inner ?? (error.message || code || 'unknown');
}
