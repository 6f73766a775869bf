// Source of stored sessions for replay, check and fork: the database file while the service is down, or the service.
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import type { AnyStateMachine } from 'xstate';
import { chartId } from '../../actors/versions.ts';
import type { SessionView } from '../../actors/view.ts';
import { machines } from '../../machines/index.ts';
import type { Entry, Journal, Key } from '../journal/journal.ts';
import { sqliteJournal } from '../journal/sqlite.ts';
import { JournalError } from '../platform/errors.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { configured } from './configured.ts';
import { Complaint, Unreachable } from './service.ts';

export interface Stored {
  keys(): Promise<readonly Key[]>;
  /** Every entry of a session; rejects with `Complaint` if there is none. */
  entries(key: Key): Promise<readonly Entry[]>;
  close(): Promise<void>;
}

export interface StoredOptions extends AccessOptions {
  readonly db?: string;
}

const PAGE = 1_000;

export const storedOptions = (command: Command): Command =>
  accessOptions(command).option('--db <path>', 'read the database itself, while the service is down');

/** The service if its URL is given, else the database. */
export const storedOf = async (options: StoredOptions): Promise<Stored> =>
  options.url !== undefined ? atService(options) : inDatabase(await databaseOf(options));

export const inTenant = ({ tenant = 'default' }: { tenant?: string }, session: string): Key => ({ tenant, session });

/** Path of the named or configured database file. Throws `Complaint` if the journal is not a file. */
export async function databaseOf({ db }: { db?: string }): Promise<string> {
  const { database } = await configured({ db });
  if (database.kind === 'sqlite') return database.path;
  throw new Complaint('no_database', 'the configured service keeps its sessions in memory only; name a file with --db');
}

/** Opens the file for this process alone. Throws `Complaint` if it does not exist, `JournalError` if it is in use. */
export function openDatabase(path: string): Journal {
  if (!existsSync(path)) throw new Complaint('no_database', `there is no database at ${path}`);
  return sqliteJournal({ path });
}

function inDatabase(path: string): Stored {
  const journal = openDatabase(path);
  return {
    async keys() {
      const keys: Key[] = [];
      for (;;) {
        const rows = await journal.rows({ after: keys.at(-1), limit: PAGE });
        keys.push(...rows.map(({ key }) => key));
        if (rows.length < PAGE) return keys;
      }
    },
    async entries(key) {
      const stored = await journal.read(key);
      if (stored.length === 0)
        throw new Complaint('unknown_session', `there is no session "${key.session}" in ${path}`);
      return stored.map(({ entry }) => entry);
    },
    close: () => journal.close(),
  };
}

async function atService(access: AccessOptions): Promise<Stored> {
  const service = await serviceOf(access);
  return {
    async keys() {
      const keys: Key[] = [];
      for (let cursor: string | undefined; ; ) {
        const query = new URLSearchParams({ limit: String(PAGE), ...(cursor && { cursor }) });
        const page = await service.get<SessionPage>(`/v1/sessions?${query}`);
        keys.push(...page.sessions.map(({ session_id }) => inTenant(access, session_id)));
        cursor = page.next_cursor;
        if (!cursor) return keys;
      }
    },
    async entries({ session }) {
      const all: Entry[] = [];
      for (;;) {
        const query = new URLSearchParams({ from: String(all.length + 1), limit: String(PAGE) });
        const { entries } = await service.get<{ entries: Entry[] }>(`/v1/sessions/${session}/journal?${query}`);
        all.push(...entries);
        if (entries.length < PAGE) return all;
      }
    },
    close: async () => {},
  };
}

/** Whether an error concerns one session only, so that others can still be read. */
export const isUnreadable = (error: unknown): error is JournalError | Complaint =>
  error instanceof JournalError || (error instanceof Complaint && !(error instanceof Unreachable));

interface SessionPage {
  readonly sessions: readonly Pick<SessionView, 'session_id'>[];
  readonly next_cursor?: string;
}

/** This program's chart of the name that an entry was written with. */
export function chartOf({ machine }: Entry): AnyStateMachine {
  const name = chartId(machine);
  const chart = (machines as Record<string, AnyStateMachine>)[name];
  if (!chart) throw new Complaint('unknown_machine', `there is no chart "${name}" here`);
  return chart;
}
