// A frame of a tenant's transitions since the frame before: equal ones counted together, the newest listed one by one.
import { type Move, type Way, wayName } from './figures.ts';
import type { Step } from './fleet.ts';

/** Times are ms since the epoch. */
export interface FrameView {
  readonly moves: readonly Way[];
  /** The newest changes, oldest first. */
  readonly entries: readonly Step[];
  /** Count of changes that are in `moves` and not in `entries`. */
  readonly left_off: number;
}

/** Number of changes that are listed one by one. */
const NEWEST = 100;

/** Grows with the chart's transitions, not with the number of events: a slow client gets more per frame and holds up no other. */
export class Frame {
  #moves = new Map<string, Move & { count: number }>();
  #entries: Step[] = [];
  #left = 0;

  get empty(): boolean {
    return this.#moves.size === 0;
  }

  add(move: Move, step: Step | undefined, count = 1): void {
    const name = wayName(move);
    const known = this.#moves.get(name);
    if (known) known.count += count;
    else this.#moves.set(name, { ...move, count });
    if (step) this.#entries.push(step);
    // Trims in batches: removing one at a time would move all others each time.
    if (this.#entries.length >= 2 * NEWEST) this.#forget();
  }

  /** Adds the frame of another node. */
  merge({ moves, entries, left_off }: FrameView): void {
    for (const { count, ...move } of moves) this.add(move, undefined, count);
    for (const step of entries) this.#entries.push(step);
    this.#left += left_off;
    if (this.#entries.length >= 2 * NEWEST) this.#forget();
  }

  /** Returns everything since the last call, and starts a new frame. */
  take(): FrameView {
    this.#forget();
    const view = { moves: [...this.#moves.values()], entries: this.#entries, left_off: this.#left };
    this.#moves = new Map();
    this.#entries = [];
    this.#left = 0;
    return view;
  }

  #forget(): void {
    const over = Math.max(0, this.#entries.length - NEWEST);
    this.#left += over;
    if (over > 0) this.#entries = this.#entries.slice(over);
  }
}
