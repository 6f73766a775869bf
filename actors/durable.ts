// The pure interpreter: the one file that steps, restores and dumps XState machines. Effects come out as data and are
// not performed here.
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

/** The effects of a step, in the order in which the machine produced them. */
export type Effect =
  | { readonly type: 'invoke'; readonly id: string; readonly src: string; readonly input: unknown }
  | { readonly type: 'stop'; readonly id: string }
  | { readonly type: 'timer'; readonly id: string; readonly delay: number }
  | { readonly type: 'cancel'; readonly id: string }
  /** Only in a sandbox: an action that a journaled chart must not have. */
  | { readonly type: 'action'; readonly id: string };

/**
 * The result of one event. When `changed` is false the machine did not accept the event, and there are no effects and
 * no emitted events.
 */
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

/**
 * The transitions that one microstep selected, in document order; of conflicting transitions XState takes only the
 * first.
 */
export type Microstep = readonly AnyTransitionDefinition[];

/** The pure interpreter of one machine. */
export interface Stepper {
  readonly machine: AnyStateMachine;
  /** `id@version` of the machine, as every entry records it. */
  readonly name: string;
  initial(input?: unknown): Step;
  /** Throws the error of a guard or an action; the given snapshot stays valid. */
  step(snapshot: AnyMachineSnapshot, event: EventObject): Step;
  dump(snapshot: AnyMachineSnapshot): Dump;
  restore(dump: Dump): AnyMachineSnapshot;
  /** The invokes that the active states imply, with their input, in document order. */
  invokes(snapshot: AnyMachineSnapshot): Extract<Effect, { type: 'invoke' }>[];
  /** The timers that the active states imply, in document order; `delay` is the full delay, ms. */
  timers(snapshot: AnyMachineSnapshot): Extract<Effect, { type: 'timer' }>[];
  /**
   * Runs `run` and returns its result with the microsteps of all steps that it takes with this stepper. Rethrows the
   * error of `run`.
   */
  trace<T>(run: () => T): { readonly result: T; readonly microsteps: readonly Microstep[] };
}

const steppers = new WeakMap<AnyStateMachine, Stepper>();

/** The stepper of a machine, cached: its reused inert actor scope makes a step cost about 5 µs instead of 20. */
export function stepper(machine: AnyStateMachine): Stepper {
  const known = steppers.get(machine);
  if (known) return known;
  const made = makeStepper(machine);
  steppers.set(machine, made);
  return made;
}

const sandboxes = new WeakMap<AnyStateMachine, Stepper>();

/**
 * The stepper of any machine, for a sandbox. An action that the journal could not record as an effect, such as a user's
 * own action or a message to another actor, comes out as an effect that only names it. This stepper does not perform
 * effects either.
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

  // This actor is never started, nor are the children that a step attaches to it. The first step builds it, not the
  // module, because creating it evaluates the machine's initial context, which may need input.
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
      // XState stops an invoke by its child ref, so the children must exist again, though they never run.
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
        // Children that a step creates share the system and report microsteps of their own.
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

/**
 * Computes inputs from the context alone (a lint of the charts enforces it), so a restored snapshot yields the same
 * inputs.
 */
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

/** Computes delays from the context alone, for the same reason. */
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

/**
 * The snapshot of a durable actor is its machine's own, so `subscribe`, `inspect` and `can` work as with any XState
 * actor.
 */
export type DurableLogic = ActorLogic<AnyMachineSnapshot, EventObject, unknown> & {
  /**
   * Returns the step of the last event, with the effects that the actor did not perform; the next call needs another
   * event. Throws the error that the machine threw.
   */
  taken(): Step;
};

/**
 * Higher-order actor logic: runs the machine's own transition but returns its effects as data, so that they can be
 * journaled before they are performed. `createActor(durable(machine))` is a real XState actor. When a guard or an
 * action throws, the actor's snapshot stays as it was and `taken()` rethrows.
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

/** XState's inspection callback: it is called with every actor that is created, and with its events and snapshots. */
export type Inspect = (event: InspectionEvent) => void;

/**
 * Starts a durable actor, from its input or from a dump. All actors of a machine share one logic. `initial` is the step
 * that created a new actor; a restored one has none, because its owed effects are in its journal.
 */
export function createDurable(
  machine: AnyStateMachine,
  from: { input: unknown } | { dump: Dump },
  options: { readonly id?: string; readonly inspect?: Inspect } = {},
) {
  let logic = logics.get(machine);
  if (!logic) {
    logic = durable(machine);
    logics.set(machine, logic);
  }
  const actor =
    'dump' in from
      ? createActor(logic, { ...options, snapshot: from.dump as unknown as Snapshot<unknown> })
      : createActor(logic, { ...options, input: from.input });
  if (actor.getSnapshot().status === 'error') throw actor.getSnapshot().error;
  const initial = 'dump' in from ? undefined : logic.taken();
  return { actor: actor.start(), logic, initial };
}
