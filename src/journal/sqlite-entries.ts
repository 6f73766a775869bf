// The entries in the SQLite file: appended at its end only, each linked to its session's earlier ones.
//
// There is no index by session, because its writes would scatter over the file. A session is read backwards from its
// last entry: `prev` is the entry before, `mark` the last one before it whose number is a multiple of 64, so that
// entries far back are reached in long steps.

import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { JournalError } from '../platform/errors.ts';
import { type Entry, type Key, keyName, type Stored, type Version } from './journal.ts';
import type { Tip } from './sqlite-sessions.ts';

const STRIDE = 64;

const INSERT = `
  INSERT INTO entries (version, tenant, session, n, prev, mark, at, state, wake, body)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** The view `known` has the tip of every session. */
const LAST = `
  SELECT known.n, last AS version, body FROM known LEFT JOIN entries ON version = last
  WHERE known.tenant = ? AND known.session = ?`;

/** From the entry `last` back: in long steps while they do not pass `to`, then one by one down to `from`. */
const BACK = `
  WITH RECURSIVE chain (version) AS (
    VALUES (:last) UNION ALL
    SELECT iif(n - 1 - (n - 1) % ${STRIDE} >= :to, mark, prev) FROM chain JOIN entries USING (version) WHERE n > :from
  )
  SELECT n, version, body FROM chain JOIN entries USING (version) WHERE n <= :to`;

/** From the entry `last` back to the first. `UNION` terminates even when a damaged link leads in a circle. */
const REMOVE = `
  DELETE FROM entries WHERE version IN (
    WITH RECURSIVE chain (version) AS (
      VALUES (:last) UNION SELECT prev FROM chain JOIN entries USING (version)
    )
    SELECT version FROM chain
  )`;

export class Entries {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #last: StatementSync;
  readonly #back: StatementSync;

  constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
    this.#insert = db.prepare(INSERT);
    this.#last = db.prepare(LAST);
    this.#back = db.prepare(BACK);
  }

  /** Inserts the entry that follows `tip`. */
  add(version: Version, { tenant, session }: Key, tip: Tip, entry: Entry, body: string): void {
    const mark = tip.n % STRIDE === 0 ? tip.last : tip.mark;
    const { n, at, state, wake = null } = entry;
    this.#insert.run(version, tenant, session, n, tip.last, mark, at, state, wake, body);
  }

  last(key: Key): Stored | undefined {
    const row = this.#last.get(key.tenant, key.session);
    return row && this.#stored(key, row.n as number, row);
  }

  /** The entries `from` to `to` of the session whose newest entry is `tip`, in order, as far as they exist. */
  read(key: Key, tip: Tip, from: number, to: number): Stored[] {
    const first = Math.max(from, 1);
    const last = Math.min(to, tip.n);
    if (first > last) return [];
    const rows = this.#back.all({ last: tip.last, from: first, to: last });
    const found: Stored[] = [];
    // By number and not by row: a damaged link leaves rows missing.
    for (let n = first; n <= last; n++) found.push(this.#stored(key, n, rows[last - n]));
    return found;
  }

  /** The highest version of an entry. */
  newest(): Version {
    return this.#db.prepare('SELECT coalesce(max(version), 0) AS version FROM entries').get()!.version as Version;
  }

  /** Deletes all entries of the session whose newest entry is `tip`. */
  remove(tip: Tip): void {
    this.#db.prepare(REMOVE).run({ last: tip.last });
  }

  #stored(key: Key, n: number, row?: Record<string, SQLOutputValue>): Stored {
    const entry = row && parse(row.body as string);
    if (entry?.n === n) return { version: row!.version as Version, entry };
    throw new JournalError(
      'journal_corrupt',
      `${this.#path}: entry ${n} of ${keyName(key)} cannot be read. Restore the file from a backup, or remove the session.`,
    );
  }
}

function parse(body: string): Entry | undefined {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
