// Sessions that exceed the time limit of a state, kept in order of entry, so that a query costs only its results.

/**
 * Time limits, ms. A state with a deadline of its own is stuck if the deadline did not end it; states that wait for the user have
 * no limit.
 */
export const STUCK_MS: Readonly<Record<string, number>> = {
  starting: 60_000,
  screening: 60_000,
  routing: 60_000,
  'running.attempting': 600_000,
  'running.backingOff': 120_000,
  'running.handingOver': 60_000,
  'running.awaitingApproval': 3_600_000,
  'running.awaitingClientTool': 600_000,
  pausing: 600_000,
  paused: 3_600_000,
  human: 3_600_000,
  suspended: 3_600_000,
};

/** A session over its time limit. Times are ms since the epoch, the threshold is ms. */
export interface Stuck {
  readonly name: string;
  readonly part: string;
  readonly since: number;
  readonly threshold_ms: number;
}

export class Stays {
  readonly #thresholds: Readonly<Record<string, number>>;
  readonly #byPart: ReadonlyMap<string, Map<string, number>>;

  constructor(thresholds: Readonly<Record<string, number>> = {}) {
    this.#thresholds = { ...STUCK_MS, ...thresholds };
    this.#byPart = new Map(Object.keys(this.#thresholds).map((part) => [part, new Map()]));
  }

  watches(part: string): boolean {
    return this.#byPart.has(part);
  }

  /** `name` is the session's key as one string. */
  enter(part: string, name: string, since: number): void {
    this.#byPart.get(part)?.set(name, since);
  }

  /** Adds sessions from before this process; those entered since are newer and win. */
  before(part: string, found: readonly (readonly [name: string, since: number])[]): void {
    const stays = this.#byPart.get(part);
    if (!stays || found.length === 0) return;
    const all = new Map([...found, ...stays]);
    stays.clear();
    for (const [name, since] of [...all].sort(([, a], [, b]) => a - b)) stays.set(name, since);
  }

  leave(part: string, name: string): void {
    this.#byPart.get(part)?.delete(name);
  }

  /** Forgets sessions that another node owns now. */
  forget(which: (name: string) => boolean): void {
    for (const stays of this.#byPart.values()) for (const name of stays.keys()) if (which(name)) stays.delete(name);
  }

  /** The sessions over their threshold at `now`, per part the longest first. */
  *stuck(now: number): Generator<Stuck> {
    for (const [part, stays] of this.#byPart) {
      const threshold_ms = this.#thresholds[part]!;
      for (const [name, since] of stays) {
        if (now - since < threshold_ms) break;
        yield { name, part, since, threshold_ms };
      }
    }
  }
}
