// The journal in one SQLite file: appends that come in the same turn of the event loop share one durable transaction.

import type { SQLInputValue, StatementSync } from 'node:sqlite';
import { Conflict, JournalError } from '../errors.ts';
import {
  type Entry,
  type Journal,
  type Key,
  keyName,
  type Row,
  type RowQuery,
  type Stored,
  type Version,
} from '../journal.ts';
import { Followers } from './followers.ts';
import { openFile, sqliteFailure } from './sqlite-file.ts';

/** More than this in one transaction gains nothing and keeps the event loop waiting. */
const LARGEST_BATCH = 1024;

interface Append {
  readonly key: Key;
  readonly after: Version;
  readonly entry: Entry;
  readonly body: string;
  readonly resolve: (version: Version) => void;
  readonly reject: (reason: Error) => void;
}

export function sqliteJournal({ path }: { path: string }): Journal {
  const db = openFile(path);
  const followers = new Followers();
  const pending: Append[] = [];
  let head = Number(db.prepare(`SELECT seq FROM sqlite_sequence WHERE name = 'entries'`).get()?.seq ?? 0);
  let closed = false;

  // A session is numbered after its first entry, so the two rows of a new session are written without asking back.
  const create = db.prepare(
    `INSERT INTO sessions (tenant, session, id, n, last, at, state, wake) VALUES (?, ?, ?, 1, ?, ?, ?, ?)
     ON CONFLICT DO NOTHING`,
  );
  const advance = db.prepare(
    `UPDATE sessions SET n = ?, last = ?, at = ?, state = ?, wake = ?
     WHERE tenant = ? AND session = ? AND last = ? AND n = ? RETURNING id`,
  );
  const insert = db.prepare('INSERT INTO entries (version, session, n, body) VALUES (?, ?, ?, ?)');

  const idOf = '(SELECT id FROM sessions WHERE tenant = ? AND session = ?)';
  const last = db.prepare(
    `SELECT s.n, s.last AS version, e.body FROM sessions s LEFT JOIN entries e ON e.version = s.last
     WHERE s.tenant = ? AND s.session = ?`,
  );
  const forward = db.prepare(
    `SELECT n, version, body FROM entries WHERE session = ${idOf} AND n >= ? ORDER BY n LIMIT ?`,
  );
  const backward = db.prepare(`SELECT n, version, body FROM entries WHERE session = ${idOf} ORDER BY n DESC LIMIT ?`);
  const forgetEntries = db.prepare(`DELETE FROM entries WHERE session = ${idOf}`);
  const forgetSession = db.prepare('DELETE FROM sessions WHERE tenant = ? AND session = ?');
  const listings = new Map<string, StatementSync>();

  function flush(): void {
    const batch = pending.splice(0, LARGEST_BATCH);
    if (pending.length > 0) setImmediate(flush);
    if (batch.length > 0) commit(batch);
  }

  /** Writes a whole batch or nothing of it, then tells. A lost race inside the batch is an answer, not a failure. */
  function commit(batch: Append[]): void {
    let versions: (Version | undefined)[];
    const before = head;
    try {
      versions = transaction(() => batch.map(write));
    } catch (error) {
      head = before;
      const failure = sqliteFailure(path, error);
      // When the file is well, one append was at fault: alone, the others succeed.
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

  /** The compare-and-set. Undefined when `after` is not the last version: then nothing was written. */
  function write({ key: { tenant, session }, after, entry, body }: Append): Version | undefined {
    const version = head + 1;
    const { n, at, state, wake = null } = entry;
    let id: SQLInputValue | undefined;
    if (after !== 0) id = advance.get(n, version, at, state, wake, tenant, session, after, n - 1)?.id;
    else if (n === 1 && create.run(tenant, session, version, version, at, state, wake).changes === 1) id = version;
    if (id === undefined) return undefined;
    insert.run(version, id, n, body);
    head = version;
    return version;
  }

  function transaction<T>(work: () => T): T {
    db.exec('BEGIN');
    try {
      const result = work();
      db.exec('COMMIT');
      return result;
    } catch (error) {
      // SQLite may have rolled back already; should this fail too, the next BEGIN says so to its callers.
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

  function parse(key: Key, row: Record<string, SQLInputValue>): Stored {
    const entry = quietly(() => JSON.parse(row.body as string) as Entry);
    if (entry && entry.n === row.n) return { version: row.version as number, entry };
    throw new JournalError(
      'journal_corrupt',
      `${path}: entry ${row.n} of ${keyName(key)} cannot be read. Restore the file from a backup, or remove the session.`,
    );
  }

  return {
    append(key, after, entry) {
      return new Promise((resolve, reject) => {
        attempt(() => {
          pending.push({ key, after, entry, body: JSON.stringify(entry), resolve, reject });
          if (pending.length === 1) setImmediate(flush);
        });
      });
    },

    async last(key) {
      return attempt(() => {
        const row = last.get(key.tenant, key.session);
        return row && parse(key, row);
      });
    },

    async read(key, from = 1, limit = Number.POSITIVE_INFINITY) {
      return attempt(() => forward.all(key.tenant, key.session, from, atMost(limit)).map((row) => parse(key, row)));
    },

    async tail(key, count) {
      return attempt(() => {
        const rows = backward.all(key.tenant, key.session, atMost(count));
        return rows.reverse().map((row) => parse(key, row));
      });
    },

    follow: (key, follower) => followers.add(key, follower),

    async rows(query = {}) {
      return attempt(() => {
        const { sql, values } = listing(query);
        const statement = listings.get(sql) ?? db.prepare(sql);
        listings.set(sql, statement);
        return statement.all(...values).map(toRow);
      });
    },

    async census(tenant) {
      return attempt(() => {
        const where = tenant === undefined ? '' : 'WHERE tenant = ?';
        const values = tenant === undefined ? [] : [tenant];
        const counts = db
          .prepare(`SELECT state, count(*) AS count FROM sessions ${where} GROUP BY state`)
          .all(...values);
        return new Map(counts.map(({ state, count }) => [state as string, count as number]));
      });
    },

    async remove({ tenant, session }) {
      attempt(() => {
        while (pending.length > 0) flush();
        transaction(() => {
          forgetEntries.run(tenant, session);
          forgetSession.run(tenant, session);
        });
      });
    },

    async close() {
      if (closed) return;
      closed = true;
      while (pending.length > 0) flush();
      db.close();
    },
  };
}

/** The statement for a query. There are few shapes of it, so each is prepared once. */
function listing({ tenant, state, waking, after, limit = 100 }: RowQuery): { sql: string; values: SQLInputValue[] } {
  const conditions: string[] = ['true'];
  const values: SQLInputValue[] = [];
  const when = (condition: string, ...bound: SQLInputValue[]) => {
    conditions.push(condition);
    values.push(...bound);
  };
  if (waking) when('wake IS NOT NULL');
  if (tenant !== undefined) when('tenant = ?', tenant);
  if (after) when('(tenant, session) > (?, ?)', after.tenant, after.session);
  // The same once more, for SQLite uses a row value for one end of a range only: without it each page walks the tenant.
  if (after && after.tenant === tenant) when('session > ?', after.session);
  if (state !== undefined) {
    const part = `instr('/' || state || '/', '/' || ? || '/') > 0 OR instr('/' || state, '/' || ? || '.') > 0`;
    when(`(state = ? OR (instr(?, '/') = 0 AND (${part})))`, state, state, state, state);
  }
  return {
    sql: `SELECT tenant, session, n, at, state, wake FROM sessions WHERE ${conditions.join(' AND ')}
          ORDER BY tenant, session LIMIT ?`,
    values: [...values, atMost(limit)],
  };
}

function toRow(row: Record<string, SQLInputValue>): Row {
  const key = { tenant: row.tenant as string, session: row.session as string };
  const wake = (row.wake as number | null) ?? undefined;
  return { key, n: row.n as number, at: row.at as number, state: row.state as string, wake };
}

/** SQLite knows no infinity. */
const atMost = (limit: number): number => Math.min(limit, Number.MAX_SAFE_INTEGER);

function quietly<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
