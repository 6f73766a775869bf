// The promise that every journal keeps: what a session decided is remembered, in order, before anything is done about it.

import type { Emitted } from '../emitted/emitted.ts';

/** Where a session's journal lives. Both are tokens: `[a-z0-9_-]`, 1 to 63 characters. */
export interface Key {
  readonly tenant: string;
  readonly session: string;
}

/**
 * A journal's own name for a position, opaque to everyone else: a row number on SQLite, the stream's sequence on JetStream.
 * `0` means "before the first entry".
 */
export type Version = number;

/**
 * Work that was started and is not finished: an invoke (no `due`) or a timer (`due` in ms since the epoch).
 * `key` is stable over crashes; agents receive it as their idempotency key.
 */
export interface Owed {
  readonly id: string;
  readonly key: string;
  readonly due?: number;
}

/** One remembered step of a session. */
export interface Entry {
  /** Position in the session: 1, 2, 3, … without gaps. It is also the SSE id. */
  readonly n: number;
  /** When it was decided, ms since the epoch. */
  readonly at: number;
  /** Which chart decided: `name@version`. */
  readonly machine: string;
  /** What happened. */
  readonly event: { readonly type: string; readonly [member: string]: unknown };
  /** The input the machine was created with; only on the first entry. */
  readonly init?: unknown;
  /** The id of the message that caused it, when the caller gave one. */
  readonly cause?: string;
  /** What the machine told the outside. */
  readonly emitted: readonly Emitted[];
  /** Where it led to: enough to wake the session up. */
  readonly snapshot: { readonly value: unknown; readonly context: unknown; readonly status?: 'done' | 'error' };
  /** What must still be performed, or waited for, after this entry. */
  readonly owed: readonly Owed[];
  /** The last causes with the entry each led to, so that a repeated request is harmless. */
  readonly recent?: readonly (readonly [cause: string, n: number])[];
  /** The active states as one line, e.g. `automated/running.attempting` (see `stateName`): what a list of sessions shows. */
  readonly state: string;
  /** When the session must be awake though nobody calls: 0 = at once (an invoke is owed), ms since the epoch (a timer); absent = never. */
  readonly wake?: number;
}

/** An entry as it lies in the journal. */
export interface Stored {
  readonly version: Version;
  readonly entry: Entry;
}

/** What is known of a session without reading its entries. */
export interface Row {
  readonly key: Key;
  readonly n: number;
  readonly at: number;
  readonly state: string;
  readonly wake?: number;
}

/** Which rows to list. `state` matches a whole state, one of its `/`-separated parts, or the outer levels of a part. `after` is the cursor: the last key seen. */
export interface RowQuery {
  readonly tenant?: string;
  readonly state?: string;
  /** Only rows that have `wake`. */
  readonly waking?: boolean;
  readonly after?: Key;
  /** At most so many rows; 100 unless told. */
  readonly limit?: number;
}

/** Called once for every entry appended through this journal, in order per key, after it is durable. */
export type Follower = (key: Key, stored: Stored) => void;

export interface Journal {
  /** The file it is kept in, where it is one. */
  readonly path?: string;
  /**
   * Appends `entry` if the last version of `key` is `after` (compare-and-set), durably.
   * Resolves to the new version. Rejects with `Conflict` when `after` is not the last version, with `JournalError` when the
   * journal itself failed. Followers hear of the entry before the promise resolves.
   */
  append(key: Key, after: Version, entry: Entry): Promise<Version>;
  /** The last entry of a session, or undefined when it has none. One read, however long the session. */
  last(key: Key): Promise<Stored | undefined>;
  /** Entries with `n >= from` (1 unless told) in order, at most `limit` of them (all unless told). */
  read(key: Key, from?: number, limit?: number): Promise<Stored[]>;
  /** The last `count` entries, in order. */
  tail(key: Key, count: number): Promise<Stored[]>;
  /** Hears every entry from now on, of one key or of all. Returns the function that stops it. */
  follow(key: Key | '*', follower: Follower): () => void;
  /** Rows in key order (tenant, then session). */
  rows(query?: RowQuery): Promise<Row[]>;
  /** Sessions per state: how many rows have each `state`. What is journaled like a session and is none is left out. */
  census(tenant?: string): Promise<Map<string, number>>;
  /** Forgets a session. */
  remove(key: Key): Promise<void>;
  /** Finishes what was accepted and closes. */
  close(): Promise<void>;
}

/** `tenant/session`: the key as one string, for maps and messages. */
export const keyName = (key: Key): string => `${key.tenant}/${key.session}`;

/** Whether a key is a session's: what the runtime journals for itself (agents from outside, jobs) has a name with `@`. */
export const isSession = ({ session }: Pick<Key, 'session'>): boolean => !session.startsWith('@');
