// One node's orchestrator: spawns, wakes and passivates sessions, and performs what their charts ask for.
import { type AnyStateMachine, createActor, type EventObject } from 'xstate';
import type { JobRun } from '../machines/job/events.ts';
import { jobMachine } from '../machines/job/machine.ts';
import type { OrchestratorEvent } from '../machines/orchestrator/events.ts';
import { orchestratorMachine } from '../machines/orchestrator/machine.ts';
import { registryMachine } from '../machines/registry/machine.ts';
import type { Failure, Settings } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { AgentPool } from '../src/agents/pool.ts';
import { type Entry, isSession, type Journal, type Key, keyName, type Row } from '../src/journal/journal.ts';
import type { Clock } from '../src/platform/clock.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import type { Log } from '../src/platform/log.ts';
import type { Directory } from '../src/routing/directory.ts';
import { Alarms } from './alarms.ts';
import { Answers, type PartListener } from './answers.ts';
import type { Inspect } from './durable.ts';
import type { Hooks } from './hooks.ts';
import type { Part } from './parts.ts';
import { failureOf } from './performer.ts';
import { Performing } from './performing.ts';
import { Recent } from './recent.ts';
import { type Host, type Receipt, Session, type Work } from './session.ts';

export interface OrchestratorOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Draws the jitter of failures, 0 up to 1; Math.random unless told. */
  readonly random?: () => number;
  readonly pool: AgentPool;
  readonly directory: Directory;
  readonly hooks: Hooks;
  readonly settings: Settings;
  readonly log: Log;
  /** An idle session leaves memory after so many milliseconds. */
  readonly passivate_ms: number;
  /** At most so many sessions stay resident while idle; the longest unused leave first. */
  readonly max_resident: number;
  /** Performs an attempt of a job. */
  readonly run?: (key: Key, input: JobRun, work: Work) => Promise<unknown>;
  /** In a cluster: where the sessions are that this node does not have. */
  readonly elsewhere?: Elsewhere;
  /** Sees the actors of the node and of its sessions. */
  readonly inspect?: Inspect;
}

/** What a session may be created with; what is left out comes from the configuration. */
export interface Birth {
  readonly settings?: Partial<Settings>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The name under which a tenant's registered agents are journaled; no session id can look like it. */
export const REGISTRY = '@agents';
/** What the name under which a job is journaled begins with; its id follows. */
export const JOB = '@job-';

/** What is journaled like a session and is none, by what its name begins with. */
const others: readonly { prefix: string; machine: AnyStateMachine; input: (key: Key) => unknown }[] = [
  { prefix: REGISTRY, machine: registryMachine, input: ({ tenant }) => ({ tenant }) },
  { prefix: JOB, machine: jobMachine, input: ({ session }) => ({ id: session.slice(JOB.length) }) },
];
const otherOf = ({ session }: Key) => others.find(({ prefix }) => session.startsWith(prefix));
const machineOf = (key: Key): AnyStateMachine => otherOf(key)?.machine ?? sessionMachine;

const keyOf = (name: string): Key => {
  const [tenant, session] = name.split('/') as [string, string];
  return { tenant, session };
};

/** The rest of the cluster, as one node's orchestrator needs it. */
export interface Elsewhere {
  /** Whether this node has the session: no other may wake it. */
  owns(key: Key): boolean;
  /** Whether this node shall have the session, and may be about to. */
  expects(key: Key): boolean;
  /** This node has lost touch with the others, who may have taken what it had: it says nothing until it knows. */
  readonly away: boolean;
  /** What the node that has the session is writing right now. */
  openAnswer(key: Key): Promise<Part | undefined>;
  /** Hears the pieces of a session's answers wherever they are written. */
  listen(key: Key, listener: PartListener): () => void;
}

/** Who waits for what a session decides on this node; `moved` tells that it goes on elsewhere. */
export interface Hearer {
  readonly entry: (entry: Entry) => void;
  readonly moved?: () => void;
}

/** Between two looks for sessions that may leave memory, ms. */
const SWEEP = 1_000;
/** A timer that is due within this, ms, is waited for in memory. */
const SOON = 1_000;
/** The longest wait before a broken session is woken again, ms. */
const LONGEST_REWAKE = 5_000;

export class Orchestrator implements Host {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly inspect: Inspect | undefined;
  readonly actor;
  readonly #options: OrchestratorOptions;
  readonly #resident = new Map<string, Session>();
  readonly #waking = new Map<string, Promise<Session>>();
  readonly #answers = new Answers();
  readonly #performing: Performing;
  readonly #hearers = new Map<string, Set<Hearer>>();
  readonly #recent = new Recent();
  readonly #remembered = new Set<(key: Key, entry: Entry, session: Session) => void>();
  readonly #alarms: Alarms;
  readonly #breaks = new Map<string, number>();
  /** Counted since the start: dropped results, broken sessions, wakes, passivations. */
  readonly counts = { dropped: 0, broken: 0, woken: 0, passivated: 0, created: 0 };
  readonly #ends = new Set<() => void>();
  #sweeper: unknown;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.journal = options.journal;
    this.clock = options.clock;
    this.inspect = options.inspect;
    this.#performing = new Performing(options, this.#answers, this.#recent);
    this.#alarms = new Alarms(options.clock, (name) => this.#alarmed(keyOf(name)));
    this.actor = createActor(orchestratorMachine, {
      clock: options.clock,
      inspect: options.inspect,
      input: undefined,
    }).start();
    this.actor.subscribe(({ value, context: { reason } }) => {
      if (value === 'failed') options.log.error({ reason }, 'this node failed');
    });
  }

