// How many sessions are in which state, kept by what moves; and what that means for the states of a chart.

import type { Way } from '../../../src/fleet/figures.ts';

export type States = Readonly<Record<string, number>>;

/** The census after some moves. States that nobody is in are left out; a census that came too early never goes below none. */
export function moved(states: States, moves: readonly Way[]): States {
  const next: Record<string, number> = { ...states };
  const add = (state: string | null, count: number): void => {
    if (state === null) return;
    const now = (next[state] ?? 0) + count;
    if (now > 0) next[state] = now;
    else delete next[state];
  };
  for (const { from, to, count } of moves) {
    if (from === to) continue;
    add(from, -count);
    add(to, count);
  }
  return next;
}

/** Sessions per state of the chart, outer states included. */
export function byNode(states: States, idsOf: (state: string) => readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [state, count] of Object.entries(states))
    for (const id of idsOf(state)) counts.set(id, (counts.get(id) ?? 0) + count);
  return counts;
}

export const total = (states: States): number => Object.values(states).reduce((sum, count) => sum + count, 0);

/** A histogram whose buckets are not cumulative; the last one has no upper bound. */
export interface Dwell {
  readonly count: number;
  readonly sum_ms: number;
  readonly buckets: readonly { readonly le_ms: number | null; readonly count: number }[];
}

/** A time that a share of the stays did not exceed, ms; undefined when nobody left, or it lies beyond the last bound. */
export function quantile({ count, buckets }: Dwell, share: number): number | undefined {
  if (count === 0) return;
  let below = 0;
  let lower = 0;
  for (const { le_ms, count: here } of buckets) {
    if (below + here >= share * count && here > 0)
      return le_ms === null ? undefined : lower + ((share * count - below) / here) * (le_ms - lower);
    below += here;
    lower = le_ms ?? lower;
  }
  return;
}
