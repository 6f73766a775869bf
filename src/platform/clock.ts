// The clock interface: the real clock in production, a stepped one in tests.

/** The shape of XState's own clock, plus `now`. All times are milliseconds. */
export interface Clock {
  now(): number;
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
}

// Node fires timers of more than 2^31-1 ms at once, so a longer wait is split into several timers.
const LONGEST = 2 ** 31 - 1;

interface Pieces {
  timer: NodeJS.Timeout;
}

function later(fn: () => void, ms: number, pieces: Pieces = {} as Pieces): Pieces {
  pieces.timer =
    ms > LONGEST ? setTimeout(() => later(fn, ms - LONGEST, pieces), LONGEST) : setTimeout(fn, Math.max(0, ms));
  return pieces;
}

export const realClock: Clock = {
  now: Date.now,
  setTimeout: (fn, ms) => later(fn, ms),
  clearTimeout: (pieces) => clearTimeout((pieces as Pieces | undefined)?.timer),
};

/**
 * A clock that moves only when `advance` is called; timers fire in order of their due time, then in the order in which
 * they were set.
 */
export class SteppedClock implements Clock {
  #now: number;
  #serial = 0;
  readonly #timers = new Map<number, { due: number; fn: () => void }>();

  constructor(start = 0) {
    this.#now = start;
  }

  now = (): number => this.#now;

  setTimeout = (fn: () => void, ms: number): number => {
    this.#serial += 1;
    this.#timers.set(this.#serial, { due: this.#now + Math.max(0, ms), fn });
    return this.#serial;
  };

  clearTimeout = (timer: unknown): void => {
    this.#timers.delete(timer as number);
  };

  /** The due time of the next timer, or undefined when none is set. */
  next(): number | undefined {
    let due: number | undefined;
    for (const timer of this.#timers.values()) if (due === undefined || timer.due < due) due = timer.due;
    return due;
  }

  /** Moves the clock on by `ms` and fires each timer that falls due at its due time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = this.next();
      if (due === undefined || due > end) break;
      this.#now = Math.max(this.#now, due);
      for (const [id, timer] of [...this.#timers].sort((a, b) => a[1].due - b[1].due || a[0] - b[0])) {
        if (timer.due > this.#now || !this.#timers.delete(id)) continue;
        timer.fn();
        break;
      }
    }
    this.#now = end;
  }
}
