// How long an answer that has begun may be silent: whoever is giving it may have died, and nobody would say so.
import type { Clock } from '../../platform/clock.ts';
import { Failed } from '../../platform/errors.ts';

/** An answer that has begun and is silent for so long is given up, ms; unless the agent's definition tells. */
export const IDLE_MS = 30_000;

export class Silence {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #fell: () => void;
  #heard = 0;
  #timer: unknown;
  #over = false;

  constructor(clock: Clock, idleMs: number, fell: () => void) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#fell = fell;
  }

  /** From now on silence counts. */
  begin(): void {
    if (this.#timer !== undefined || this.#over) return;
    this.#heard = this.#clock.now();
    this.#wait(this.#idleMs);
  }

  /** A sign of life. */
  heard(): void {
    this.#heard = this.#clock.now();
  }

  end(): void {
    this.#over = true;
    this.#clock.clearTimeout(this.#timer);
  }

  // A word sets no timer: there are thousands of them in an answer.
  #wait(ms: number): void {
    this.#timer = this.#clock.setTimeout(() => {
      if (this.#over) return;
      const left = this.#heard + this.#idleMs - this.#clock.now();
      if (left > 0) this.#wait(left);
      else this.#fell();
    }, ms);
  }
}

export const fellSilent = (where: string, idleMs: number): Failed =>
  new Failed('fell_silent', `${where} began to answer and was silent for ${idleMs} ms`);
