// The one file that steps, restores and dumps XState machines. Effects come out as data; nobody performs them here.
import {
  type ActorLogic,
  type AnyActorRef,
  type AnyMachineSnapshot,
  type AnyStateMachine,
  type AnyTransitionDefinition,
  createActor,
  type EventObject,
  type InspectionEvent,
  type Snapshot,
} from 'xstate';
import type { Emitted } from '../src/emitted/emitted.ts';

/** What a step asks the world to do, in this order. */
export type Effect =
  | { readonly type: 'invoke'; readonly id: string; readonly src: string; readonly input: unknown }
  | { readonly type: 'stop'; readonly id: string }
  | { readonly type: 'timer'; readonly id: string; readonly delay: number }
  | { readonly type: 'cancel'; readonly id: string }
  /** Only in a sandbox: something that a journaled chart must not do. */
  | { readonly type: 'action'; readonly id: string };

/** What came of one event: `changed` is false when the machine did not accept it, and then nothing else happened. */
export interface Step {
  readonly snapshot: AnyMachineSnapshot;
  readonly changed: boolean;
  readonly effects: readonly Effect[];
  readonly emitted: readonly Emitted[];
}

/** A snapshot as plain JSON. Children are left out: the active states imply them. */
export interface Dump {
  readonly value: unknown;
  readonly context: unknown;
  readonly status?: 'done' | 'error';
}

/** The transitions that one microstep selected, in document order; of those that conflict XState takes the first alone. */
export type Microstep = readonly AnyTransitionDefinition[];

/** The pure interpreter of one machine. */
export interface Stepper {
  readonly machine: AnyStateMachine;
  /** `id@version` of the machine, as it stands in every entry. */
  readonly name: string;
  initial(input?: unknown): Step;
  /** Throws what a guard or an action threw; the snapshot that was given stays good. */
  step(snapshot: AnyMachineSnapshot, event: EventObject): Step;
  dump(snapshot: AnyMachineSnapshot): Dump;
  restore(dump: Dump): AnyMachineSnapshot;
  /** The invokes that the active states imply, with their input, in document order. */
  invokes(snapshot: AnyMachineSnapshot): Extract<Effect, { type: 'invoke' }>[];
  /** The timers that the active states imply, in document order; `delay` is the whole of it, ms. */
  timers(snapshot: AnyMachineSnapshot): Extract<Effect, { type: 'timer' }>[];
  /** What `run` returns, and the microsteps of all steps that it takes with this stepper. Throws what it throws. */
  trace<T>(run: () => T): { readonly result: T; readonly microsteps: readonly Microstep[] };
}

const steppers = new WeakMap<AnyStateMachine, Stepper>();

/** The stepper of a machine; made once, because its inert scope is what makes a step cheap (about 5 µs instead of 20). */
export function stepper(machine: AnyStateMachine): Stepper {
  const known = steppers.get(machine);
  if (known) return known;
  const made = makeStepper(machine);
  steppers.set(machine, made);
  return made;
}

const sandboxes = new WeakMap<AnyStateMachine, Stepper>();

/**
 * The stepper of any machine, for trying it out: an action that is no effect the journal could keep, such as one of the user's
 * own or a message to another actor, comes out as an effect that only names it. Nothing is performed here either.
 */
export function sandbox(machine: AnyStateMachine): Stepper {
  const known = sandboxes.get(machine);
  if (known) return known;
  const made = makeStepper(machine, ({ type }) => ({ type: 'action', id: type }));
  sandboxes.set(machine, made);
  return made;
}

function makeStepper(machine: AnyStateMachine, other?: (action: { type: string }) => Effect): Stepper {
  let effects: Effect[] = [];
  let emitted: Emitted[] = [];

  const collect = (action: { type: string; params: any }): void => {
    const { type, params } = action;
    if (type === 'xstate.emit') emitted.push(params.event ?? params);
    else if (type === 'xstate.spawnChild')
      effects.push({ type: 'invoke', id: params.id, src: params.src, input: params.input });
    else if (type === 'xstate.stopChild') {
      if (params) effects.push({ type: 'stop', id: params.id });
    } else if (type === 'xstate.raise') {
      if (typeof params.delay === 'number') effects.push({ type: 'timer', id: params.id, delay: params.delay });
    } else if (type === 'xstate.cancel') effects.push({ type: 'cancel', id: params.sendId ?? params });
    else if (other) effects.push(other(action));
    else throw new Error(`${machine.id}: the action ${type} is not an effect that can be remembered`);
  };

  // Never started; children that a step creates hang on it, and are never started either. Built as late as the first step:
  // creating it runs the machine's own initial context, which may need input.
  const inert = createActor(machine as any, { input: {} as any }) as AnyActorRef & { system: any };
  const scope: any = {
    self: inert,
    id: machine.id,
    sessionId: '',
    logger: () => {},
    system: inert.system,
    defer: () => {},
    stopChild: () => {},
    emit: () => {},
    actionExecutor: collect,
  };

  const take = (snapshot: AnyMachineSnapshot, changed: boolean): Step => {
    const step = { snapshot, changed, effects, emitted };
    effects = [];
    emitted = [];
    return step;
  };
  const reset = (): void => {
    if (effects.length > 0) effects = [];
    if (emitted.length > 0) emitted = [];
  };

  return {
    machine,
    name: `${machine.id}@${machine.version ?? '0'}`,
    initial(input) {
      reset();
      const snapshot = machine.getInitialSnapshot(scope, input as never) as AnyMachineSnapshot;
      if (snapshot.status === 'error') throw snapshot.error;
      return take(snapshot, true);
    },
    step(snapshot, event) {
      reset();
      const next = machine.transition(snapshot, event, scope) as AnyMachineSnapshot;
      return take(next, next !== snapshot || emitted.length > 0 || effects.length > 0);
    },
    dump({ value, context, status }) {
      return status === 'active' ? { value, context } : { value, context, status: status as 'done' | 'error' };
    },
    restore(dump) {
      const bare = {
        value: dump.value,
        context: dump.context,
        status: dump.status ?? 'active',
        children: {},
        historyValue: {},
        output: undefined,
        error: undefined,
      };
      const snapshot = machine.restoreSnapshot(bare as any, scope) as AnyMachineSnapshot;
      const invokes = invokesOf(snapshot, inert);
      if (invokes.length === 0) return snapshot;
      // XState stops an invoke by its child ref, so the children must be there again, though they never run.
      const children = Object.fromEntries(
        invokes.map(({ id, src, input }) => [id, { src, snapshot: { status: 'active', input }, syncSnapshot: false }]),
      );
      return machine.restoreSnapshot({ ...bare, children } as any, scope) as AnyMachineSnapshot;
    },
    invokes: (snapshot) => invokesOf(snapshot, inert),
    timers: (snapshot) => (snapshot.status === 'active' ? timersOf(snapshot) : []),
    trace(run) {
      const microsteps: Microstep[] = [];
      const inspection = inert.system.inspect((event: InspectionEvent) => {
        // Children that a step creates share the system, and have microsteps of their own.
        if (event.type === '@xstate.microstep' && event.actorRef === inert) microsteps.push(event._transitions);
      });
      try {
        return { result: run(), microsteps };
      } finally {
        inspection.unsubscribe();
      }
    },
  };
}

