// Runs an agent's own chart as a task of a run. The loop is `Session`'s, and the task's journal is the run's.
import type { AnyStateMachine, EventObject } from 'xstate';
import { z } from 'zod';
import type { TaskFailure } from '../machines/task/events.ts';
import type { AgentCall, AgentResult } from '../src/agents/definition.ts';
import type { TaskEmitted } from '../src/emitted/emitted.ts';
import type { Entry, Version } from '../src/journal/journal.ts';
import type { Clock } from '../src/platform/clock.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import { stepper } from './durable.ts';
import { asFailed, type PerformerIO } from './performer.ts';
import { resultSchema } from './result.ts';
import { CREATE, type Host, Session, type Work } from './session.ts';
import { chartId, migrated, type Position } from './versions.ts';

/**
 * Performs an invoke of a task's chart and resolves with its output. Each event that it sends to the chart meanwhile is
 * journaled.
 */
export type TaskActor = (input: any, work: Work) => Promise<unknown>;

export interface TaskOptions {
  readonly machine: AnyStateMachine;
  /** The chart's input, when the run has no record of this task yet. */
  readonly input: unknown;
  readonly call: AgentCall;
  readonly io: PerformerIO;
  readonly clock: Clock;
  /** By the `src` of the chart's invokes. */
  readonly actors: Readonly<Record<string, TaskActor>>;
}

/** The tag of states in which the chart waits for an external answer; `context.question` then holds the question. */
export const ASKS = 'asks';

/**
 * The longest record of a task, in characters of JSON: an entry contains it twice and must fit into one NATS message.
 */
const LONGEST = 400_000;

const taskRecord = z.object({
  machine: z.string(),
  n: z.number(),
  at: z.number(),
  state: z.string(),
  snapshot: z.object({ value: z.unknown(), context: z.unknown() }),
  owed: z.array(z.object({ id: z.string(), key: z.string(), due: z.number().optional() })),
  /** Number of the run's user messages that the chart has received. */
  heard: z.number(),
});
/**
 * The name of a call's task, the same in all attempts, so that the idempotency keys of its effects are the same too.
 */
export const taskName = ({ run_id, agent_id, hop, step }: AgentCall): string =>
  // An agent that gets a run back from another agent starts a new task.
  [run_id, hop === undefined ? agent_id : `${agent_id}~${hop}`, ...(step === undefined ? [] : [step])].join('/');

/** The record of a task, which its run journals and the next attempt resumes from. */
export type TaskRecord = z.infer<typeof taskRecord>;

/** The record in an agent's `task`; undefined when it is something else. */
export const taskOf = (task: unknown): TaskRecord | undefined => taskRecord.safeParse(task).data;

/** The records of an open run's tasks: its agent's own, the one that a transfer comes back to, and those of a flow's steps. */
function tasksOf({ task, transfer, back }: Holder): TaskRecord[] {
  const record = taskOf(task);
  const { steps } = (record?.snapshot.context ?? {}) as { steps?: unknown };
  const others = [transfer, back].flatMap((giver) => (giver ? tasksOf({ task: giver.task }) : []));
  const inner = Array.isArray(steps) ? (steps as Holder[]).flatMap(tasksOf) : [];
  return record ? [record, ...inner, ...others] : others;
}

/** A run, or a step of a flow. */
interface Holder {
  readonly task?: unknown;
  readonly transfer?: { readonly task?: unknown };
  readonly back?: { readonly task?: unknown };
}

/**
 * Throws `Refused('machine_version')` where the open run has a task that an earlier version of a chart began and that none of
 * `charts` with its id can continue: the run would be lost. A task whose chart is not among them is left to its agent.
 */
export function checkTasks(run: unknown, charts: Iterable<AnyStateMachine>, what: string): void {
  for (const record of tasksOf((run ?? {}) as Holder)) {
    const id = chartId(record.machine);
    const refusals: Refused[] = [];
    let goesOn = false;
    for (const chart of charts) {
      if (chart.id !== id) continue;
      try {
        migrated(record as TaskRecord & Position, chart, `the open run of ${what}`);
        goesOn = true;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        refusals.push(error);
      }
    }
    if (!goesOn && refusals.length > 0) throw refusals[0];
  }
}

