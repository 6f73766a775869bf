// Statistics of a tenant's sessions since the start: dwell times, and counts of transitions.
import { Dwell, type DwellView, sumOf } from './dwell.ts';

/** A session's change of state; `from` is null at its creation, `to` at its removal. */
export interface Move {
  readonly from: string | null;
  readonly to: string | null;
  readonly event: string;
}

/** A transition and its count. */
export interface Way extends Move {
  readonly count: number;
}

/** Key of a transition in maps. */
export const wayName = ({ from, event, to }: Move): string => `${from} ${event} ${to}`;

/** Grows with the chart, not with the number of events. */
export class Figures {
  readonly #dwell = new Map<string, Dwell>();
  readonly #ways = new Map<string, Move & { count: number }>();

  took(move: Move): void {
    const name = wayName(move);
    const known = this.#ways.get(name);
    if (known) known.count += 1;
    else this.#ways.set(name, { ...move, count: 1 });
  }

  /** Records that a session has left a part of its state after `ms`. */
  stayed(part: string, ms: number): void {
    let dwell = this.#dwell.get(part);
    if (!dwell) {
      dwell = new Dwell();
      this.#dwell.set(part, dwell);
    }
    dwell.observe(ms);
  }

  dwell(): Record<string, DwellView> {
    return Object.fromEntries([...this.#dwell].map(([part, dwell]) => [part, dwell.view()]));
  }

  ways(): Way[] {
    return [...this.#ways.values()];
  }
}

export function sumOfDwells(all: readonly Readonly<Record<string, DwellView>>[]): Record<string, DwellView> {
  const sum: Record<string, DwellView> = {};
  for (const one of all)
    for (const [part, view] of Object.entries(one)) sum[part] = sum[part] ? sumOf(sum[part], view) : view;
  return sum;
}

export function sumOfWays(all: readonly (readonly Way[])[]): Way[] {
  const sum = new Map<string, Way>();
  for (const way of all.flat()) {
    const name = wayName(way);
    sum.set(name, { ...way, count: way.count + (sum.get(name)?.count ?? 0) });
  }
  return [...sum.values()];
}