/** Inputs are computed from the context alone (a lint of the charts holds them to it), so they come out the same again. */
function invokesOf(snapshot: AnyMachineSnapshot, self: AnyActorRef): Extract<Effect, { type: 'invoke' }>[] {
  return snapshot._nodes.flatMap((node) =>
    node.invoke.map(({ id, src, input }) => ({
      type: 'invoke' as const,
      id,
      src: src as string,
      input:
        typeof input === 'function'
          ? input({ context: snapshot.context, event: { type: 'xstate.restore' }, self: self as any })
          : input,
    })),
  );
}

/** Like inputs, delays are computed from the context alone. */
function timersOf({ _nodes, machine, context }: AnyMachineSnapshot): Extract<Effect, { type: 'timer' }>[] {
  const after = _nodes.flatMap((node) => node.after);
  const ids = [...new Set(after.map(({ eventType }) => eventType))];
  return ids.map((id) => {
    const { delay } = after.find(({ eventType }) => eventType === id)!;
    const named = typeof delay === 'string' ? (machine as AnyStateMachine).implementations.delays[delay] : delay;
    const ms = typeof named === 'function' ? (named as any)({ context, event: { type: 'xstate.restore' } }) : named;
    return { type: 'timer', id, delay: ms as number };
  });
}

/** The snapshot of a durable actor is its machine's own: `subscribe`, `inspect` and `can` see what they always see. */
export type DurableLogic = ActorLogic<AnyMachineSnapshot, EventObject, unknown> & {
  /** What the last event led to, once: the effects that the actor did not perform. Throws what the machine threw. */
  taken(): Step;
};

/**
 * Higher-order actor logic: runs the machine's own transition but keeps its effects as data, so that a journal can stand
 * between decision and effect. `createActor(durable(machine))` is a real XState actor. A throwing guard or action leaves
 * the actor as it was; `taken()` rethrows.
 */
export function durable(machine: AnyStateMachine): DurableLogic {
  const pure = stepper(machine);
  let last: Step | undefined;
  let thrown: { error: unknown } | undefined;

  return {
    getInitialSnapshot(_scope, input) {
      last = pure.initial(input);
      return last.snapshot;
    },
    transition(snapshot, event) {
      if (event.type === 'xstate.stop') return { ...snapshot, status: 'stopped' } as unknown as AnyMachineSnapshot;
      try {
        last = pure.step(snapshot, event);
        return last.snapshot;
      } catch (error) {
        thrown = { error };
        return snapshot;
      }
    },
    getPersistedSnapshot: (snapshot) => pure.dump(snapshot) as unknown as Snapshot<unknown>,
    restoreSnapshot: (dump) => pure.restore(dump as unknown as Dump),
    taken() {
      const error = thrown;
      const step = last;
      thrown = undefined;
      last = undefined;
      if (error) throw error.error;
      if (!step) throw new Error(`${machine.id}: no event was sent`);
      return step;
    },
  } satisfies DurableLogic as DurableLogic;
}

const logics = new WeakMap<AnyStateMachine, DurableLogic>();

/**
 * A live durable actor, fresh or woken from a dump. Its logic is shared by all actors of the machine. `initial` is the step
 * that made a fresh one; a woken one has none, for what it owes is in its journal.
 */
export function createDurable(machine: AnyStateMachine, from: { input: unknown } | { dump: Dump }) {
  let logic = logics.get(machine);
  if (!logic) {
    logic = durable(machine);
    logics.set(machine, logic);
  }
  const actor =
    'dump' in from
      ? createActor(logic, { snapshot: from.dump as unknown as Snapshot<unknown> })
      : createActor(logic, { input: from.input });
  if (actor.getSnapshot().status === 'error') throw actor.getSnapshot().error;
  const initial = 'dump' in from ? undefined : logic.taken();
  return { actor: actor.start(), logic, initial };
}
