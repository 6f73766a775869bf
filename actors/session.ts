// A resident session: one mailbox, and for every event the same three steps in the same order: transition, append,
// dispatch of effects.
import type { AnyMachineSnapshot, AnyStateMachine, EventObject } from 'xstate';
import { stateName } from '../machines/state-name.ts';
import {
  type Entry,
  type Journal,
  type Key,
  keyName,
  type Owed,
  type Stored,
  type Version,
} from '../src/journal/journal.ts';
import type { Clock } from '../src/platform/clock.ts';
import { Conflict, Refused } from '../src/platform/errors.ts';
import { createDurable, type Inspect, type Step, stepper } from './durable.ts';
import { migrated, type Position } from './versions.ts';

/** The interface between the runtime and one effect that it performs for a session. */
export interface Work {
  /** The idempotency key, stable over crashes: `tenant/session#entry.k`. */
  readonly key: string;
  /** Aborted when the session leaves the state that started the effect. */
  readonly signal: AbortSignal;
  /** False from the step in which the session leaves that state, even before the entry is appended. */
  live(): boolean;
  /**
   * Sends an event to the chart while the effect runs; resolves when the entry is durable, rejects when the effect is
   * no longer owed.
   */
  tell(event: EventObject): Promise<Receipt>;
}

/** The interface that a session needs from the orchestrator or the task that runs it. */
export interface Host {
  readonly journal: Pick<Journal, 'append' | 'read'>;
  readonly clock: Clock;
  /** Called with the events and snapshots of the live actors. */
  readonly inspect?: Inspect;
  /** Performs an invoke of the chart; its resolution comes back as `done`, its rejection as `error`. */
  perform(session: Session, src: string, input: unknown, work: Work): Promise<unknown>;
  /** An error as the journal records it: plain JSON. */
  failure(error: unknown): unknown;
  /** Reports that the session stopped; it must be woken from its journal before it can continue. */
  broken(session: Session, error: unknown): void;
  /** Reports an entry after its append. */
  remembered(session: Session, entry: Entry): void;
  /** Reports a discarded result or timer whose effect is no longer owed. */
  dropped(session: Session, event: EventObject): void;
}

/** The reply to an event: its entry, or the earlier entry of the same idempotency key (`duplicate`). */
export interface Receipt {
  readonly entry: Entry;
  readonly duplicate: boolean;
}

interface Item {
  readonly event: EventObject;
  readonly cause?: string;
  /** For results and timers: the key of their effect, which must still be owed. */
  readonly owed?: string;
  readonly resolve?: (receipt: Receipt) => void;
  readonly reject?: (error: unknown) => void;
}

interface Running {
  /** Undefined once the effect has settled: there is nothing left to abort. */
  abort?: AbortController;
  readonly timer?: unknown;
}

/** The event that creates a session before its first message: the machine's own initial step. */
export const CREATE = 'xstate.init';
/** Idempotency keys (`cause`) recorded per session, so that a repeated request is harmless. */
const RECENT = 32;
/** Consecutive results on which a guard or an action may throw before the session is given up. */
const PATIENCE = 3;

export class Session {
  readonly key: Key;
  readonly #host: Host;
  readonly #machine: AnyStateMachine;
  readonly #actor: ReturnType<typeof createDurable>['actor'];
  readonly #logic: ReturnType<typeof createDurable>['logic'];
  readonly #running = new Map<string, Running>();
  #mailbox: Item[] = [];
  #busy = false;
  #stopped = false;
  #choked = 0;
  #version: Version;
  #last: Pick<Entry, 'n' | 'owed' | 'recent' | 'state'>;
  /** The creation input and the initial step, until the first entry records them. */
  #birth: { readonly input: unknown; readonly step: Step } | undefined;
  /**
   * The state that the session was woken in and the time of that entry (the earliest it can have entered the state), ms
   * since the epoch; undefined when it was created here.
   */
  readonly woken: Pick<Entry, 'state' | 'at'> | undefined;
  /** Time of last use, for passivation, ms since the epoch. */
  used: number;