/**
 * Performs one attempt of an agent that is a chart, from the start or from the run's record. Resolves with the output
 * of the chart's final state, or with its question. An invoke that fails in a state without `onError` fails the
 * attempt; the next attempt resumes from the last journaled record, so completed effects are not performed again.
 *
 * Sends the chart further user messages as `heard` (with `input`) and the answer to its question as `decided`. Rejects
 * with `Failed`: an invoke's own failure, `machine_version`, `task_too_large` or `bad_answer`.
 */
export function performTask(options: TaskOptions): Promise<AgentResult> {
  try {
    return new Task(options).result;
  } catch (error) {
    return Promise.reject(error);
  }
}

class Task implements Host {
  readonly result: Promise<AgentResult>;
  readonly journal;
  readonly clock: Clock;
  readonly inspect;
  readonly #options: TaskOptions;
  readonly #session: Session;
  #resolve!: (result: AgentResult) => void;
  #reject!: (error: unknown) => void;
  /** The events taken and emitted since the last append. */
  #events: object[] = [];
  #told: TaskEmitted[] = [];
  /** The run's record at the start; later the record that goes with the chart's question. */
  #record: TaskRecord | undefined;
  #over = false;

  constructor(options: TaskOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.inspect = options.io.inspect;
    this.journal = { append: (_: unknown, __: Version, entry: Entry) => this.#append(entry), read: async () => [] };
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { io, call } = options;
    const left = () => this.#fail(asFailed(io.signal.reason, io.signal, call.agent_id));
    if (io.signal.aborted) left();
    else io.signal.addEventListener('abort', left, { once: true });
    this.result.finally(() => io.signal.removeEventListener('abort', left)).catch(() => {});
    this.#record = taskOf(options.call.task);
    this.#session = this.#open();
    this.#begin();
  }

  perform(session: Session, src: string, input: unknown, work: Work): Promise<unknown> {
    const { actors } = this.#options;
    const actor = actors[src];
    const performed = actor
      ? actor(input, work)
      : Promise.reject(
          new Failed('unknown_work', `nothing performs "${src}" of ${session.snapshot.machine.id}`, false),
        );
    return performed.catch((error) => {
      if (work.signal.aborted || handlesFailureOf(session, src)) throw error;
      this.#fail(error);
      return new Promise(() => {});
    });
  }

  failure(error: unknown): unknown {
    const { code, message, retryable } = asFailed(error, new AbortController().signal, this.#options.call.agent_id);
    return { code, message, retryable };
  }

  remembered(session: Session): void {
    const { snapshot } = session;
    if (snapshot.status === 'done') this.#end(snapshot.output);
    else if (snapshot.hasTag(ASKS)) this.#end({ ...snapshot.context.question, task: this.#record });
  }

  broken(_: Session, error: unknown): void {
    this.#fail(error);
  }

  dropped(): void {}

  #open(): Session {
    const { machine, input, call } = this.#options;
    const { agent_id } = call;
    const key = { tenant: call.tenant, session: taskName(call) };
    if (!this.#record) return Session.create(key, this, machine, input);
    const { heard: _, ...last } = migratedTask(this.#record, machine, agent_id);
    const entry = { ...last, event: { type: CREATE }, emitted: [] } as Entry;
    return Session.wake(key, this, machine, { entry, version: last.n });
  }

  /**
   * Sends the chart the input since the last record: the answer to its question, or messages that were steered into the
   * run.
   */
  #begin(): void {
    const { call } = this.#options;
    const session = this.#session;
    const record = this.#record;
    if (!record) {
      this.#send(session, { type: CREATE });
      return;
    }
    const words = call.input.map(({ content }) => content);
    const asks = session.snapshot.hasTag(ASKS);
    const asksForWords = asks && session.snapshot.context.question?.type === 'input_required';
    const input = asksForWords ? words : words.slice(record.heard);
    if (asks && !asksForWords && call.decision)
      this.#send(session, { type: 'decided', decision: call.decision } as EventObject);
    // The question has no answer yet, so the attempt asks it again.
    else if (asks && !(asksForWords && input.length > 0)) {
      this.#end({ ...session.snapshot.context.question, task: record });
      return;
    }
    if (input.length > 0) this.#send(session, { type: 'heard', input } as EventObject);
  }

  /** A chart that does not handle this event continues without it. */
  #send(session: Session, event: EventObject): void {
    session.send(event).catch(() => {});
  }

  async #append(entry: Entry): Promise<Version> {
    const { io } = this.#options;
    const { snapshot } = this.#session;
    // Includes the chart's input, so that the task can be replayed from its events alone.
    this.#events.push(entry.init === undefined ? entry.event : { ...entry.event, input: entry.init });
    // Entries of a task have no run: the session adds that when it emits them again.
    this.#told.push(...(entry.emitted as readonly TaskEmitted[]));
    const asks = snapshot.hasTag(ASKS);
    if (asks) this.#record = this.#recordOf(entry);
    // Steps that the run's own entries imply or are about to record need no append of their own.
    if (asks || snapshot.status === 'done' || implied.has(entry.event.type)) return entry.n;
    const task = this.#recordOf(entry);
    const told = this.#told;
    const events = this.#events;
    this.#told = [];
    this.#events = [];
    await io.remember({ task, ...(told.length > 0 && { told }), events });
    return entry.n;
  }

