// The queue of this node's jobs: those waiting for a worker, by priority and age, and those running.
import type { EventObject } from 'xstate';
import { JOB, type Orchestrator } from '../../actors/orchestrator.ts';
import { type Priority, priorities } from '../../machines/job/events.ts';
import { type Key, keyName, type Row } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import { Refused } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';

export interface QueueOptions {
  /** Jobs that run concurrently on this node. */
  readonly workers: number;
  readonly clock: Clock;
  readonly log: Log;
}

interface Waiting {
  readonly key: Key;
  readonly priority: Priority;
  /** Time since which it waits, ms since the epoch. */
  readonly at: number;
}

/** Back-off after the journal failed, ms. */
const AGAIN = 1_000;

/**
 * A waiting job is a row in the journal and about 300 bytes here; its actor is loaded when it gets a worker. The queue is only a
 * cache: the truth is in the states of the jobs, from which a new process restores it.
 */
export class JobQueue {
  readonly #orchestrator: Orchestrator;
  readonly #options: QueueOptions;
  readonly #waiting: Readonly<Record<Priority, Map<string, Waiting>>> = {
    high: new Map(),
    normal: new Map(),
    low: new Map(),
  };
  /** Jobs that were sent `start` and have not reported `running` yet. */
  readonly #starting = new Set<string>();
  readonly #running = new Set<string>();
  readonly #unsubscribe: () => void;
  #open = false;
  #pumping = false;
  #pause: unknown;

  constructor(orchestrator: Orchestrator, options: QueueOptions) {
    this.#orchestrator = orchestrator;
    this.#options = options;
    this.#unsubscribe = orchestrator.hearAll((key, { state, at }) => {
      if (key.session.startsWith(JOB)) this.#onEntry(key, state, at);
    });
  }

  /** Jobs that wait and run on this node. */
  get counts(): { readonly waiting: number; readonly running: number } {
    const waiting = priorities.reduce((sum, priority) => sum + this.#waiting[priority].size, 0);
    return { waiting, running: this.#running.size };
  }

  /** Starts jobs from now on. */
  open(): void {
    this.#open = true;
    this.#pump();
  }

  /** Stops starting jobs. */
  close(): void {
    this.#open = false;
    this.#unsubscribe();
    this.#options.clock.clearTimeout(this.#pause);
  }

  /** Adopts the waiting jobs among these rows, which existed before this node had them. */
  adopt(rows: readonly Row[]): void {
    const found = rows.filter(({ key, state }) => key.session.startsWith(JOB) && priorityOf(state));
    if (found.length === 0) return;
    for (const { key, state, at } of found) this.#add({ key, priority: priorityOf(state)!, at });
    for (const waiting of Object.values(this.#waiting)) {
      const inOrder = [...waiting].sort(([x, a], [y, b]) => a.at - b.at || (x < y ? -1 : 1));
      waiting.clear();
      for (const [name, one] of inOrder) waiting.set(name, one);
    }
    this.#pump();
  }

  /** Drops these jobs: another node owns them. */
  drop(which: (key: Key) => boolean): void {
    for (const waiting of Object.values(this.#waiting))
      for (const [name, { key }] of waiting) if (which(key)) waiting.delete(name);
    for (const name of this.#running) if (which(keyOf(name))) this.#running.delete(name);
    this.#pump();
  }

  #onEntry(key: Key, state: string, at: number): void {
    const name = keyName(key);
    const priority = priorityOf(state);
    for (const one of priorities) if (one !== priority) this.#waiting[one].delete(name);
    if (priority) this.#add({ key, priority, at });
    if (state === 'running') this.#running.add(name);
    else this.#running.delete(name);
    this.#pump();
  }

  /** Batches the changes of one turn of the event loop, in which many jobs may come and go. */
  #pump(): void {
    if (this.#pumping || !this.#open) return;
    this.#pumping = true;
    queueMicrotask(() => {
      this.#pumping = false;
      while (this.#open && this.#running.size + this.#starting.size < this.#options.workers) {
        const next = this.#next();
        if (!next) return;
        void this.#start(next);
      }
    });
  }

  #add(waiting: Waiting): void {
    this.#waiting[waiting.priority].set(keyName(waiting.key), waiting);
  }

  #next(): Waiting | undefined {
    for (const priority of priorities) {
      const [first] = this.#waiting[priority];
      if (!first) continue;
      this.#waiting[priority].delete(first[0]);
      return first[1];
    }
    return undefined;
  }

  async #start(waiting: Waiting): Promise<void> {
    const { key } = waiting;
    const name = keyName(key);
    this.#starting.add(name);
    try {
      await this.#orchestrator.send(key, { type: 'start' } as EventObject);
    } catch (error) {
      // The job was cancelled meanwhile, or belongs to another node, which has it in its own queue.
      if (!(error instanceof Refused)) this.#later(waiting, error);
    } finally {
      this.#starting.delete(name);
      this.#pump();
    }
  }

  /** The journal failed: the job waits again, and no job starts until the back-off is over. */
  #later(waiting: Waiting, error: unknown): void {
    const { log, clock } = this.#options;
    log.warn({ err: error, job: keyName(waiting.key) }, 'a job could not be started; trying again');
    this.#open = false;
    this.#pause = clock.setTimeout(() => {
      const { key, priority, at } = waiting;
      this.#open = true;
      this.adopt([{ key, at, n: 0, state: `waiting.${priority}` }]);
    }, AGAIN);
  }
}

/** `waiting.high` → `high`; undefined for a job that does not wait. */
const priorityOf = (state: string): Priority | undefined =>
  state.startsWith('waiting.') ? (state.slice('waiting.'.length) as Priority) : undefined;

const keyOf = (name: string): Key => {
  const [tenant, session] = name.split('/') as [string, string];
  return { tenant, session };
};