  private constructor(
    key: Key,
    host: Host,
    machine: AnyStateMachine,
    from: { input: unknown } | { stored: Stored; position: Position },
  ) {
    this.key = key;
    this.#host = host;
    this.#machine = machine;
    this.used = host.clock.now();
    const actor = { id: keyName(key), inspect: host.inspect };
    if ('stored' in from) {
      const { entry, version } = from.stored;
      const { n, owed, state, snapshot } = from.position;
      this.#version = version;
      this.#last = { n, owed, recent: entry.recent, state };
      this.woken = { state: entry.state, at: entry.at };
      ({ actor: this.#actor, logic: this.#logic } = createDurable(machine, { dump: snapshot }, actor));
    } else {
      this.#version = 0;
      this.#last = { n: 0, owed: [], recent: undefined, state: '' };
      const created = createDurable(machine, from, actor);
      this.#actor = created.actor;
      this.#logic = created.logic;
      this.#birth = { input: from.input, step: created.initial! };
    }
  }

  /** Creates a session that has no journal yet. Its first event journals it. */
  static create(key: Key, host: Host, machine: AnyStateMachine, input: unknown): Session {
    return new Session(key, host, machine, { input });
  }

  /**
   * Restores a session from its last entry and resumes its owed effects. Migrates an entry of an earlier version of the
   * chart. Throws `Refused` when the chart has no migration from that version: XState would restore the snapshot
   * without an error, and wrongly.
   */
  static wake(key: Key, host: Host, machine: AnyStateMachine, stored: Stored): Session {
    const position = migrated(stored.entry, machine, `session ${keyName(key)}`);
    const session = new Session(key, host, machine, { stored, position });
    if (position.owed.some(({ due }) => due === undefined)) {
      // An earlier process performed this effect and is gone; the chart decides whether to try it again.
      session.send({ type: 'recovered' }).catch(() => session.#reconcile());
    } else session.#reconcile();
    return session;
  }

  /** The live XState actor, to subscribe to or to inspect. */
  get actor() {
    return this.#actor;
  }

  get snapshot(): AnyMachineSnapshot {
    return this.#actor.getSnapshot();
  }

  /** Number and state of the last entry. */
  get position(): { n: number; state: string } {
    return { n: this.#last.n, state: this.#last.state };
  }

  /**
   * No event is queued and no effect runs, so the session may be passivated; its timers then need an alarm at `wake`.
   */
  get idle(): boolean {
    return !this.#busy && this.#mailbox.length === 0 && !this.working;
  }

  /** Due time of its next timer, ms since the epoch, 0 when it owes an invoke; undefined when it owes nothing. */
  get wake(): number | undefined {
    return this.#last.owed.length === 0 ? undefined : wakeAt(this.#last.owed);
  }

  /** An effect is being performed for it: an attempt, a hook or routing. */
  get working(): boolean {
    return this.#busy || this.#last.owed.some(({ due }) => due === undefined);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * Puts an event into the mailbox; resolves when its entry is durable. Rejects with `Refused` when the chart does not
   * accept the event in this state (no entry is written), and with the error of the journal when the append failed. An
   * event whose `cause` is recorded already takes no transition: the receipt has the entry of its first delivery.
   */
  send(event: EventObject, cause?: string): Promise<Receipt> {
    return new Promise((resolve, reject) => this.#deliver({ event, cause, resolve, reject }));
  }

  /** Removes the session's actor from memory. Its owed effects stay in the journal until it is woken again. */
  stop(error: unknown = new Refused('stopped', 'the session moved; try again', 503)): void {
    if (this.#stopped) return;
    this.#stopped = true;
    for (const running of this.#running.values()) this.#end(running);
    this.#running.clear();
    const waiting = this.#mailbox;
    this.#mailbox = [];
    for (const { reject } of waiting) reject?.(error);
    this.#actor.stop();
  }

  #deliver(item: Item): void {
    if (this.#stopped) {
      item.reject?.(new Refused('stopped', 'the session moved; try again', 503));
      return;
    }
    this.#mailbox.push(item);
    if (!this.#busy) this.#next();
  }

  #next(): void {
    while (!this.#busy && !this.#stopped) {
      const item = this.#mailbox.shift();
      if (!item) return;
      this.used = this.#host.clock.now();
      const entry = this.#decide(item);
      if (entry) this.#remember(item, entry);
    }
  }

  /**
   * Transition: computes the entry to append, or undefined when the item leads to none. Pure but for the actor's own
   * snapshot.
   */
  #decide(item: Item): Entry | undefined {
    const { event, cause, owed } = item;
    if (owed !== undefined && !this.#last.owed.some(({ key }) => key === owed)) {
      this.#host.dropped(this, event);
      item.reject?.(new Refused('work_over', `${event.type} comes from work that is over`, 409));
      return;
    }
    const before = cause === undefined ? undefined : this.#last.recent?.find(([seen]) => seen === cause);
    if (before) {
      this.#repeat(item, before[1]);
      return;
    }
    if (this.#actor.getSnapshot().status !== 'active') {
      item.reject?.(
        new Refused('session_ended', `session ${this.key.session} is ${this.#last.state}`, 409, {
          state: this.#last.state,
          allowed: [],
        }),
      );
      return;
    }
    if (event.type === CREATE && this.#birth) return this.#entry(item, this.#birth.step);
    let step: Step;
    try {
      this.#actor.send(event);
      step = this.#logic.taken();
    } catch (error) {
      this.#choke(item, error);
      return;
    }
    if (!step.changed) {
      // A result that the chart does not accept counts as discarded.
      if (owed !== undefined) this.#host.dropped(this, event);
      item.reject?.(this.#illegal(event));
      return;
    }
    return this.#entry(item, step);
  }

  #entry({ event, cause }: Item, step: Step): Entry {
    const n = this.#last.n + 1;
    const at = this.#host.clock.now();
    const pure = stepper(this.#machine);
    const before = this.#birth && event.type !== CREATE ? fold([], this.#birth.step, 0, at) : this.#last.owed;
    const owed = fold(before, step, n, at);
    const recent =
      cause === undefined ? this.#last.recent : [...(this.#last.recent ?? []), [cause, n] as const].slice(-RECENT);
    return {
      n,
      at,
      machine: pure.name,
      event,
      ...(this.#birth && { init: this.#birth.input }),
      ...(cause !== undefined && { cause }),
      emitted: step.emitted,
      snapshot: pure.dump(step.snapshot),
      owed,
      ...(recent && { recent }),
      state: stateName(step.snapshot.value),
      ...(owed.length > 0 && { wake: wakeAt(owed) }),
    };
  }

  #remember(item: Item, entry: Entry): void {
    this.#busy = true;
    // The fence: from here on the effects that this entry ends are not live, and none of their deltas passes, even
    // before the append resolves.
    this.#last = { n: entry.n, owed: entry.owed, recent: entry.recent, state: entry.state };
    this.#host.journal.append(this.key, this.#version, entry).then(
      (version) => {
        this.#version = version;
        this.#birth = undefined;
        this.#busy = false;
        this.#host.remembered(this, entry);
        item.resolve?.({ entry, duplicate: false });
        if (this.#stopped) return;
        this.#reconcile(item.event);
        this.#next();
      },
      (error) => this.#break(item, error),
    );
  }

  /**
   * Reconcile: starts effects that are owed and not running, stops effects that run and are not owed. A restored
   * session calls the same function.
   */
  #reconcile(because?: EventObject): void {
    const { owed } = this.#last;
    for (const [key, running] of this.#running) {
      if (owed.some((one) => one.key === key)) continue;
      this.#running.delete(key);
      // An effect that a timeout of the chart ended has failed; an effect that ended for another reason has not.
      const late = because?.type.startsWith('xstate.after.');
      this.#end(running, late ? new DOMException('no result came in time', 'TimeoutError') : undefined);
    }
    if (owed.length === 0) return;
    const invokes = stepper(this.#machine).invokes(this.#actor.getSnapshot());
    for (const { id, key, due } of owed) {
      if (this.#running.has(key)) continue;
      if (due !== undefined) this.#arm(id, key, due);
      else {
        const invoke = invokes.find((one) => one.id === id);
        if (invoke) this.#perform(id, key, invoke.src, invoke.input);
      }
    }
  }

  #arm(id: string, key: string, due: number): void {
    const { clock } = this.#host;
    const timer = clock.setTimeout(() => this.#deliver({ event: { type: id }, owed: key }), due - clock.now());
    this.#running.set(key, { timer });
  }

  #perform(id: string, key: string, src: string, input: unknown): void {
    const abort = new AbortController();
    const running: Running = { abort };
    this.#running.set(key, running);
    const ended = (event: EventObject): void => {
      running.abort = undefined;
      this.#deliver({ event, owed: key });
    };
    const work: Work = {
      key: `${keyName(this.key)}#${key}`,
      signal: abort.signal,
      live: () => !this.#stopped && this.#last.owed.some((one) => one.key === key),
      tell: (event) => new Promise((resolve, reject) => this.#deliver({ event, owed: key, resolve, reject })),
    };
    this.#host.perform(this, src, input, work).then(
      (output) => ended({ type: `xstate.done.actor.${id}`, actorId: id, output } as EventObject),
      (error) =>
        ended({ type: `xstate.error.actor.${id}`, actorId: id, error: this.#host.failure(error) } as EventObject),
    );
  }

  #end({ abort, timer }: Running, reason?: DOMException): void {
    abort?.abort(reason);
    if (timer !== undefined) this.#host.clock.clearTimeout(timer);
  }

  #illegal(event: EventObject): Refused {
    const snapshot = this.#actor.getSnapshot();
    const allowed = acceptable(snapshot);
    const state = stateName(snapshot.value);
    return new Refused('illegal_in_state', `${event.type} is not accepted in ${state}`, 409, { state, allowed });
  }

  #repeat(item: Item, n: number): void {
    this.#host.journal.read(this.key, n, 1).then(([stored]) => {
      if (stored) item.resolve?.({ entry: stored.entry, duplicate: true });
      else item.reject?.(new Refused('unknown_entry', `entry ${n} of ${keyName(this.key)} is gone`, 410));
    }, item.reject);
  }

  /**
   * A guard or an action threw, and the snapshot is unchanged. A caller's event is refused; a result cannot be refused,
   * so it is delivered again up to `PATIENCE` times.
   */
  #choke(item: Item, error: unknown): void {
    item.reject?.(error);
    if (item.owed === undefined || item.reject) return;
    this.#choked += 1;
    if (this.#choked < PATIENCE) this.#deliver(item);
    else if (acceptable(this.snapshot).includes('fail'))
      this.#mailbox.unshift({
        event: { type: 'fail', reason: `the chart could not take ${item.event.type}` } as EventObject,
      });
    else this.#break(item, error);
  }

  /**
   * The append failed, or the journal refused it because of its version: the actor is ahead of its journal, so it
   * stops.
   */
  #break(item: Item, error: unknown): void {
    const told =
      error instanceof Conflict
        ? new Refused('moved', `session ${keyName(this.key)} is owned elsewhere; try again`, 503, { retry_after_s: 1 })
        : error;
    item.reject?.(told);
    this.stop(told);
    this.#host.broken(this, error);
  }
}

/** The set of owed effects after a step: started effects are added, stopped ones removed. */
export function fold(owed: readonly Owed[], { effects }: Step, n: number, at: number): readonly Owed[] {
  if (effects.length === 0) return owed;
  const next = [...owed];
  effects.forEach((effect, k) => {
    const { id } = effect;
    const index = next.findIndex((one) => one.id === id);
    if (index >= 0) next.splice(index, 1);
    if (effect.type === 'invoke') next.push({ id, key: `${n}.${k}` });
    if (effect.type === 'timer') next.push({ id, key: `${n}.${k}`, due: at + effect.delay });
  });
  return next;
}

/** The earliest due time of owed effects, ms since the epoch; 0 for an invoke, which is due at once. */
export const wakeAt = (owed: readonly Owed[]): number =>
  owed.reduce((soonest, { due = 0 }) => Math.min(soonest, due), Infinity);

/** The event types that the active states handle; whether a guard accepts one depends on its data. */
export const acceptable = (snapshot: AnyMachineSnapshot): string[] =>
  [...new Set(snapshot._nodes.flatMap((node) => node.ownEvents))].filter((type) => !/^xstate\.|^$/.test(type)).sort();
