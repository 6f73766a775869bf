// The journal in a JetStream stream: one subject for each session, and the fence is the subject's last sequence.

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
  /** From `connectNats`. It stays open when the journal is closed, and must not be closed before. */
  readonly connection: NatsConnection;
  /** The first token of every subject; `troupe` unless told. The stream is called `<name>-journal`. */
  readonly name?: string;
  /** Shards of a new journal; 64 unless told. An existing journal keeps its number, and refuses another one. */
  readonly shards?: number;
  /** Servers that keep a copy; 1 unless told. More than one need nats-server 2.10.27 or newer. */
  readonly replicas?: number;
  /** Milliseconds that an operation may be tried again while no server answers; 15000 unless told. An election takes up to 10 s. */
  readonly patience?: number;
  /** Told when followers cannot hear other processes for now. A process warning unless given. */
  readonly onTrouble?: (error: JournalError) => void;
}

export interface JetstreamJournal extends Journal {
  /** How many shards the journal was created with. */
  readonly shards: number;
  /** The shard of a session: 0 up to, not including, `shards`. */
  shardOf(key: Key): number;
  /**
   * The rows of a shard, or of several, in no order, read from the server: what taking shards over begins with. They hold
   * everything that was acknowledged before the call. Several at once cost less than one by one.
   */
  scan(shards: number | readonly number[]): Promise<Row[]>;
}

/**
 * Opens a journal that many processes share, and creates its stream when there is none. Rejects with `JournalError`:
 * `journal_unreachable`, `journal_denied`, `jetstream_disabled`, `nats_too_old`, `journal_foreign`, `journal_mismatch`.
 *
 * An acknowledged entry survives the death of the server's process; of its machine, where there are replicas on others or the
 * server has `sync_interval: always`. Every operation is tried again for `patience` while no server answers; an append that
 * fails with `journal_unreachable` may have been stored or may still be, so its writer must read before it goes on.
 *
 * Followers hear of the entries of every process. `rows` and `census` scan the journal when first asked, and hold a row for each
 * session, 350 bytes each, until nobody has asked for a minute; `scan` holds nothing.
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
  /** Appends are told apart by who makes them, and by a number. */
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
    const telling = hearing.appended(key, after, { version, entry });
    if (telling) await telling;
    return version;
  }

  return {
    shards,
    shardOf: (key) => shardOf(key, shards),
    scan: (shards) => attempt('list its sessions', async () => newestRows(await scanned([shards].flat()))),

    async append(key, after, entry) {
      if (closed) throw closedError();
      // The server knows versions, not numbers; this much can be told from them.
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

/** A session that was written during the scan came more than once. */
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
