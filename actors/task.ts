// Runs an agent's own chart as a task of a run: decide, remember in the session's journal, do. The loop is the session's own.
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
import { migrated, type Position } from './versions.ts';

/** Performs an invoke of a task's chart: resolves to its output. What it tells the chart meanwhile is remembered one by one. */
export type TaskActor = (input: any, work: Work) => Promise<unknown>;

export interface TaskOptions {
  readonly machine: AnyStateMachine;
  /** What the chart starts from, where the run has not got anywhere yet. */
  readonly input: unknown;
  readonly call: AgentCall;
  readonly io: PerformerIO;
  readonly clock: Clock;
  /** By the `src` of the chart's invokes. */
  readonly actors: Readonly<Record<string, TaskActor>>;
}

/** The tag of states in which the chart waits for somebody outside; `context.question` is then what it asks. */
export const ASKS = 'asks';

/** Longest task a run keeps, in characters of JSON: an entry has it twice, and must fit into one NATS message. */
const LONGEST = 400_000;

const taskRecord = z.object({
  machine: z.string(),
  n: z.number(),
  at: z.number(),
  state: z.string(),
  snapshot: z.object({ value: z.unknown(), context: z.unknown() }),
  owed: z.array(z.object({ id: z.string(), key: z.string(), due: z.number().optional() })),
  /** How many of the run's words it has heard. */
  heard: z.number(),
});
/** The name of a call's task, the same in all attempts, so that the keys of what it does are too. */
export const taskName = ({ run_id, agent_id, hop, step }: AgentCall): string =>
  // An agent that gets a run back from another begins anew.
  [run_id, hop === undefined ? agent_id : `${agent_id}~${hop}`, ...(step === undefined ? [] : [step])].join('/');

/** How far a task is: what its run keeps of it, and what the next attempt goes on from. */
export type TaskRecord = z.infer<typeof taskRecord>;

/** The record in an agent's `task`, if it is one. */
export const taskOf = (task: unknown): TaskRecord | undefined => taskRecord.safeParse(task).data;

/**
 * Performs one attempt of an agent that is a chart: from its beginning, or from where the run has got to. Resolves with the
 * output of the chart's final state, or with what it asks. An invoke that fails where the chart has no `onError` fails the
 * attempt with that; the next attempt goes on from the last thing remembered, so what was completed is not done again.
 *
 * The chart is told the user's further words (`heard`, with `input`) and what came of its question (`decided`).
 * Rejects with `Failed`: as an invoke did, `machine_version`, `task_too_large`, `bad_answer`.
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
  readonly #options: TaskOptions;
  readonly #session: Session;
  #resolve!: (result: AgentResult) => void;
  #reject!: (error: unknown) => void;
  /** Since the last thing remembered. */
  #events: object[] = [];
  #told: TaskEmitted[] = [];
  /** Where the run had got to, and later what the chart asks with. */
  #record: TaskRecord | undefined;
  #over = false;

  constructor(options: TaskOptions) {
    this.#options = options;
    this.clock = options.clock;
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

  /** Tells the chart what has come since: the answer to its question, or words that were steered into the run. */
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
    // Nobody has answered: it asks again.
    else if (asks && !(asksForWords && input.length > 0)) {
      this.#end({ ...session.snapshot.context.question, task: record });
      return;
    }
    if (input.length > 0) this.#send(session, { type: 'heard', input } as EventObject);
  }

  /** A chart that does not listen to what the run tells it just goes on. */
  #send(session: Session, event: EventObject): void {
    session.send(event).catch(() => {});
  }

  async #append(entry: Entry): Promise<Version> {
    const { io } = this.#options;
    const { snapshot } = this.#session;
    // With what it started from, so that the task can be replayed from its events alone.
    this.#events.push(entry.init === undefined ? entry.event : { ...entry.event, input: entry.init });
    // Entries of a task have no run: the session adds that when it emits them again.
    this.#told.push(...(entry.emitted as readonly TaskEmitted[]));
    const asks = snapshot.hasTag(ASKS);
    if (asks) this.#record = this.#recordOf(entry);
    // What the run's own entries imply, or are about to tell, needs no entry of its own.
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
    // Not at once: it may be in the middle of its own creation, or of telling us this.
    queueMicrotask(() => this.#session.stop());
  }
}

/** A record as the chart that runs goes on with it. Throws `Failed('machine_version')`: trying again would not help. */
function migratedTask(record: TaskRecord, machine: AnyStateMachine, agent_id: string): TaskRecord {
  try {
    return migrated(record as TaskRecord & Position, machine, `the run of agent "${agent_id}"`);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new Failed(error.code, `${error.message}; cancel it and say it again`, false);
  }
}

/** Events that the next attempt would derive from its call in the same way. */
const implied = new Set([CREATE, 'heard', 'decided']);

function handlesFailureOf(session: Session, src: string): boolean {
  const { snapshot } = session;
  const invoke = stepper(snapshot.machine as AnyStateMachine)
    .invokes(snapshot)
    .find((one) => one.src === src);
  return snapshot._nodes.some((node) => node.ownEvents.includes(`xstate.error.actor.${invoke?.id}`));
}
