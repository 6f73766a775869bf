// The journal in one SQLite file: appends of the same turn of the event loop share one durable transaction.

import { Conflict, JournalError } from '../platform/errors.ts';
import { Followers } from './followers.ts';
import { type Entry, type Journal, type Key, keyName, type Version } from './journal.ts';
import { Entries } from './sqlite-entries.ts';
import { openFile, sqliteFailure } from './sqlite-file.ts';
import { Sessions } from './sqlite-sessions.ts';

/** A larger transaction gains nothing and blocks the event loop longer. */
const LARGEST_BATCH = 1024;

/**
 * Maximum of entries by which the table of sessions lags. A lower limit writes its pages more often; a higher one makes
 * each sync longer, which blocks the event loop: up to 60 ms with a million sessions, when each entry is of another
 * session.
 */
const LARGEST_LAG = 4096;

interface Append {
  readonly key: Key;
  readonly after: Version;
  readonly entry: Entry;
  readonly body: string;
  readonly resolve: (version: Version) => void;
  readonly reject: (reason: Error) => void;
}

/**
 * A journal in one SQLite file, for one process; folders on the way are made. Throws `JournalError`, such as `journal_locked`
 * where another process has it. The runtime closes it.
 *
 * @example
 * ```ts
 * import { mkdtempSync } from 'node:fs';
 * import { tmpdir } from 'node:os';
 * import { join } from 'node:path';
 * import { createTroupe, sqliteJournal } from 'troupe';
 *
 * const path = join(mkdtempSync(join(tmpdir(), 'shop-')), 'troupe.db');
 * const agents = [{ id: 'echo', triggers: ['hello'], run: (text: string) => `You said: ${text}` }];
 * const before = await createTroupe({ agents, journal: sqliteJournal({ path }) });
 * await before.session('s1').send('hello');
 * await before.close();
 *
 * const after = await createTroupe({ agents, journal: sqliteJournal({ path }) });
 * console.log((await after.session('s1').history()).map(({ content }) => content)); // [ 'hello', 'You said: hello' ]
 * await after.close();
 * ```
 */
export function sqliteJournal({ path }: { path: string }): Journal {
  const { db, entries, sessions, ...found } = open(path);
  const followers = new Followers();
  const pending: Append[] = [];
  let { head, synced } = found;
  let closed = false;

  function flush(): void {
    const batch = pending.splice(0, LARGEST_BATCH);
    if (pending.length > 0) setImmediate(flush);
    if (batch.length > 0) commit(batch);
  }

  /**
   * Writes a whole batch or nothing of it, then notifies followers. A lost race inside the batch is a `Conflict`, not a
   * failure of the batch.
   */
  function commit(batch: Append[]): void {
    let versions: (Version | undefined)[];
    const before = head;
    try {
      if (head - synced >= LARGEST_LAG) sync();
      versions = transaction(() => batch.map(write));
    } catch (error) {
      head = before;
      const failure = sqliteFailure(path, error);
      // When the file is sound, one append was invalid: committed one by one, the others succeed.
      if (batch.length > 1 && !(failure instanceof JournalError)) for (const append of batch) commit([append]);
      else for (const { reject } of batch) reject(failure);
      return;
    }
    batch.forEach(({ key, after, entry, resolve, reject }, i) => {
      const version = versions[i];
      if (version === undefined) {
        const name = keyName(key);
        reject(new Conflict(`${name}: entry ${entry.n} does not follow version ${after}; somebody else wrote`));
      } else {
        followers.tell(key, { version, entry });
        resolve(version);
      }
    });
  }

  /** The compare-and-set. Undefined when `after` is not the last version; nothing is written then. */
  function write({ key, after, entry, body }: Append): Version | undefined {
    const tip = sessions.find(key);
    if (tip.last !== after || tip.n + 1 !== entry.n) return undefined;
    const version = head + 1;
    entries.add(version, key, tip, entry, body);
    sessions.fold(head);
    head = version;
    return version;
  }

  function sync(): void {
    if (synced === head) return;
    transaction(() => sessions.sync(head));
    synced = head;
  }

  function transaction<T>(work: () => T): T {
    db.exec('BEGIN');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite may have rolled back already; if this fails too, the next BEGIN rejects its callers' appends.
      if (db.isTransaction) quietly(() => db.exec('ROLLBACK'));
      throw error;
    }
  }

  function attempt<T>(work: () => T): T {
    if (closed) throw new JournalError('journal_closed', `${path} is closed.`);
    try {
      return work();
    } catch (error) {
      throw sqliteFailure(path, error);
    }
  }

  return {
    path,
    append(key, after, entry) {
      return new Promise((resolve, reject) => {
        attempt(() => {
          pending.push({ key, after, entry, body: JSON.stringify(entry), resolve, reject });
          if (pending.length === 1) setImmediate(flush);
        });
      });
    },

    async last(key) {
      return attempt(() => entries.last(key));
    },

    async read(key, from = 1, limit = Number.POSITIVE_INFINITY) {
      return attempt(() => entries.read(key, sessions.find(key), from, from + limit - 1));
    },

    async tail(key, count) {
      return attempt(() => {
        const tip = sessions.find(key);
        return entries.read(key, tip, tip.n - count + 1, tip.n);
      });
    },

    follow: (key, follower) => followers.add(key, follower),

    async rows(query = {}) {
      return attempt(() => sessions.rows(query));
    },

    async census(tenant) {
      return attempt(() => sessions.census(tenant));
    },

    async remove(key) {
      attempt(() => {
        while (pending.length > 0) flush();
        // Also prevents reuse of versions: the head is on disk before its entries are deleted.
        sync();
        transaction(() => {
          entries.remove(sessions.find(key));
          sessions.remove(key);
        });
      });
    },

    async close() {
      if (closed) return;
      closed = true;
      while (pending.length > 0) flush();
      // A failure here loses nothing: the next process that opens the file folds the entries again.
      quietly(sync);
      db.close();
    },
  };
}

/** Opens the file and folds the entries after the last sync, so that `sessions` is complete up to `head`. */
function open(path: string) {
  const db = openFile(path);
  try {
    const sessions = new Sessions(db);
    const entries = new Entries(path, db);
    const synced = sessions.synced();
    sessions.fold(synced);
    // After a removal the newest remaining entry may be older than `synced`.
    return { db, entries, sessions, synced, head: Math.max(synced, entries.newest()) };
  } catch (error) {
    db.close();
    throw sqliteFailure(path, error);
  }
}

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
