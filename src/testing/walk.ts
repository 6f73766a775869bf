// Walks a chart one event at a time, without clock, I/O or effects: for unit tests of a machine.
import type {
  AnyMachineSnapshot,
  AnyStateMachine,
  ContextFrom,
  EventFromLogic,
  EventObject,
  InputFrom,
  StateValueFrom,
} from 'xstate';
import { type Effect, type Stepper, stepper } from '../../actors/durable.ts';
import { stateName } from '../../machines/state-name.ts';
import { type TracedStep, type Transition, traced } from '../charts/transitions.ts';
import type { Emitted } from '../emitted/emitted.ts';
import { foldOwed } from './owed.ts';

/**
 * Starts a chart in the state its input leads to.
 *
 * @example
 * ```ts
 * import { sessionMachine, settings } from 'troupe/machines';
 * import { start } from 'troupe/testing';
 *
 * const s = start(sessionMachine, { id: 's1', settings: settings.parse({}) });
 * s.send({ type: 'message', id: 'm1', content: 'hello', route: { agent: 'echo', confidence: 1, reason: 'trigger' } });
 * s.send({ type: 'takeover', by: 'ann' });
 * console.log(s.state, s.owed); // human.held/suspended []
 * ```
 */
export const start = <M extends AnyStateMachine>(
  machine: M,
  ...[input]: undefined extends InputFrom<M> ? [input?: InputFrom<M>] : [input: InputFrom<M>]
): Walk<M> => new Walk(machine, input);

/** A walk through a chart. Each event leads to the next snapshot with its effects; `send` and its kin return the walk itself. */
export class Walk<M extends AnyStateMachine> {
  readonly #pure: Stepper;
  #last: TracedStep;
  #owed: ReadonlySet<string>;

  constructor(machine: M, input: unknown) {
    this.#pure = stepper(machine);
    this.#last = traced(this.#pure, () => this.#pure.initial(input));
    this.#owed = foldOwed(new Set(), this.#last.effects);
  }

  get snapshot(): AnyMachineSnapshot {
    return this.#last.snapshot;
  }

  get value(): StateValueFrom<M> {
    return this.snapshot.value as StateValueFrom<M>;
  }

  /** The active states as one line, in the form of entries and logs: `automated/running.attempting`. */
  get state(): string {
    return stateName(this.snapshot.value);
  }

  get context(): ContextFrom<M> {
    return this.snapshot.context;
  }

  /** Whether the chart accepted the last event. */
  get changed(): boolean {
    return this.#last.changed;
  }

  /** Effects of the last event. */
  get effects(): readonly Effect[] {
    return this.#last.effects;
  }

  /** Events emitted by the last event. */
  get emitted(): readonly Emitted[] {
    return this.#last.emitted;
  }

  /** The transitions of the last event, in order, as edges of the chart's graph; at first those of its creation. */
  get transitions(): readonly Transition[] {
    return this.#last.transitions;
  }

  /** The ids of all invokes and timers that were started and not stopped. */
  get owed(): readonly string[] {
    return [...this.#owed];
  }

  /** Whether the chart would accept this event now. */
  can(event: EventFromLogic<M>): boolean {
    return this.#pure.step(this.snapshot, event).changed;
  }

  send(event: EventFromLogic<M>): this {
    this.#last = traced(this.#pure, () => this.#pure.step(this.snapshot, event));
    this.#owed = foldOwed(this.#owed, this.effects);
    return this;
  }

  /** Sends the result of an invoke. */
  done(id: string, output?: unknown): this {
    return this.#sendOwed(id, { type: `xstate.done.actor.${id}`, actorId: id, output } as EventObject);
  }

  /** Sends the failure of an invoke. */
  fail(id: string, error: unknown): this {
    return this.#sendOwed(id, { type: `xstate.error.actor.${id}`, actorId: id, error } as EventObject);
  }

  /** Fires the timer of a delay: `after('deadline')`. */
  after(delay: string): this {
    const timer = this.owed.find((id) => id.startsWith(`xstate.after.${delay}.`));
    return this.#sendOwed(timer ?? delay, { type: timer ?? delay });
  }

  #sendOwed(id: string, event: EventObject): this {
    if (this.#owed.has(id)) return this.send(event as EventFromLogic<M>);
    const owed = this.owed.join(', ') || 'nothing';
    throw new Error(`${this.#pure.machine.id} does not wait for "${id}" in ${this.state}; it waits for ${owed}`);
  }
}
