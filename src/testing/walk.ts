// Walks a chart one event at a time: no clock, no I/O, nothing is performed. What a unit test of a machine needs.
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
 * Starts a chart where its input puts it:
 *
 *     const s = start(sessionMachine, { id: 's1', settings: settings.parse({}) });
 *     s.send({ type: 'message', id: 'm1', content: 'hello' });
 *     expect(s.state).toBe('automated/routing');
 */
export const start = <M extends AnyStateMachine>(
  machine: M,
  ...[input]: undefined extends InputFrom<M> ? [input?: InputFrom<M>] : [input: InputFrom<M>]
): Walk<M> => new Walk(machine, input);

/** A chart on its way. Every event gives the next snapshot and what came of it; `send` and its kin return the walk itself. */
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

  /** The active states as one line, as entries and logs have them: `automated/running.attempting`. */
  get state(): string {
    return stateName(this.snapshot.value);
  }

  get context(): ContextFrom<M> {
    return this.snapshot.context;
  }

  /** Whether the last event was accepted. */
  get changed(): boolean {
    return this.#last.changed;
  }

  /** What the last event asks the world to do. */
  get effects(): readonly Effect[] {
    return this.#last.effects;
  }

  /** What the last event told the outside. */
  get emitted(): readonly Emitted[] {
    return this.#last.emitted;
  }

  /** The transitions that the last event took, in order, as edges of the chart's graph; at first those of its creation. */
  get transitions(): readonly Transition[] {
    return this.#last.transitions;
  }

  /** The ids of all work that was started and not stopped, and of all timers that were set and not cancelled. */
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

  /** The work of this id succeeds. */
  done(id: string, output?: unknown): this {
    return this.#sendOwed(id, { type: `xstate.done.actor.${id}`, actorId: id, output } as EventObject);
  }

  /** The work of this id fails. */
  fail(id: string, error: unknown): this {
    return this.#sendOwed(id, { type: `xstate.error.actor.${id}`, actorId: id, error } as EventObject);
  }

  /** The timer of this delay runs out: `after('deadline')`. */
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
