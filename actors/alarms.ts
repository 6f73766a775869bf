// Alarms of passivated sessions: one clock timer and one name each, so that a session that waits for a due time needs
// no actor.
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

  /**
   * Sets the alarm of `name` to ring once at `due`, ms since the epoch. A later call replaces an earlier one: a name
   * has at most one alarm.
   */
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
