// Frames of entries and deltas for clients, and the position a returning client resumes from. SSE and WebSocket share them.

import { allowedAfter } from '../../../actors/allowed.ts';
import type { Part } from '../../../actors/parts.ts';
import { type SessionView, viewOf } from '../../../actors/view.ts';
import type { Entry } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import type { FeedItem } from '../../sessions/feed.ts';

/** One event of a stream. Deltas have no id, because a client cannot resume in the middle of an answer. */
export interface Told {
  readonly id?: string;
  readonly event: string;
  readonly data: object;
}

/** The position a client has read to: all of entry `n`, or its events up to index `k`. */
export interface Position {
  readonly n: number;
  readonly k?: number;
}

/** Reads an event id, `12` or `12.3`. Throws `Refused('bad_event_id')`. */
export function parsePosition(id: string): Position {
  const found = /^(\d{1,15})(?:\.(\d{1,6}))?$/.exec(id);
  if (!found) throw new Refused('bad_event_id', `"${id}" is no event id of a session`);
  const n = Number(found[1]);
  return found[2] === undefined ? { n } : { n, k: Number(found[2]) };
}

/** The last entry that the client has in full. */
export const wholeBefore = ({ n, k }: Position): number => (k === undefined ? n : Math.max(0, n - 1));

/** Refuses a position beyond the session's last entry: an earlier session of the same id issued it. */
export function checkPosition({ n }: Position, { entry, session_id }: SessionView): void {
  if (n <= entry) return;
  const sentence = `session "${session_id}" has only ${entry} entries; listen from the beginning`;
  throw new Refused('unknown_event_id', sentence, 409, { last: entry });
}

/** The events of an entry in order, each with its index in the entry, then the session's new state. */
export function toldOf(entry: Entry, session_id: string, seen?: Position): Told[] {
  const { n, at, emitted } = entry;
  const told: Told[] = [];
  for (let k = seen?.n === n && seen.k !== undefined ? seen.k + 1 : 0; k < emitted.length; k += 1)
    told.push({ id: `${n}.${k}`, event: emitted[k]!.type, data: { ...emitted[k], at } });
  told.push({ id: `${n}`, event: 'state_change', data: changeOf(entry, session_id) });
  return told;
}

/** Where a session stood after an entry, and which event led there. */
export interface StateChange extends SessionView {
  /** The active states as one line. */
  readonly state: string;
  readonly event: string;
  /** ms since the epoch */
  readonly at: number;
}

export const changeOf = (entry: Entry, session_id: string): StateChange => ({
  ...viewOf(session_id, entry.snapshot, entry.n),
  allowed: allowedAfter(entry),
  state: entry.state,
  event: entry.event.type,
  at: entry.at,
});

/** A delta of an answer: it replaces the client's text of this attempt from `offset` on. */
export const deltaOf = (part: Part): Told => ({ event: 'agent_stream_delta', data: part });

export const toldBy = (item: FeedItem, session_id: string, seen?: Position): Told[] =>
  item.type === 'part' ? [deltaOf(item.part)] : toldOf(item.entry, session_id, seen);
