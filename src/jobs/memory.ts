// What a job remembers for its run: the steps that are done, read from its entries, and how far it says it is.
import type { EventObject } from 'xstate';
import type { Work } from '../../actors/session.ts';
import type { JobEvent } from '../../machines/job/events.ts';
import type { Stored } from '../journal/journal.ts';
import type { RunMemory } from '../orchestration/context.ts';
import type { Clock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';

/** Between two entries that only say how far the run is, ms. */
const SLOWEST = 500;
/** Longest result of a step, in characters of JSON. */
const LONGEST = 400_000;

export class JobMemory implements RunMemory {
  readonly #work: Work;
  readonly #clock: Clock;
  readonly #done = new Map<string, unknown>();
  #said: { progress: number; note?: string } | undefined;
  #timer: unknown;
  #told = Number.NEGATIVE_INFINITY;

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
    await this.#tell({ type: 'step_done', name, result });
  }

  /** The first word at once, the last one of many after a while: a run may say it in a tight loop. */
  progress(progress: number, note?: string): void {
    this.#said = { progress, ...(note !== undefined && { note }) };
    if (this.#timer !== undefined) return;
    const wait = this.#told + SLOWEST - this.#clock.now();
    if (wait <= 0) this.#say();
    else this.#timer = this.#clock.setTimeout(() => this.#say(), wait);
  }

  /** The attempt is over: nothing is told of it any more. */
  end(): void {
    this.#clock.clearTimeout(this.#timer);
  }

  #say(): void {
    this.#timer = undefined;
    this.#told = this.#clock.now();
    // Whoever is not heard any more need not be told.
    this.#tell({ type: 'progressed', ...this.#said! }).catch(() => {});
  }

  async #tell(event: JobEvent): Promise<void> {
    await this.#work.tell(event as EventObject);
  }
}
