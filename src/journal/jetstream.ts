// The journal in a JetStream stream: one subject per session, with the subject's last sequence as the fence.

import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { JetStream } from '../nats/jetstream.ts';
import { Conflict, JournalError } from '../platform/errors.ts';
import { journalFailure } from './jetstream/failures.ts';
import { Hearing } from './jetstream/hearing.ts';
import { Listing } from './jetstream/listing.ts';
import { draft, Subjects } from './jetstream/messages.ts';
import { Reader } from './jetstream/reader.ts';
import { type Scanned, scan } from './jetstream/scan.ts';
import { openStream } from './jetstream/stream.ts';
import { Writer } from './jetstream/writer.ts';
import { type Entry, type Journal, type Key, keyName, type Row, type Version } from './journal.ts';
import { shardOf } from './shards.ts';

export interface JetstreamJournalOptions {
  /**
   * From `connectNats`. The connection must stay open until the journal is closed, and closing the journal does not
   * close it.
   */
  readonly connection: NatsConnection;
  /** The first token of every subject; default `troupe`. The stream is called `<name>-journal`. */
  readonly name?: string;
  /** Number of shards of a new journal; default 64. An existing journal has a fixed number, and refuses another one. */
  readonly shards?: number;
  /** Number of replicas of the stream; default 1. More than one need nats-server 2.10.27 or newer. */
  readonly replicas?: number;
  /** Retry window of an operation while no server replies, ms; default 15000. An election takes up to 10 s. */
  readonly patience?: number;
  /** Called when followers do not receive the entries of other processes for now. By default a process warning. */
  readonly onTrouble?: (error: JournalError) => void;
}

export interface JetstreamJournal extends Journal {
  /** The number of shards that the journal was created with. */
  readonly shards: number;
  /** The shard of a session: 0 up to, not including, `shards`. */
  shardOf(key: Key): number;
  /**
   * The rows of one or several shards, in no order, read from the server: the first step of taking shards over. They
   * include every append acknowledged before the call. One call for several shards costs less than one call each.
   */
  scan(shards: number | readonly number[]): Promise<Row[]>;
}

/**
 * Opens a journal that many processes share, and creates its stream when there is none. Rejects with `JournalError`:
 * `journal_unreachable`, `journal_denied`, `jetstream_disabled`, `nats_too_old`, `journal_foreign`, `journal_mismatch`.
 *
 * An acknowledged entry survives the death of the server's process; it survives the death of its machine when there are
 * replicas on others or the server has `sync_interval: always`. Every operation is retried for `patience` while no
 * server replies; an append that fails with `journal_unreachable` may have been stored or may still be, so its writer
 * must read before it continues.
 *
 * Followers receive the entries of every process. `rows` and `census` scan the journal at the first call, and cache a
 * row for each session, 350 bytes each, until a minute passes without a call; `scan` caches nothing.
 */
export async function jetstreamJournal(options: JetstreamJournalOptions): Promise<JetstreamJournal> {
  const { connection, name = 'troupe', replicas = 1, patience = 15_000, onTrouble = warn } = options;
  const js = new JetStream(connection, patience);
  try {
    const { stream, shards } = await openStream(js, { name, shards: options.shards, replicas });
    return assemble(js, { name, stream, shards, replicas, onTrouble });
  } catch (error) {
    js.close(closedError());
    throw error;
  }
}

interface Opened {
  readonly name: string;
  readonly stream: string;
  readonly shards: number;
  readonly replicas: number;
  readonly onTrouble: (error: JournalError) => void;
}

function assemble(js: JetStream, { name, stream, shards, replicas, onTrouble }: Opened): JetstreamJournal {
  const subjects = new Subjects(name, shards);
  const reader = new Reader(js, stream, subjects, replicas);
  const writer = new Writer(js, reader);
  const trouble = (error: unknown) => onTrouble(journalFailure(error, 'hear what others append'));
  const hearing = new Hearing(js, stream, subjects, trouble);
  const scanned = (shards?: readonly number[]) => scan(js, stream, subjects, { shards, replicated: replicas > 1 });
  const listing = new Listing(js, name, hearing, () => scanned());
  /** Appends are identified by their writer and a number. */
  const self = createInbox().split('.').at(-1)!;
  let appends = 0;
  const accepted = new Set<Promise<unknown>>();
  let closed = false;

  async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    if (closed) throw closedError();
    try {
      return await work();
    } catch (error) {
      throw journalFailure(error, doing);
    }
  }

  async function commit(key: Key, after: Version, entry: Entry): Promise<Version> {
    const draught = draft(subjects.of(key), key, after, entry, `${self}.${(appends++).toString(36)}`);
    const version = await writer.write(draught);
    const notified = hearing.appended(key, after, { version, entry });
    if (notified) await notified;
    return version;
  }

  return {
    shards,
    shardOf: (key) => shardOf(key, shards),
    scan: (shards) => attempt('list its sessions', async () => newestRows(await scanned([shards].flat()))),

    async append(key, after, entry) {
      if (closed) throw closedError();
      // The server compares versions only; this check compares the number as far as a version implies it.
      if ((after === 0) !== (entry.n === 1)) {
        throw new Conflict(`${keyName(key)}: entry ${entry.n} cannot follow version ${after}`);
      }
      const committing = commit(key, after, entry);
      accepted.add(committing);
      try {
        return await committing;
      } finally {
        accepted.delete(committing);
      }
    },

    last: (key) =>
      attempt(`read ${keyName(key)}`, async () => {
        await hearing.live();
        return reader.last(key);
      }),

    read: (key, from = 1, limit = Number.POSITIVE_INFINITY) =>
      attempt(`read ${keyName(key)}`, async () => {
        await hearing.live();
        return reader.range(key, Math.max(1, from), from + limit - 1);
      }),

    tail: (key, count) =>
      attempt(`read ${keyName(key)}`, async () => {
        await hearing.live();
        return reader.tail(key, count);
      }),

    follow: (key, follower) => hearing.follow(key, follower),
    rows: (query) => attempt('list its sessions', async () => (await listing.rows()).list(query)),
    census: (tenant) => attempt('count its sessions', async () => (await listing.rows()).census(tenant)),

    remove: (key) =>
      attempt(`remove ${keyName(key)}`, async () => {
        await Promise.allSettled(accepted);
        const newest = await reader.newest(key);
        if (!newest) return;
        await js.call(`STREAM.PURGE.${stream}`, { filter: subjects.of(key) });
        listing.remove(key, newest.version);
      }),

    async close() {
      if (closed) return;
      closed = true;
      await Promise.allSettled(accepted);
      listing.close();
      hearing.close();
      js.close(closedError());
    },
  };
}

/** Keeps the newest row of a session that was written during the scan and therefore delivered more than once. */
function newestRows(scanned: Scanned[]): Row[] {
  const newest = new Map<string, Scanned>();
  for (const found of scanned) {
    const name = keyName(found.row.key);
    if ((newest.get(name)?.version ?? 0) < found.version) newest.set(name, found);
  }
  return Array.from(newest.values(), ({ row }) => row);
}

function warn(error: JournalError): void {
  process.emitWarning(error.message);
}

function closedError(): JournalError {
  return new JournalError('journal_closed', 'The journal is closed.');
}
