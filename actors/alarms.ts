// Rings for sessions that left memory while they wait for a time to come: a timer and a name each, instead of an actor.
import type { Clock } from '../src/platform/clock.ts';

export class Alarms {
  readonly #clock: Clock;
  readonly #ring: (name: string) => void;
  readonly #timers = new Map<string, unknown>();

  constructor(clock: Clock, ring: (name: string) => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  get size(): number {
    return this.#timers.size;
  }

  /** Rings once at `due`, ms since the epoch; a name has one alarm at most. */
  set(name: string, due: number): void {
    this.clear(name);
    const timer = this.#clock.setTimeout(() => {
      this.#timers.delete(name);
      this.#ring(name);
    }, due - this.#clock.now());
    this.#timers.set(name, timer);
  }

  clear(name: string): void {
    this.#clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }

  clearAll(which: (name: string) => boolean = () => true): void {
    for (const name of this.#timers.keys()) if (which(name)) this.clear(name);
  }
}
