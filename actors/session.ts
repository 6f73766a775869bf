// A resident session: one mailbox, and for every event the same three steps in the same order: decide, remember, do.
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

/** What the runtime offers to a piece of work that a session started. */
export interface Work {
  /** Stable over crashes: `tenant/session#entry.k`. */
  readonly key: string;
  /** Aborted when the session leaves the state that started it. */
  readonly signal: AbortSignal;
  /** False from the moment the session decided to leave that state, before anybody is told. */
  live(): boolean;
  /** Tells the chart something while the work goes on; resolves when it is remembered, rejects when the work is over. */
  tell(event: EventObject): Promise<Receipt>;
}

/** What a session needs from where it lives. */
export interface Host {
  readonly journal: Pick<Journal, 'append' | 'read'>;
  readonly clock: Clock;
  /** Sees the live actors. */
  readonly inspect?: Inspect;
  /** Performs an invoke of the chart; what it resolves to comes back as `done`, what it rejects with as `error`. */
  perform(session: Session, src: string, input: unknown, work: Work): Promise<unknown>;
  /** What a failure looks like in the journal: plain JSON. */
  failure(error: unknown): unknown;
  /** The session stopped and must be woken from its journal before it can go on. */
  broken(session: Session, error: unknown): void;
  /** The session decided this, and it is remembered. */
  remembered(session: Session, entry: Entry): void;
  /** A result or timer that nobody waits for any more. */
  dropped(session: Session, event: EventObject): void;
}

/** What came of an event: the entry, or the entry that the same cause led to before. */
export interface Receipt {
  readonly entry: Entry;
  readonly duplicate: boolean;
}

interface Item {
  readonly event: EventObject;
  readonly cause?: string;
  /** For results and timers: the work they come from, which must still be owed. */
  readonly owed?: string;
  readonly resolve?: (receipt: Receipt) => void;
  readonly reject?: (error: unknown) => void;
}

interface Running {
  /** Gone once the work has come to its end by itself: there is nothing left to abort. */
  abort?: AbortController;
  readonly timer?: unknown;
}

/** The event of a session that is created before anybody says anything: the machine's own initial step. */
export const CREATE = 'xstate.init';
/** Causes remembered per session, so that a repeated request is harmless. */
const RECENT = 32;
/** Results in a row that the chart may choke on before the session is given up. */
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
  /** The creation input and what it led to, until the first entry holds them. */
  #birth: { readonly input: unknown; readonly step: Step } | undefined;
  /** Where it stood when it was woken, and since when at the least, ms since the epoch; undefined when it was created here. */
  readonly woken: Pick<Entry, 'state' | 'at'> | undefined;
  /** When it was last used, for passivation. */
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

  /** A session that nobody has heard of yet. It is remembered with its first event. */
  static create(key: Key, host: Host, machine: AnyStateMachine, input: unknown): Session {
    return new Session(key, host, machine, { input });
  }

  /**
   * A session as its last entry left it, going on with what it owes. An entry of an earlier version is migrated; throws `Refused`
   * when the chart has no way from there: restoring it would succeed in silence and be wrong.
   */
  static wake(key: Key, host: Host, machine: AnyStateMachine, stored: Stored): Session {
    const position = migrated(stored.entry, machine, `session ${keyName(key)}`);
    const session = new Session(key, host, machine, { stored, position });
    if (position.owed.some(({ due }) => due === undefined)) {
      // Somebody performed this before us and is gone; the chart may know better than to try for ever.
      session.send({ type: 'recovered' }).catch(() => session.#reconcile());
    } else session.#reconcile();
    return session;
  }

  /** The live XState actor: subscribe to it, inspect it. */
  get actor() {
    return this.#actor;
  }

  get snapshot(): AnyMachineSnapshot {
    return this.#actor.getSnapshot();
  }

  /** Where the session is: the last entry's number and state. */
  get position(): { n: number; state: string } {
    return { n: this.#last.n, state: this.#last.state };
  }

  /** Nothing is being done for it: it may leave memory, if whoever has it knows when it must be `wake`d. */
  get idle(): boolean {
    return !this.#busy && this.#mailbox.length === 0 && !this.working;
  }

  /** When its next timer is due, ms since the epoch; undefined when it waits for none. */
  get wake(): number | undefined {
    return this.#last.owed.length === 0 ? undefined : wakeAt(this.#last.owed);
  }

  /** Something is being performed for it: an answer, a hook, a routing. */
  get working(): boolean {
    return this.#busy || this.#last.owed.some(({ due }) => due === undefined);
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /**
   * Puts an event into the mailbox; resolves when it is remembered. Rejects with `Refused` when the chart does not accept it
   * in this state (nothing is written), or when the journal failed. An event with a `cause` that was seen before is not
   * decided again: the receipt names the entry it led to then.
   */
  send(event: EventObject, cause?: string): Promise<Receipt> {
    return new Promise((resolve, reject) => this.#deliver({ event, cause, resolve, reject }));
  }

  /** Leaves memory. What it owes stays in the journal, for whoever wakes it. */
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

  /** Pure, but for the actor's own snapshot: the entry to remember, or undefined when the item came to nothing. */
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
      // A result that the chart does not want is as good as a dropped one.
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
    // From here on the work that this entry ends is not live: not one of its parts passes, remembered or not.
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

  /** Do: what is owed and not running is started, what is running and not owed is stopped. The same after a crash. */
  #reconcile(because?: EventObject): void {
    const { owed } = this.#last;
    for (const [key, running] of this.#running) {
      if (owed.some((one) => one.key === key)) continue;
      this.#running.delete(key);
      // Work that the chart gave up waiting for has failed; work that is left for another reason has not.
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

  /** A guard or an action threw. The snapshot is the old one; the event is refused, and a result cannot be refused for ever. */
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

  /** The journal refused or failed: this actor is ahead of what is remembered, so it ends here. */
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

/** The set of owed effects after a step: starts add to it, stops take from it. */
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

/** When it must be awake for what is owed, ms since the epoch; 0 is at once. */
export const wakeAt = (owed: readonly Owed[]): number =>
  owed.reduce((soonest, { due = 0 }) => Math.min(soonest, due), Infinity);

/** The events that the active states listen to, by name; whether a guard lets one through depends on its data. */
export const acceptable = (snapshot: AnyMachineSnapshot): string[] =>
  [...new Set(snapshot._nodes.flatMap((node) => node.ownEvents))].filter((type) => !/^xstate\.|^$/.test(type)).sort();
