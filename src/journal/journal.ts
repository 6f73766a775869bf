// The journal interface: every step of a session is appended, in order, before its effects are performed.

import type { Emitted } from '../emitted/emitted.ts';

/** Where a session's journal lives. Both are tokens: `[a-z0-9_-]`, 1 to 63 characters. */
export interface Key {
  readonly tenant: string;
  readonly session: string;
}

/**
 * A journal's own name for a position, opaque to its callers: a row number on SQLite, the stream's sequence on
 * JetStream. `0` means "before the first entry".
 */
export type Version = number;

/**
 * A started effect that has not finished: an invoke (no `due`) or a timer (`due` in ms since the epoch). `key` is
 * stable over crashes; agents get it as their idempotency key.
 */
export interface Owed {
  readonly id: string;
  readonly key: string;
  readonly due?: number;
}

/** One journaled step of a session. */
export interface Entry {
  /** Position in the session: 1, 2, 3, … without gaps. It is also the SSE id. */
  readonly n: number;
  /** Time of the step, ms since the epoch. */
  readonly at: number;
  /** The chart that took the step: `name@version`. */
  readonly machine: string;
  /** The event that the chart processed. */
  readonly event: { readonly type: string; readonly [member: string]: unknown };
  /** The input the machine was created with; only on the first entry. */
  readonly init?: unknown;
  /** The idempotency key of the request that caused it, when the caller gave one. */
  readonly cause?: string;
  /** The events that the machine emitted. */
  readonly emitted: readonly Emitted[];
  /** The resulting snapshot, from which the session wakes. */
  readonly snapshot: { readonly value: unknown; readonly context: unknown; readonly status?: 'done' | 'error' };
  /** The effects to perform, or to wait for, after this entry. */
  readonly owed: readonly Owed[];
  /** The last causes with the number of their entries, so that a repeated request is harmless. */
  readonly recent?: readonly (readonly [cause: string, n: number])[];
  /** The active states as one line, e.g. `automated/running.attempting` (see `stateName`), for lists of sessions. */
  readonly state: string;
  /**
   * The time at which the session must be awake even without a caller: 0 = at once (it owes an invoke), ms since the
   * epoch (a timer); absent = never.
   */
  readonly wake?: number;
}

/** An entry with its version in the journal. */
export interface Stored {
  readonly version: Version;
  readonly entry: Entry;
}

/** The summary of a session that a list shows without reading its entries. */
export interface Row {
  readonly key: Key;
  readonly n: number;
  readonly at: number;
  readonly state: string;
  readonly wake?: number;
}

/**
 * A filter for rows. `state` matches a whole state, one of its `/`-separated parts, or the outer levels of a part.
 * `after` is the cursor: the key of the last row of the page before.
 */
export interface RowQuery {
  readonly tenant?: string;
  readonly state?: string;
  /** Only rows that have `wake`. */
  readonly waking?: boolean;
  readonly after?: Key;
  /** Maximum of rows; default 100. */
  readonly limit?: number;
}

/** Called once for every entry appended through this journal, in order per key, after it is durable. */
export type Follower = (key: Key, stored: Stored) => void;

export interface Journal {
  /** The file of the journal, if it is one. */
  readonly path?: string;
  /**
   * Appends `entry` if the last version of `key` is `after` (compare-and-set), durably. This is the fence: a stale
   * owner is refused here. Resolves to the new version. Rejects with `Conflict` when `after` is not the last version,
   * with `JournalError` when the journal itself failed. Followers are notified before the promise resolves.
   */
  append(key: Key, after: Version, entry: Entry): Promise<Version>;
  /** The last entry of a session, or undefined when it has none. One read, however long the session. */
  last(key: Key): Promise<Stored | undefined>;
  /** Entries with `n >= from` (default 1) in order, at most `limit` of them (default all). */
  read(key: Key, from?: number, limit?: number): Promise<Stored[]>;
  /** The last `count` entries, in order. */
  tail(key: Key, count: number): Promise<Stored[]>;
  /** Subscribes to every entry from now on, of one key or of all. Returns the function that unsubscribes. */
  follow(key: Key | '*', follower: Follower): () => void;
  /** Rows in key order (tenant, then session). */
  rows(query?: RowQuery): Promise<Row[]>;
  /** The number of sessions in each `state`. Jobs and other internal keys do not count. */
  census(tenant?: string): Promise<Map<string, number>>;
  /** Deletes a session. */
  remove(key: Key): Promise<void>;
  /** Completes accepted appends and closes. */
  close(): Promise<void>;
}

/** `tenant/session`: the key as one string, for maps and messages. */
export const keyName = (key: Key): string => `${key.tenant}/${key.session}`;

/** Whether a key is a session's: internal keys of the runtime (agents from outside, jobs) begin with `@`. */
export const isSession = ({ session }: Pick<Key, 'session'>): boolean => !session.startsWith('@');
