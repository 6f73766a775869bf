// Refolds the charts of agents that were at work in a session's runs, from the events that its entries keep of them.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Dump, type Stepper, stepper } from '../../../actors/durable.ts';
import { CREATE } from '../../../actors/session.ts';
import { taskOf } from '../../../actors/task.ts';
import type { SessionContext } from '../../../machines/session/events.ts';
import type { Entry } from '../../journal/journal.ts';

interface TaskEvent {
  readonly type: string;
  /** Of the first one: what the task started from. */
  readonly input?: unknown;
}

export class Tasks {
  /** Snapshots that came out as they are stored. */
  compared = 0;
  readonly #charts: ReadonlyMap<string, Stepper>;
  /** What the run that is open has of its agent's work, before the next entry. */
  #before: unknown;

  constructor(charts: readonly AnyStateMachine[]) {
    this.#charts = new Map(charts.map((chart) => [stepper(chart).name, stepper(chart)]));
  }

  /** The next entry; says what came out otherwise, if anything did. */
  take({ event, snapshot }: Entry): string | undefined {
    const before = taskOf(this.#before);
    this.#before = (snapshot.context as Partial<SessionContext> | undefined)?.run?.task;
    const told = event.type === 'progressed' ? event : (event.output as { events?: unknown } | undefined);
    const events = (told as { events?: readonly TaskEvent[] } | undefined)?.events;
    const task = taskOf(event.task ?? (event.output as { result?: { task?: unknown } } | undefined)?.result?.task);
    if (!events?.length || !task) return undefined;
    const pure = this.#charts.get(task.machine);
    // A chart that is not here cannot be asked.
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

/** As the journal gives it back. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
