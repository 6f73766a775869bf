// Replays the charts of the agents in a session's runs, from the task events in its entries.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Dump, type Stepper, stepper } from '../../../actors/durable.ts';
import { CREATE } from '../../../actors/session.ts';
import { taskOf } from '../../../actors/task.ts';
import type { SessionContext } from '../../../machines/session/events.ts';
import type { Entry } from '../../journal/journal.ts';

interface TaskEvent {
  readonly type: string;
  /** The task's input; only in its first event. */
  readonly input?: unknown;
}

export class Tasks {
  /** Count of snapshots that equal the stored ones. */
  compared = 0;
  readonly #charts: ReadonlyMap<string, Stepper>;
  /** The task of the open run before the next entry. */
  #before: unknown;

  constructor(charts: readonly AnyStateMachine[]) {
    this.#charts = new Map(charts.map((chart) => [stepper(chart).name, stepper(chart)]));
  }

  /** Replays the next entry; returns the difference, if there is one. */
  take({ event, snapshot }: Entry): string | undefined {
    const before = taskOf(this.#before);
    this.#before = (snapshot.context as Partial<SessionContext> | undefined)?.run?.task;
    const told = event.type === 'progressed' ? event : (event.output as { events?: unknown } | undefined);
    const events = (told as { events?: readonly TaskEvent[] } | undefined)?.events;
    const task = taskOf(event.task ?? (event.output as { result?: { task?: unknown } } | undefined)?.result?.task);
    if (!events?.length || !task) return undefined;
    const pure = this.#charts.get(task.machine);
    // This program does not have the task's chart.
    if (!pure) return undefined;
    try {
      const refolded = plain(pure.dump(fold(pure, before?.snapshot as Dump | undefined, events)));
      if (!isDeepStrictEqual(plain(task.snapshot), refolded)) return `another snapshot of ${task.machine}`;
    } catch (error) {
      return `${task.machine} throws on ${events.map(({ type }) => type).join(', ')}: ${(error as Error).message}`;
    }
    this.compared += 1;
    return undefined;
  }
}

function fold(pure: Stepper, from: Dump | undefined, events: readonly TaskEvent[]): AnyMachineSnapshot {
  let snapshot = from && pure.restore(from);
  for (const event of events)
    snapshot = event.type === CREATE ? pure.initial(event.input).snapshot : pure.step(snapshot!, event).snapshot;
  return snapshot!;
}

/** The value after a round trip through the journal's JSON. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
