// Opens and checks the journal's SQLite file, and maps its errors.

import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Conflict, JournalError } from '../platform/errors.ts';
import { SESSION_COLUMNS } from './sqlite-sessions.ts';
import { walDamage } from './sqlite-wal.ts';

const SCHEMA_VERSION = 2;
/** `TRUP`, in the file's header: distinguishes a journal from another program's database. */
const APPLICATION = 0x54525550;

// An entry's row has all columns of its session's row: `sessions` lags behind, complete up to the version in `synced`.
// The body is the last column, so that the links before it are read without it.
const SCHEMA = `
  BEGIN;
  CREATE TABLE entries (
    version INTEGER PRIMARY KEY, tenant TEXT NOT NULL, session TEXT NOT NULL, n INTEGER NOT NULL,
    prev INTEGER NOT NULL, mark INTEGER NOT NULL, at REAL NOT NULL, state TEXT NOT NULL, wake REAL, body TEXT NOT NULL
  ) STRICT;
  CREATE TABLE sessions ${SESSION_COLUMNS};
  CREATE INDEX sessions_waking ON sessions (tenant, session) WHERE wake IS NOT NULL;
  CREATE TABLE synced (version INTEGER NOT NULL) STRICT;
  INSERT INTO synced VALUES (0);
  PRAGMA application_id = ${APPLICATION};
  PRAGMA user_version = ${SCHEMA_VERSION};
  COMMIT;`;

/**
 * Opens or creates the file, for this process alone. It costs the same at any size, so it detects a foreign file, a
 * truncated one, or a truncated log; a damaged page further in is detected when it is read.
 */
export function openFile(path: string): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true });
    // Twice, because a log that another process is writing can look torn for a moment; SQLite then reports that
    // process's lock.
    const damage = walDamage(path) && walDamage(path);
    if (damage) throw new JournalError('journal_corrupt', damage);
    db = new DatabaseSync(path);
    // Before the first read: with an exclusive lock SQLite keeps the log's index in memory and needs no `-shm` file.
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    // Before the log is enabled: if the log is lost, the file still has its application id.
    if (isNew(path, db)) db.exec(SCHEMA);
    db.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA temp_store = MEMORY; -- what changed in the sessions since they were last written
      PRAGMA cache_size = -65536; -- KiB; the pages that 100,000 sessions keep coming back to
      PRAGMA wal_autocheckpoint = 2000; -- pages; the last page changes with every commit, and is moved once`);
    // Takes the lock, and fails now if the file is not writable.
    db.exec('BEGIN IMMEDIATE; COMMIT');
    return db;
  } catch (error) {
    db?.close();
    throw sqliteFailure(path, error);
  }
}

/** True for an empty file. Throws when another program, or another version with another schema, wrote it. */
function isNew(path: string, db: DatabaseSync): boolean {
  const tables = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()!.count;
  const application = db.prepare('PRAGMA application_id').get()!.application_id;
  const version = Number(db.prepare('PRAGMA user_version').get()!.user_version);
  if (tables === 0 && application === 0) return true;
  if (application !== APPLICATION) {
    throw new JournalError('journal_foreign', `${path} is another program's database. Give the journal its own file.`);
  }
  if (version > SCHEMA_VERSION) {
    throw new JournalError(
      'journal_newer',
      `${path} has schema ${version}, and this version of Troupe knows ${SCHEMA_VERSION}. Run the version that wrote it, or a later one.`,
    );
  }
  if (version < SCHEMA_VERSION) {
    throw new JournalError(
      'journal_older',
      `${path} has schema ${version}, and this version of Troupe knows ${SCHEMA_VERSION}. Run the version that wrote it, or give the journal a new file.`,
    );
  }
  return false;
}

/** SQLite's result codes, with the journal's code and advice for the operator. */
const FAILURES: Record<number, readonly [code: string, advice: string]> = {
  3: ['journal_unwritable', 'cannot be written. Check the permissions of the file and of its directory'],
  5: ['journal_locked', 'is in use by another process. Stop that process, or give this one its own file'],
  8: ['journal_unwritable', 'cannot be written. Check the permissions of the file and of its directory'],
  11: ['journal_corrupt', 'is damaged. Restore it from a backup, or move it away to start with an empty journal'],
  13: ['journal_full', 'cannot grow. Make room on its disk'],
  14: ['journal_unwritable', 'cannot be opened. Check the path, and the permissions of the file and of its directory'],
  26: ['journal_corrupt', 'is not a journal. Restore it from a backup, or move it away to start with an empty journal'],
  // IOERR_LOCK: locking a read-only file, or one on a file system without locks.
  3850: ['journal_unwritable', 'cannot be locked. Check its permissions, and that its file system supports locks'],
};

/** TOOBIG, CONSTRAINT, MISMATCH: the bound value is invalid, and the file is sound. */
const MISTAKES = [18, 19, 20];

/** A failure of the file as a `JournalError`; a caller's mistake, such as an entry without a state, unchanged. */
export function sqliteFailure(path: string, error: unknown): Error {
  if (error instanceof JournalError || error instanceof Conflict) return error;
  const { errcode, code, message } = error as { errcode?: number; code?: string; message: string };
  if (errcode !== undefined && !MISTAKES.includes(errcode & 0xff)) {
    const [known, advice] = FAILURES[errcode] ??
      FAILURES[errcode & 0xff] ?? ['journal_failed', 'failed. Check its disk'];
    return new JournalError(known, `${path} ${advice} (SQLite: ${message}).`, { cause: error });
  }
  if (code && /^E[A-Z]+$/.test(code)) {
    return new JournalError('journal_unwritable', `${path} cannot be opened: ${message}.`, { cause: error });
  }
  return error as Error;
}
