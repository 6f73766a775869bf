// Idle timeout of an answer that has begun: the agent may have died, and its connection would not report that.
import type { Clock } from '../../platform/clock.ts';
import { Failed } from '../../platform/errors.ts';

/** Default idle timeout, ms. */
export const IDLE_MS = 30_000;

export class Silence {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #fell: () => void;
  #lastHeard = 0;
  #timer: unknown;
  #over = false;

  constructor(clock: Clock, idleMs: number, fell: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#fell = fell;
  }

  /** Starts the idle timeout. */
  begin(): void {
    if (this.#timer !== undefined || this.#over) return;
    this.#lastHeard = this.#clock.now();
    this.#wait(this.#idleMs);
  }

  /** Resets the idle timeout. */
  heard(): void {
    this.#lastHeard = this.#clock.now();
  }

  end(): void {
    this.#over = true;
    this.#clock.clearTimeout(this.#timer);
  }

  // A delta sets no timer, because an answer has thousands of them; the timer that fires checks the time of the last
  // one.
  #wait(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#over) return;
      const left = this.#lastHeard + this.#idleMs - this.#clock.now();
      if (left > 0) this.#wait(left);
      else this.#fell();
    }, ms);
  }
}

export const fellSilent = (where: string, idleMs: number): Failed =>
  new Failed('fell_silent', `${where} began to answer and was silent for ${idleMs} ms`);
