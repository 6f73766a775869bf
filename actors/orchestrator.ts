// The orchestrator of one node: spawns, wakes and passivates sessions, routes events to them and performs their owed
// effects.
import { type AnyStateMachine, createActor, type EventObject } from 'xstate';
import { machines } from '../machines/index.ts';
import type { JobRun } from '../machines/job/events.ts';
import { jobMachine } from '../machines/job/machine.ts';
import type { OrchestratorEvent } from '../machines/orchestrator/events.ts';
import { orchestratorMachine } from '../machines/orchestrator/machine.ts';
import { registryMachine } from '../machines/registry/machine.ts';
import type { Failure, SessionContext, Settings } from '../machines/session/events.ts';
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
import { checkTasks } from './task.ts';

export interface OrchestratorOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  /** Draws the jitter of failures, from 0 up to 1; Math.random by default. */
  readonly random?: () => number;
  readonly pool: AgentPool;
  readonly directory: Directory;
  readonly hooks: Hooks;
  readonly settings: Settings;
  readonly log: Log;
  /** Idle time after which a session is passivated, ms. */
  readonly passivate_ms: number;
  /** Maximum of idle sessions in memory; beyond it the least recently used are passivated. */
  readonly max_resident: number;
  /** Performs one attempt of a job. */
  readonly run?: (key: Key, input: JobRun, work: Work) => Promise<unknown>;
  /** In a cluster: access to the sessions that other nodes own. */
  readonly elsewhere?: Elsewhere;
  /** Sees the actors of the node and of its sessions. */
  readonly inspect?: Inspect;
}

/** Options for creating a session; defaults come from the configuration. */
export interface Birth {
  readonly settings?: Partial<Settings>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** The journal key that holds a tenant's registered agents; `@` keeps it apart from session ids. */
export const REGISTRY = '@agents';
/** The prefix of a job's journal key; the job's id follows. */
export const JOB = '@job-';

/** The actors besides sessions that have a journal, by the prefix of their key. */
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
  /** Whether this node owns the session: no other node may wake it. */
  owns(key: Key): boolean;
  /** Whether the assignment table gives the session to this node, which may still be taking it over. */
  expects(key: Key): boolean;
  /**
   * True while this node is cut off from the others: they may have taken over its sessions, so it publishes no deltas.
   */
  readonly away: boolean;
  /** The open answer of a session, requested from the node that owns it. */
  openAnswer(key: Key): Promise<Part | undefined>;
  /** Subscribes to the deltas of a session, on every node that may write them. */
  listen(key: Key, listener: PartListener): () => void;
}

/** A subscriber to one session's entries on this node; `moved` is called when another node takes the session over. */
export interface Hearer {
  readonly entry: (entry: Entry) => void;
  readonly moved?: () => void;
}

