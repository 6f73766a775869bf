// The journal in memory: a real backend, and the reference implementation for the others.

import { Conflict, JournalError } from '../platform/errors.ts';
import { Followers } from './followers.ts';
import {
  type Entry,
  isSession,
  type Journal,
  type Key,
  keyName,
  type Row,
  type Stored,
  type Version,
} from './journal.ts';
import { compareKeys, firstAfter, matches } from './rows.ts';

interface Session {
  row: Row;
  readonly versions: Version[];
  /** Entries as JSON, which is immutable and small. Entry `n` is at `n - 1`. */
  readonly bodies: string[];
}

export function memoryJournal(): Journal {
  const sessions = new Map<string, Session>();
  const followers = new Followers();
  /** All sessions in key order; undefined after one was added or removed. */
  let sorted: Session[] | undefined;
  let head: Version = 0;
  let closed = false;

  function commit(key: Key, after: Version, entry: Entry): Version {
    const name = keyName(key);
    const session = sessions.get(name);
    const last = session?.versions.at(-1) ?? 0;
    if (last !== after || entry.n !== (session?.row.n ?? 0) + 1) {
      throw new Conflict(`${name}: entry ${entry.n} does not follow version ${after}; somebody else wrote`);
    }
    const body = JSON.stringify(entry);
    const version = ++head;
    const row: Row = { key, n: entry.n, at: entry.at, state: entry.state, wake: entry.wake };
    if (session) {
      session.row = row;
      session.versions.push(version);
      session.bodies.push(body);
    } else {
      sessions.set(name, { row, versions: [version], bodies: [body] });
      sorted = undefined;
    }
    followers.tell(key, { version, entry });
    return version;
  }

  function inOrder(): Session[] {
    sorted ??= [...sessions.values()].sort((a, b) => compareKeys(a.row.key, b.row.key));
    return sorted;
  }

  function open(): void {
    if (closed) throw new JournalError('journal_closed', 'The journal is closed.');
  }

  return {
    async append(key, after, entry) {
      open();
      return commit(key, after, entry);
    },

    async last(key) {
      open();
      const session = sessions.get(keyName(key));
      return session && stored(session, session.row.n);
    },

    async read(key, from = 1, limit = Number.POSITIVE_INFINITY) {
      open();
      const session = sessions.get(keyName(key));
      return session ? range(session, Math.max(1, from), Math.min(session.row.n, from + limit - 1)) : [];
    },

    async tail(key, count) {
      open();
      const session = sessions.get(keyName(key));
      return session ? range(session, Math.max(1, session.row.n - count + 1), session.row.n) : [];
    },

    follow: (key, follower) => followers.add(key, follower),

    async rows(query = {}) {
      open();
      const { after, limit = 100 } = query;
      const all = inOrder();
      const found: Row[] = [];
      for (let i = after ? firstAfter(all, after) : 0; i < all.length && found.length < limit; i++) {
        const { row } = all[i]!;
        if (matches(row, query)) found.push(row);
      }
      return found;
    },

    async census(tenant) {
      open();
      const states = new Map<string, number>();
      for (const { row } of sessions.values()) {
        if (!isSession(row.key) || (tenant !== undefined && row.key.tenant !== tenant)) continue;
        states.set(row.state, (states.get(row.state) ?? 0) + 1);
      }
      return states;
    },

    async remove(key) {
      open();
      if (sessions.delete(keyName(key))) sorted = undefined;
    },

    async close() {
      closed = true;
    },
  };
}

function stored({ versions, bodies }: Session, n: number): Stored {
  return { version: versions[n - 1]!, entry: JSON.parse(bodies[n - 1]!) };
}

function range(session: Session, from: number, to: number): Stored[] {
  const entries: Stored[] = [];
  for (let n = from; n <= to; n++) entries.push(stored(session, n));
  return entries;
}