  /**
   * Waits for `opening`, then wakes every session that owes something; in a cluster that is done shard by shard, as they come.
   * Rejects with the error of either, which the node's chart keeps as its reason.
   */
  async start(opening: Promise<void> = Promise.resolve()): Promise<void> {
    await opening
      .then(() => this.#recoverAll())
      .catch((error) => this.#fail({ type: 'journal.failed', reason: error.message }, error));
    this.#tell({ type: 'journal.opened' });
  }

  /** Serves, in a cluster once `joining` has resolved. Rejects with its error, or when the chart has given up in the meantime. */
  async join(joining: Promise<void> | undefined): Promise<void> {
    await joining?.catch((error) => this.#fail({ type: 'join.failed', reason: error.message }, error));
    this.#tell({ type: 'joined' });
    const { value, context } = this.actor.getSnapshot();
    if (value === 'failed') throw new Error(`this node failed: ${context.reason}`);
    this.#sweepAgain();
  }

  #fail(event: OrchestratorEvent, error: unknown): never {
    this.#tell(event);
    throw error;
  }

  /** A node that has failed stays as it is. */
  #tell(event: OrchestratorEvent): void {
    if (this.actor.getSnapshot().status === 'active') this.actor.send(event);
  }

  async #recoverAll(): Promise<void> {
    for (let after: Key | undefined, full = !this.#options.elsewhere; full; ) {
      const rows = await this.journal.rows({ waking: true, after, limit: 1_000 });
      await this.recover(rows);
      after = rows.at(-1)?.key;
      full = rows.length === 1_000;
    }
  }