/** Interval between two sweeps for sessions to passivate, ms. */
const SWEEP = 1_000;
/** A session whose timer is due within this time stays in memory, ms. */
const SOON = 1_000;
/** The longest back-off before a broken session is woken again, ms. */
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
  readonly #subscribers = new Map<string, Set<Hearer>>();
  readonly #recent = new Recent();
  readonly #everyEntry = new Set<(key: Key, entry: Entry, session: Session) => void>();
  readonly #alarms: Alarms;
  readonly #breaks = new Map<string, number>();
  /** Counters since the start of the process. */
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
   * Waits for `opening`, then wakes every session that has owed effects; in a cluster the shards are recovered one by
   * one as they arrive. Rejects with the error of either step, which the node's chart records as its reason.
   */
  async start(opening: Promise<void> = Promise.resolve()): Promise<void> {
    await opening
      .then(() => this.#recoverAll())
      .catch((error) => this.#fail({ type: 'journal.failed', reason: error.message }, error));
    this.#tell({ type: 'journal.opened' });
  }

  /**
   * Begins to serve, in a cluster after `joining` has resolved. Rejects with the error of `joining`, or when the node's
   * chart has failed in the meantime.
   */
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

  /** Ignores the event when the node's chart has reached its final state. */
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
   * Wakes the sessions among `rows` that owe work and resolves when they are awake; a session that only waits for a
   * later time gets an alarm instead. A session that this node can never wake, because another version of its chart
   * wrote it, does not hold up the rest: the error is logged, and every caller of that session gets it too.
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

  /** Wakes a session whose alarm has rung. */
  #alarmed(key: Key): void {
    this.find(key).catch((error) => {
      if (error instanceof Refused && error.code === 'moved') return;
      this.#options.log.error({ session: keyName(key), err: error }, 'not woken when its time had come; tried again');
      this.#alarms.set(keyName(key), this.clock.now() + LONGEST_REWAKE);
    });
  }

  /** Removes these sessions from memory at once; their owed effects stay in the journal for the next owner. */
  drop(which: (key: Key) => boolean): void {
    for (const [name, session] of this.#resident) {
      if (!which(session.key)) continue;
      this.#resident.delete(name);
      this.#answers.drop(name);
      session.stop();
    }
    this.#alarms.clearAll((name) => which(keyOf(name)));
    // A wake that is under way must not put its session into memory.
    for (const name of this.#waking.keys()) if (which(keyOf(name))) this.#waking.delete(name);
    // Callers of sessions that broke earlier must be notified too: this node does not continue those sessions.
    for (const [name, subscribers] of this.#subscribers)
      if (which(keyOf(name))) for (const { moved } of [...subscribers]) moved?.();
  }

  /** Stops accepting work. Owed effects stay in the journal. */
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

  /**
   * Subscribes to the stop of this node, after which no pending reply arrives. Returns the function that unsubscribes.
   */
  onStop(ended: () => void): () => void {
    this.#ends.add(ended);
    return () => this.#ends.delete(ended);
  }

  /** The sessions in memory. */
  sessions(): Session[] {
    return [...this.#resident.values()];
  }

  /** Deletes a session from memory and from the journal. */
  async forget(key: Key): Promise<void> {
    this.#resident.get(keyName(key))?.stop();
    this.#resident.delete(keyName(key));
    this.#alarms.clear(keyName(key));
    await this.journal.remove(key);
  }

  /** Returns an existing session and wakes it if necessary; undefined when the journal has no entry of it. */
  async find(key: Key): Promise<Session | undefined> {
    const name = keyName(key);
    const resident = this.#resident.get(name);
    if (resident) return resident;
    const waking = this.#waking.get(name);
    if (waking) return waking;
    const stored = await this.journal.last(key);
    // Checked after the read: the session may have moved to another node in the meantime.
    if (this.#options.elsewhere?.owns(key) === false) throw moved(key);
    if (!stored) return this.#resident.get(name);
    return this.#resident.get(name) ?? this.#waking.get(name) ?? this.#wake(key);
  }

  /** A run that an agent's chart cannot continue here keeps its session from being woken: nothing of it is lost meanwhile. */
  #checkTasks(key: Key, { snapshot }: Entry): void {
    const { run } = (snapshot.context ?? {}) as Partial<SessionContext>;
    if (!run || !isSession(key)) return;
    checkTasks(run, [...Object.values(machines), ...this.#options.pool.charts(key.tenant)], `session ${keyName(key)}`);
  }

  /** Returns an existing session or creates one; a new session is journaled with its first event. */
  async open(key: Key, birth: Birth = {}): Promise<Session> {
    // Checked again after the read: two concurrent first messages must not create two actors.
    return (await this.find(key)) ?? this.#resident.get(keyName(key)) ?? this.#create(key, birth);
  }

  /** Sends an event to an existing session. Rejects with `Refused('unknown_session')` when there is none. */
  async send(key: Key, event: EventObject, cause?: string): Promise<Receipt> {
    const session = await this.find(key);
    if (!session) throw unknownSession(key);
    return session.send(event, cause);
  }

  /** The open answer of a session, from this node or from the node that owns it. */
  async openAnswer(key: Key): Promise<Part | undefined> {
    const { elsewhere } = this.#options;
    if (elsewhere?.owns(key) === false) return elsewhere.openAnswer(key);
    return this.#answers.whole(key);
  }

  /** Subscribes to the deltas of a session. Returns the function that unsubscribes. */
  listen(key: Key, listener: PartListener): () => void {
    const here = this.#answers.listen(key, listener);
    const elsewhere = this.#options.elsewhere?.listen(key, listener);
    return () => {
      elsewhere?.();
      here();
    };
  }

  /** Subscribes to the deltas of every session. Returns the function that unsubscribes. */
  listenAll(listener: (key: Key, part: Part) => void): () => void {
    return this.#answers.listenAll(listener);
  }

  /**
   * Subscribes to the entries that this node appends for a session, after each append. Returns the function that
   * unsubscribes.
   */
  hear(key: Key, subscriber: Hearer): () => void {
    const name = keyName(key);
    const subscribers = this.#subscribers.get(name) ?? new Set();
    this.#subscribers.set(name, subscribers.add(subscriber));
    return () => {
      subscribers.delete(subscriber);
      if (subscribers.size === 0) this.#subscribers.delete(name);
    };
  }

  /** Subscribes to the entries that this node appends for any session. Returns the function that unsubscribes. */
  hearAll(subscriber: (key: Key, entry: Entry, session: Session) => void): () => void {
    this.#everyEntry.add(subscriber);
    return () => this.#everyEntry.delete(subscriber);
  }

  // Host: the interface that sessions call.

  remembered(session: Session, entry: Entry): void {
    const { key } = session;
    const subscribers = this.#subscribers.get(keyName(key));
    if (subscribers) for (const { entry: onEntry } of subscribers) onEntry(entry);
    for (const subscriber of this.#everyEntry) subscriber(key, entry, session);
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

  /** Wakes a broken session again without a request: it may owe work, and no caller may ever ask for it. */
  #rewake(session: Session, ms: number): void {
    const again = (error: unknown): void => {
      if (!(error instanceof Refused)) this.broken(session, error);
      // The session broke while this node was taking its shard over, after the sessions with owed effects had been
      // listed.
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

  // Residence: which sessions are in memory.

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
        this.#checkTasks(key, stored.entry);
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

  /** Passivates sessions that were idle for long, or that exceed the limit. Runs every second by itself. */
  sweep(): void {
    const { passivate_ms, max_resident } = this.#options;
    const now = this.clock.now();
    let excess = this.#resident.size - max_resident;
    // In the order in which the sessions came into memory; sessions at work are skipped.
    for (const [name, session] of this.#resident) {
      // A finished job has no caller that comes back to it, unlike a conversation, so it leaves memory sooner.
      const unused = now - session.used >= (isSession(session.key) ? passivate_ms : SWEEP);
      if (!session.idle || (!unused && excess <= 0)) continue;
      // A session with a timer due soon, and one with a waiting caller, would be woken again at once.
      const { wake } = session;
      if ((wake !== undefined && wake <= now + SOON) || this.#subscribers.has(name)) continue;
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