  #recordOf({ n, at, machine, state, snapshot, owed }: Entry): TaskRecord {
    const heard = this.#options.call.input.length;
    const record = { machine, n, at, state, snapshot, owed, heard } as TaskRecord;
    const { length } = JSON.stringify(record);
    if (length > LONGEST)
      throw new Failed(
        'task_too_large',
        `agent "${this.#options.call.agent_id}" keeps ${length} characters of its work, and a run can hold ${LONGEST}`,
        false,
      );
    return record;
  }

  #end(output: unknown): void {
    if (this.#over) return;
    if ((output as TaskFailure | undefined)?.type === 'failed') {
      const { code, message, retryable } = output as TaskFailure;
      this.#options.io.told.push(...this.#told);
      this.#fail(new Failed(code, message, retryable));
      return;
    }
    const parsed = resultSchema.safeParse(output);
    if (!parsed.success) {
      const id = this.#options.machine.id;
      const why = z.prettifyError(parsed.error).replaceAll('\n', ' ');
      this.#fail(new Failed('bad_answer', `the chart ${id} ends with what is no AgentResult: ${why}`, false));
      return;
    }
    this.#options.io.told.push(...this.#told);
    this.#options.io.events.push(...this.#events);
    this.#leave();
    this.#resolve(parsed.data as AgentResult);
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#leave();
    this.#reject(error);
  }

  #leave(): void {
    this.#over = true;
    // Deferred: the session may still be in its constructor, or in the call that led here.
    queueMicrotask(() => this.#session.stop());
  }
}

/** Migrates a record to the current version of the chart. Throws `Failed('machine_version')`, not retryable. */
function migratedTask(record: TaskRecord, machine: AnyStateMachine, agent_id: string): TaskRecord {
  try {
    return migrated(record as TaskRecord & Position, machine, `the run of agent "${agent_id}"`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Failed(error.code, `${error.message}; cancel it and say it again`, false);
  }
}

/** Events that the next attempt derives from its call again. */
const implied = new Set([CREATE, 'heard', 'decided']);

function handlesFailureOf(session: Session, src: string): boolean {
  const { snapshot } = session;
  const invoke = stepper(snapshot.machine as AnyStateMachine)
    .invokes(snapshot)
    .find((one) => one.src === src);
  return snapshot._nodes.some((node) => node.ownEvents.includes(`xstate.error.actor.${invoke?.id}`));
}
