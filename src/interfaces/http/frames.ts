// How entries and pieces of answers look to a listener, and where a listener that comes back goes on. SSE and WebSocket share it.

import { allowedAfter } from '../../../actors/allowed.ts';
import type { Part } from '../../../actors/parts.ts';
import { type SessionView, viewOf } from '../../../actors/view.ts';
import type { Entry } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import type { FeedItem } from '../../sessions/feed.ts';

/** One event as a listener gets it. Deltas have no id: nobody can resume from the middle of an answer. */
export interface Told {
  readonly id?: string;
  readonly event: string;
  readonly data: object;
}

/** What has been seen: all of entry `n`, or of entry `n` only the events up to `k`. */
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

/** The last entry of which nothing is missing. */
export const wholeBefore = ({ n, k }: Position): number => (k === undefined ? n : Math.max(0, n - 1));

/** A position in the future of a session was given out by another one of the same name. */
export function checkPosition({ n }: Position, { entry, session_id }: SessionView): void {
  if (n <= entry) return;
  const sentence = `session "${session_id}" has only ${entry} entries; listen from the beginning`;
  throw new Refused('unknown_event_id', sentence, 409, { last: entry });
}

/** What an entry tells, in order: each event with its place in the entry, then where the session stands. */
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

/** A piece of an answer: it replaces what a listener has of this attempt from `offset` on. */
export const deltaOf = (part: Part): Told => ({ event: 'agent_stream_delta', data: part });

export const toldBy = (item: FeedItem, session_id: string, seen?: Position): Told[] =>
  item.type === 'part' ? [deltaOf(item.part)] : toldOf(item.entry, session_id, seen);
