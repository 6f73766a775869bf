// The stream of a journal: created once, with every setting explicit, and checked at every opening.

import type { StreamConfig, StreamInfo } from '@nats-io/jetstream';
import { assertReplicable } from '../../nats/connect.ts';
import { ApiError, BEING_CREATED, type JetStream } from '../../nats/jetstream.ts';
import { JournalError } from '../../platform/errors.ts';
import { NoResponders } from '../../transport/transport.ts';
import { journalFailure } from './failures.ts';

export interface StreamSettings {
  /** The first token of the subjects, and of the stream's name. */
  readonly name: string;
  /** Number of shards of a new journal. An existing one has a fixed number; another value here is refused. */
  readonly shards?: number;
  readonly replicas: number;
}

export interface OpenedStream {
  readonly stream: string;
  readonly shards: number;
}

const SHARDS = 64;
const STREAM_NOT_FOUND = 10059;
const TRIES = 20;

/** The name of a journal's stream. */
export const streamOf = (name: string): string => `${name}-journal`;

/** Opens the stream of a journal, and creates it when there is none. Rejects with `JournalError`. */
export async function openStream(js: JetStream, settings: StreamSettings): Promise<OpenedStream> {
  const stream = streamOf(settings.name);
  const doing = `open the stream ${stream}`;
  try {
    await assertJetStream(js);
    assertReplicable(js.connection, settings.replicas);
    const config = await findOrCreate(js, stream, settings);
    return { stream, shards: check(config, stream, settings) };
  } catch (error) {
    throw journalFailure(error, doing);
  }
}

/** Without JetStream its API has no responders; nor does it while its servers are starting. */
async function assertJetStream(js: JetStream): Promise<void> {
  try {
    await js.ask('$JS.API.INFO');
  } catch (error) {
    if (!(error instanceof NoResponders) || js.connection.info?.jetstream) return;
    throw new JournalError(
      'jetstream_disabled',
      `The NATS server at ${js.connection.getServer()} has no JetStream, which keeps the journal. Start it with --jetstream.`,
      { cause: error },
    );
  }
}

async function find(js: JetStream, stream: string): Promise<StreamConfig | undefined> {
  try {
    return (await js.call<StreamInfo>(`STREAM.INFO.${stream}`)).config;
  } catch (error) {
    if (error instanceof ApiError && error.code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}

/**
 * Another process may be creating the stream at the same time: until it is done the server refuses, with one of several
 * errors.
 */
async function findOrCreate(js: JetStream, stream: string, settings: StreamSettings): Promise<StreamConfig> {
  for (let tries = 1; ; tries++) {
    const existing = await find(js, stream);
    if (existing) return existing;
    try {
      return (await js.call<StreamInfo>(`STREAM.CREATE.${stream}`, configuration(stream, settings))).config;
    } catch (error) {
      if (tries === TRIES || !(error instanceof ApiError && BEING_CREATED.has(error.code))) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function configuration(stream: string, { name, shards = SHARDS, replicas }: StreamSettings): Partial<StreamConfig> {
  return {
    name: stream,
    subjects: [`${name}.journal.>`],
    // The number of shards is stored here, because a session's subject depends on it. Metadata would need nats-server
    // 2.10.
    description: `Troupe journal, ${shards} shards`,
    // Entries stay until their session is removed: they are neither consumed, nor do they age.
    retention: 'limits',
    max_age: 0,
    // A journal must outlive its server.
    storage: 'file',
    // Three replicas survive the loss of one server, with every acknowledged entry.
    num_replicas: replicas,
    // One subject is one session of any length; the server's own limit is the only one on size.
    max_msgs_per_subject: -1,
    max_msgs: -1,
    max_bytes: -1,
    max_msg_size: -1,
    max_consumers: -1,
    // When an operator sets a limit all the same, appends fail instead of the oldest sessions being deleted.
    discard: 'new',
    // The server acknowledges an append after it has stored the entry.
    no_ack: false,
    // Any server that has the stream may reply to reads, without the queue of the API.
    allow_direct: true,
    // The fence makes a repeated append harmless. The window covers the retries, so that a server that checks the
    // message id first can reply to them by itself; each message id takes the server's memory for this time.
    duplicate_window: 30e9,
    // No rollups: the runtime never replaces a session's entries with one message, and removes a session with a purge.
    allow_rollup_hdrs: false,
    deny_delete: false,
    deny_purge: false,
  };
}

/** Refuses a stream whose settings would lose acknowledged entries. Returns the number of its shards. */
function check(config: StreamConfig, stream: string, { name, shards, replicas }: StreamSettings): number {
  const found = Number(config.description?.match(/^Troupe journal, (\d+) shards$/)?.[1]);
  if (!found || config.subjects.join() !== `${name}.journal.>`) {
    throw new JournalError(
      'journal_foreign',
      `The stream ${stream} is no journal of Troupe. Remove it, or give the journal another name.`,
    );
  }
  if (shards !== undefined && shards !== found) {
    throw new JournalError(
      'journal_mismatch',
      `The stream ${stream} was created for ${found} shards, not ${shards}. The number is fixed when the journal is created.`,
    );
  }
  if (config.num_replicas !== replicas) {
    throw new JournalError(
      'journal_mismatch',
      `The stream ${stream} has ${replicasOf(config.num_replicas)}, not ${replicas}. To change it: nats stream edit ${stream} --replicas=${replicas}.`,
    );
  }
  for (const [setting, value] of Object.entries(NEEDED)) {
    if (config[setting as keyof typeof NEEDED] === value) continue;
    throw new JournalError(
      'journal_mismatch',
      `The stream ${stream} was changed: its ${setting} must be ${value}, or entries that were acknowledged may be lost.`,
    );
  }
  return found;
}

const NEEDED = { retention: 'limits', storage: 'file', discard: 'new', max_age: 0, max_msgs_per_subject: -1 } as const;

const replicasOf = (count: number): string => `${count} ${count === 1 ? 'replica' : 'replicas'}`;
