// Entries to fill a journal with.

import type { Entry, Journal, Key, Version } from '../src/journal/journal.ts';

export const key = (session: string, tenant = 'default'): Key => ({ tenant, session });

export const entry = (n: number, more: Partial<Entry> = {}): Entry => ({
  n,
  at: 1_000_000 + n,
  machine: 'session@1',
  event: { type: 'message', content: `message ${n}` },
  emitted: [],
  snapshot: { value: { control: 'automated' }, context: { epoch: 0 } },
  owed: [],
  state: 'automated/idle',
  ...more,
});

/** Appends entries `from` to `to` of a session; resolves to the last version. */
export async function fill(journal: Journal, at: Key, to: number, after: Version = 0, from = 1): Promise<Version> {
  for (let n = from; n <= to; n++) after = await journal.append(at, after, entry(n));
  return after;
}
