// A job's memory for its run: completed steps, restored from its entries, and its progress.
import type { EventObject } from 'xstate';
import type { Work } from '../../actors/session.ts';
import type { JobEvent } from '../../machines/job/events.ts';
import type { Stored } from '../journal/journal.ts';
import type { RunMemory } from '../orchestration/context.ts';
import type { Clock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';

/** Interval between two entries that only report progress, ms. */
const SLOWEST = 500;
/** Longest result of a step, in characters of JSON. */
const LONGEST = 400_000;

export class JobMemory implements RunMemory {
  readonly #work: Work;
  readonly #clock: Clock;
  readonly #done = new Map<string, unknown>();
  #latest: { progress: number; note?: string } | undefined;
  #timer: unknown;
  #reported = Number.NEGATIVE_INFINITY;

  constructor(stored: readonly Stored[], work: Work, clock: Clock) {
    this.#work = work;
    this.#clock = clock;
    for (const { entry } of stored)
      if (entry.event.type === 'step_done') this.#done.set(entry.event.name as string, entry.event.result);
  }

  recall(name: string): { readonly result: unknown } | undefined {
    return this.#done.has(name) ? { result: this.#done.get(name) } : undefined;
  }

  async remember(name: string, result: unknown): Promise<void> {
    const length = JSON.stringify(result).length;
    if (length > LONGEST)
      throw new Failed(
        'step_too_large',
        `step "${name}" came to ${length} characters of JSON, and ${LONGEST} are the most: keep it elsewhere and refer to it`,
        false,
      );
    await this.#send({ type: 'step_done', name, result });
  }

  /**
   * Throttles reports: the first is journaled at once, the last of many after `SLOWEST`, because a run may report in a tight
   * loop.
   */
  progress(progress: number, note?: string): void {
    this.#latest = { progress, ...(note !== undefined && { note }) };
    if (this.#timer !== undefined) return;
    const wait = this.#reported + SLOWEST - this.#clock.now();
    if (wait <= 0) this.#report();
    else this.#timer = this.#clock.setTimeout(() => this.#report(), wait);
  }

  /** The attempt is over: cancels the pending report. */
  end(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #report(): void {
    this.#timer = undefined;
    this.#reported = this.#clock.now();
    // A rejection means that the attempt has ended, and its progress no longer matters.
    this.#send({ type: 'progressed', ...this.#latest! }).catch(() => {});
  }

  async #send(event: JobEvent): Promise<void> {
    await this.#work.tell(event as EventObject);
  }
}
