// The row of every session in the SQLite file: a table that lags behind the entries, and the rows changed since.
//
// A session's row is stored by its key, so writing it with each entry would rewrite a random page of the file per
// append, and the more sessions there are the more pages. Changed rows are held in a temporary table instead, and
// written together now and then. A crash loses only them: they are folded again from the entries that the table lags
// behind.

import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import type { Key, Row, RowQuery, Version } from './journal.ts';

/** The newest entry of a session; all 0 when it has none. `mark` is that entry's link to an earlier one. */
export interface Tip {
  readonly last: Version;
  readonly n: number;
  readonly mark: Version;
}

const NOTHING: Tip = { last: 0, n: 0, mark: 0 };

/** A session's row is its last entry without the body. Its key is the order on disk: the table is its own index. */
export const SESSION_COLUMNS = `(
    tenant TEXT NOT NULL, session TEXT NOT NULL, last INTEGER NOT NULL, n INTEGER NOT NULL, mark INTEGER NOT NULL,
    at REAL NOT NULL, state TEXT NOT NULL, wake REAL,
    PRIMARY KEY (tenant, session)
  ) STRICT, WITHOUT ROWID`;

// SQL tables instead of a Map: a ROLLBACK covers them, and a query sees both as one view.
const CHANGED = `
  CREATE TEMP TABLE changed ${SESSION_COLUMNS};
  CREATE TEMP VIEW known AS
    SELECT * FROM changed UNION ALL
    SELECT * FROM sessions AS s
    WHERE NOT EXISTS (SELECT 1 FROM changed AS c WHERE c.tenant = s.tenant AND c.session = s.session);`;

export class Sessions {
  readonly #db: DatabaseSync;
  readonly #find: StatementSync;
  readonly #fold: StatementSync;
  readonly #listings = new Map<string, StatementSync>();

  constructor(db: DatabaseSync) {
    db.exec(CHANGED);
    this.#db = db;
    this.#find = db.prepare('SELECT last, n, mark FROM known WHERE tenant = ? AND session = ?');
    this.#fold = db.prepare(
      `INSERT OR REPLACE INTO changed
       SELECT tenant, session, version, n, mark, at, state, wake FROM entries WHERE version > ? ORDER BY version`,
    );
  }

  find({ tenant, session }: Key): Tip {
    return (this.#find.get(tenant, session) as Tip | undefined) ?? NOTHING;
  }

  /** Folds in the entries after `version`, each of which is its session's newest. */
  fold(version: Version): void {
    this.#fold.run(version);
  }

  /** The version up to which the table is complete. */
  synced(): Version {
    return this.#db.prepare('SELECT version FROM synced').get()!.version as Version;
  }

  /** Writes the changed rows, which makes the table complete up to `head`. Call it in a transaction. */
  sync(head: Version): void {
    this.#db.exec(`
      INSERT OR REPLACE INTO sessions SELECT * FROM changed; -- in key order, so that each page is written once
      DELETE FROM changed;
      UPDATE synced SET version = ${head};`);
  }

  /** Call it after a sync: it deletes from the table only, not from the changed rows. */
  remove({ tenant, session }: Key): void {
    this.#db.prepare('DELETE FROM sessions WHERE tenant = ? AND session = ?').run(tenant, session);
  }

  rows(query: RowQuery): Row[] {
    const { sql, values } = listing(query);
    const statement = this.#listings.get(sql) ?? this.#db.prepare(sql);
    this.#listings.set(sql, statement);
    return statement.all(...values).map(toRow);
  }

  census(tenant?: string): Map<string, number> {
    const where = `WHERE session NOT GLOB '@*'${tenant === undefined ? '' : ' AND tenant = ?'}`;
    const values = tenant === undefined ? [] : [tenant];
    const counts = this.#db
      .prepare(`SELECT state, count(*) AS count FROM known ${where} GROUP BY state`)
      .all(...values);
    return new Map(counts.map(({ state, count }) => [state as string, count as number]));
  }
}

/** The statement for a query. There are few variants, and each is prepared once. */
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
  // The same condition again, because SQLite uses a row value for one end of a range only: without it each page walks
  // the tenant.
  if (after && after.tenant === tenant) when('session > ?', after.session);
  if (state !== undefined) {
    const part = `instr('/' || state || '/', '/' || ? || '/') > 0 OR instr('/' || state, '/' || ? || '.') > 0`;
    when(`(state = ? OR (instr(?, '/') = 0 AND (${part})))`, state, state, state, state);
  }
  return {
    sql: `SELECT tenant, session, n, at, state, wake FROM known WHERE ${conditions.join(' AND ')}
          ORDER BY tenant, session LIMIT ?`,
    // SQLite has no infinity.
    values: [...values, Math.min(limit, Number.MAX_SAFE_INTEGER)],
  };
}

function toRow(row: Record<string, SQLInputValue>): Row {
  const key = { tenant: row.tenant as string, session: row.session as string };
  const wake = (row.wake as number | null) ?? undefined;
  return { key, n: row.n as number, at: row.at as number, state: row.state as string, wake };
}
