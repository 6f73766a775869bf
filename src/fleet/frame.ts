// What happened to a tenant's sessions since somebody was last told: the same steps counted together, the newest by name.
import { type Move, type Way, wayName } from './figures.ts';
import type { Step } from './fleet.ts';

/** Times are ms since the epoch. */
export interface FrameView {
  readonly moves: readonly Way[];
  /** The newest steps, oldest first. */
  readonly entries: readonly Step[];
  /** Steps that are in `moves` and not in `entries`. */
  readonly left_off: number;
}

/** Steps that are told one by one. */
const NEWEST = 100;

/** Grows with the ways of a chart, not with what happens: whoever is slow gets more in one frame, and no one waits for it. */
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
    // In one go, now and then: taking them off one by one would move all others each time.
    if (this.#entries.length >= 2 * NEWEST) this.#forget();
  }

  /** What another node put together. */
  merge({ moves, entries, left_off }: FrameView): void {
    for (const { count, ...move } of moves) this.add(move, undefined, count);
    for (const step of entries) this.#entries.push(step);
    this.#left += left_off;
    if (this.#entries.length >= 2 * NEWEST) this.#forget();
  }

  /** Everything so far; the next one begins anew. */
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