  /**
   * Wakes those of these sessions that owe something; resolves when they are awake. Those that only wait for a time to come
   * are woken then. One that can never be woken here, because
   * another version of its chart wrote it, keeps the others from nothing: whoever calls for it is told.
   */
  async recover(rows: readonly Row[]): Promise<void> {
    const owing = rows.filter(({ key, wake }) => wake !== undefined && !this.#resident.has(keyName(key)));
    const stays = (error: unknown) => {
      if (!(error instanceof Refused) || error.code === 'moved') throw error;
      if (error.code === 'unknown_session') return;
      this.#options.log.error({ code: error.code }, `not woken, though it owes work: ${error.message}`);
    };
    const soon = this.clock.now() + SOON;
    const now = owing.filter(({ wake }) => wake! <= soon);
    for (const { key, wake } of owing) if (wake! > soon) this.#alarms.set(keyName(key), wake!);
    await Promise.all(now.map(({ key }) => (this.#waking.get(keyName(key)) ?? this.#wake(key)).catch(stays)));
  }

  /** The time has come that a session waited for. */
  #alarmed(key: Key): void {
    this.find(key).catch((error) => {
      if (error instanceof Refused && error.code === 'moved') return;
      this.#options.log.error({ session: keyName(key), err: error }, 'not woken when its time had come; tried again');
      this.#alarms.set(keyName(key), this.clock.now() + LONGEST_REWAKE);
    });
  }

  /** These sessions leave memory at once; what they owe stays in the journal, for whoever has them next. */
  drop(which: (key: Key) => boolean): void {
    for (const [name, session] of this.#resident) {
      if (!which(session.key)) continue;
      this.#resident.delete(name);
      this.#answers.drop(name);
      session.stop();
    }
    this.#alarms.clearAll((name) => which(keyOf(name)));
    // One that is being woken must not come to life any more.
    for (const name of this.#waking.keys()) if (which(keyOf(name))) this.#waking.delete(name);
    // Also of those that broke before: nobody here goes on with them.
    for (const [name, hearers] of this.#hearers)
      if (which(keyOf(name))) for (const { moved } of [...hearers]) moved?.();
  }

  /** Stops taking work, lets nothing be lost: what is owed stays in the journal. */
  async stop(): Promise<void> {
    this.#tell({ type: 'drain' });
    this.clock.clearTimeout(this.#sweeper);
    for (const session of this.#resident.values()) session.stop();
    this.#resident.clear();
    this.#alarms.clearAll();
    this.#tell({ type: 'drained' });
    this.actor.stop();
    for (const ended of [...this.#ends]) ended();
  }

  /** Hears that this node has stopped: what anybody waits for here does not come any more. Returns the function that ends it. */
  onStop(ended: () => void): () => void {
    this.#ends.add(ended);
    return () => this.#ends.delete(ended);
  }

  /** The sessions in memory. */
  sessions(): Session[] {
    return [...this.#resident.values()];
  }

  /** Takes a session out of memory and out of the journal. */
  async forget(key: Key): Promise<void> {
    this.#resident.get(keyName(key))?.stop();
    this.#resident.delete(keyName(key));
    this.#alarms.clear(keyName(key));
    await this.journal.remove(key);
  }

  /** A session that exists, woken if need be; undefined when nobody has heard of it. */
  async find(key: Key): Promise<Session | undefined> {
    const name = keyName(key);
    const resident = this.#resident.get(name);
    if (resident) return resident;
    const waking = this.#waking.get(name);
    if (waking) return waking;
    const stored = await this.journal.last(key);
    // Asked after the wait: the session may have moved away in the meantime.
    if (this.#options.elsewhere?.owns(key) === false) throw moved(key);
    if (!stored) return this.#resident.get(name);
    return this.#resident.get(name) ?? this.#waking.get(name) ?? this.#wake(key);
  }

  /** A session, created when nobody has heard of it; it is remembered with its first event. */
  async open(key: Key, birth: Birth = {}): Promise<Session> {
    // Asked again after the wait: two first messages at once must not make two actors.
    return (await this.find(key)) ?? this.#resident.get(keyName(key)) ?? this.#create(key, birth);
  }

  /** Sends an event to a session that exists. Rejects with `Refused('unknown_session')` when it does not. */
  async send(key: Key, event: EventObject, cause?: string): Promise<Receipt> {
    const session = await this.find(key);
    if (!session) throw unknownSession(key);
    return session.send(event, cause);
  }

  /** The answer that a session is writing right now, as far as it is written, on this node or another. */
  async openAnswer(key: Key): Promise<Part | undefined> {
    const { elsewhere } = this.#options;
    if (elsewhere?.owns(key) === false) return elsewhere.openAnswer(key);
    return this.#answers.whole(key);
  }

  /** Hears the pieces of a session's answers as they come. Returns the function that stops it. */
  listen(key: Key, listener: PartListener): () => void {
    const here = this.#answers.listen(key, listener);
    const elsewhere = this.#options.elsewhere?.listen(key, listener);
    return () => {
      elsewhere?.();
      here();
    };
  }

  /** Hears the pieces of every session's answers. Returns the function that stops it. */
  listenAll(listener: (key: Key, part: Part) => void): () => void {
    return this.#answers.listenAll(listener);
  }

  /** Hears what a session decides on this node, once it is remembered. Returns the function that stops it. */
  hear(key: Key, hearer: Hearer): () => void {
    const name = keyName(key);
    const hearers = this.#hearers.get(name) ?? new Set();
    this.#hearers.set(name, hearers.add(hearer));
    return () => {
      hearers.delete(hearer);
      if (hearers.size === 0) this.#hearers.delete(name);
    };
  }

  /** Hears what all sessions decide on this node. Returns the function that stops it. */
  hearAll(hearer: (key: Key, entry: Entry, session: Session) => void): () => void {
    this.#remembered.add(hearer);
    return () => this.#remembered.delete(hearer);
  }

  // Host: what sessions need.

  remembered(session: Session, entry: Entry): void {
    const { key } = session;
    const hearers = this.#hearers.get(keyName(key));
    if (hearers) for (const { entry: heard } of hearers) heard(entry);
    for (const hearer of this.#remembered) hearer(key, entry, session);
    this.#recent.note(session, entry);
  }

  perform(session: Session, src: string, input: unknown, work: Work): Promise<unknown> {
    return this.#performing.perform(session, src, input, work);
  }

  failure(error: unknown): Failure {
    if (error instanceof Failed) return failureOf(error, this.#options.random ?? Math.random);
    const message = error instanceof Error ? error.message : String(error);
    return {
      code: error instanceof Refused ? error.code : 'internal',
      message,
      retryable: !(error instanceof Refused),
    };
  }

  broken(session: Session, error: unknown): void {
    const name = keyName(session.key);
    this.counts.broken += 1;
    this.#options.log.error({ session: name, err: error }, 'session stopped; it will be replayed from its journal');
    if (this.#resident.get(name) === session) this.#resident.delete(name);
    this.#answers.drop(name);
    const breaks = (this.#breaks.get(name) ?? 0) + 1;
    this.#breaks.set(name, breaks);
    this.#rewake(session, Math.min(LONGEST_REWAKE, 100 * 2 ** breaks));
  }

  /** It may owe work that nobody will call for, so it is woken without being asked. */
  #rewake(session: Session, ms: number): void {
    const again = (error: unknown): void => {
      if (!(error instanceof Refused)) this.broken(session, error);
      // It broke while its shard was being taken: those that owe something were listed before.
      else if (error.code === 'moved' && this.#options.elsewhere?.expects(session.key)) this.#rewake(session, ms);
      else this.#breaks.delete(keyName(session.key));
    };
    this.clock.setTimeout(() => {
      if (this.actor.getSnapshot().status !== 'active') return;
      this.find(session.key).then(() => this.#breaks.delete(keyName(session.key)), again);
    }, ms);
  }

  dropped(session: Session, event: EventObject): void {
    this.counts.dropped += 1;
    this.#options.log.debug({ session: keyName(session.key), event: event.type }, 'result dropped: its work is over');
  }

  // Residence.

  #create(key: Key, { settings, config }: Birth): Session {
    const { settings: defaults, hooks } = this.#options;
    const input = otherOf(key)?.input(key) ?? {
      id: key.session,
      settings: { ...defaults, ...settings, hooks: hooks.screens },
      config,
    };
    const session = Session.create(key, this, machineOf(key), input);
    this.counts.created += 1;
    this.#resident.set(keyName(key), session);
    return session;
  }

  #wake(key: Key): Promise<Session> {
    const name = keyName(key);
    const woken: Promise<Session> = this.journal
      .last(key)
      .then((stored) => {
        if (this.#waking.get(name) !== woken) throw moved(key);
        if (!stored) throw unknownSession(key);
        const session = Session.wake(key, this, machineOf(key), stored);
        this.counts.woken += 1;
        this.#alarms.clear(name);
        this.#resident.set(name, session);
        return session;
      })
      .finally(() => {
        if (this.#waking.get(name) === woken) this.#waking.delete(name);
      });
    this.#waking.set(name, woken);
    return woken;
  }

  /** Lets sessions leave memory that are idle for long, or too many. Done every second by itself. */
  sweep(): void {
    const { passivate_ms, max_resident } = this.#options;
    const now = this.clock.now();
    let excess = this.#resident.size - max_resident;
    // In the order in which they came to memory; those that are at work are passed over.
    for (const [name, session] of this.#resident) {
      // Nobody comes back to a job as a person comes back to a conversation.
      const unused = now - session.used >= (isSession(session.key) ? passivate_ms : SWEEP);
      if (!session.idle || (!unused && excess <= 0)) continue;
      // One whose time comes soon, and one that somebody waits at, would be back at once.
      const { wake } = session;
      if ((wake !== undefined && wake <= now + SOON) || this.#hearers.has(name)) continue;
      this.#resident.delete(name);
      session.stop();
      if (wake !== undefined) this.#alarms.set(name, wake);
      this.counts.passivated += 1;
      excess -= 1;
    }
  }

  #sweepAgain(): void {
    this.sweep();
    this.#sweeper = this.clock.setTimeout(() => this.#sweepAgain(), SWEEP);
    (this.#sweeper as { timer?: { unref?(): void } }).timer?.unref?.();
  }
}

export const moved = (key: Key): Refused =>
  new Refused('moved', `session "${key.session}" is on another node; try again`, 503, { retry_after_s: 1 });

export const unknownSession = (key: Key): Refused =>
  new Refused('unknown_session', `there is no session "${key.session}"`, 404);
