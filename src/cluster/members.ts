// Membership of the cluster: each node announces its presence every half second, to the others and in a bucket, and
// pings the others ten times a second.
import type { KV } from '@nats-io/kv';
import { whileNobodyLeads } from '../nats/patience.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { NoResponders, type Subscription, type Transport } from '../transport/transport.ts';

export interface MembersOptions {
  readonly id: string;
  /** The bucket `troupe-nodes`, whose keys have a TTL. */
  readonly bucket: KV;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  readonly timing?: Partial<MemberTiming>;
}

/** Milliseconds. */
export interface MemberTiming {
  readonly presence: number;
  readonly ping: number;
  /**
   * The lease: a node that has not replied for this long counts as dead. Long enough that a slow machine does not lose
   * its shards.
   */
  readonly silence: number;
  /** After a break of this node's own connection the others may need this long to reconnect as well. */
  readonly settling: number;
  /** For this long an announcement of a dead node does not revive it, because it may be old. */
  readonly forgetting: number;
}

const timingDefaults: MemberTiming = { presence: 500, ping: 100, silence: 3_000, settling: 1_000, forgetting: 5_000 };

/** A node's announcement of itself. */
interface Presence {
  readonly id: string;
  /** Time of joining, ms since the epoch: the oldest node writes the assignment table. */
  readonly joined: number;
  /** The node is alive, and takes no more shards. */
  readonly leaving: boolean;
}

interface Member extends Presence {
  /** Time of its last reply. */
  seen: number;
}

/** A longer gap between two own pings is a break, ms: the server restarted, or this machine is starved. */
const BREAK = 250;

export const pingSubject = (id: string): string => `troupe.node.${id}.ping`;
/** Presence is published to the nodes that are there; the bucket has it for those that join later. */
const hereSubject = (id: string | '*'): string => `troupe.node.${id}.here`;

export class Members {
  readonly id: string;
  readonly #options: MembersOptions;
  readonly #timing: MemberTiming;
  readonly #peers = new Map<string, Member>();
  readonly #gone = new Map<string, { readonly joined: number; readonly at: number }>();
  readonly #changed = new Set<() => void>();
  readonly #wentAway = new Set<() => void>();
  readonly #cameBack = new Set<() => void>();
  #joined: number;
  /**
   * `#reached` is the time of the last own ping through the server, `#steady` the time since which there was no break.
   */
  #reached: number;
  #steady = 0;
  #cutOff = false;
  #leaving = false;
  /** Whether a put into the bucket is pending, which may take seconds while its server is down. */
  #noting = false;
  #subscribed: readonly Subscription[] = [];
  #stopWatching: (() => void) | undefined;
  #timers: unknown[] = [];

  constructor(options: MembersOptions) {
    this.id = options.id;
    this.#options = options;
    this.#timing = { ...timingDefaults, ...options.timing };
    this.#joined = options.clock.now();
    this.#reached = this.#joined;
  }

  /** The live nodes as this one sees them, itself among them, oldest first. */
  live(): string[] {
    return this.#all().map(({ id }) => id);
  }

  /** The live nodes that take shards. */
  takers(): string[] {
    return this.#all().flatMap(({ id, leaving }) => (leaving ? [] : [id]));
  }

  /**
   * Whether this node's lease has expired: it was frozen, or could not reach the server, for so long that the others
   * have declared it dead.
   */
  get away(): boolean {
    return this.#cutOff || this.#options.clock.now() - this.#reached > this.#timing.silence;
  }

  /** Time at which the connection last recovered from a break, ms since the epoch; 0 when there was none. */
  get steady(): number {
    return this.#steady;
  }

  onChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Subscribes to the expiry of this node's lease, after which it owns nothing. */
  onAway(listener: () => void): void {
    this.#wentAway.add(listener);
  }

  /** Subscribes to this node's rejoining. */
  onBack(listener: () => void): void {
    this.#cameBack.add(listener);
  }

  /** Announces this node; resolves when it has read the presence of all others. */
  async join(): Promise<void> {
    const { bucket, transport } = this.#options;
    this.#subscribed = [
      transport.subscribe(pingSubject(this.id), ({ reply }) => {
        if (reply) transport.publish(reply, 'pong');
      }),
      transport.subscribe(hereSubject('*'), ({ data }) => this.#receive(parsed(data))),
    ];
    const watch = await whileNobodyLeads(() => bucket.watch({ key: '>' }));
    this.#stopWatching = () => watch.stop();
    // The watch delivers keys in the order in which they were put, so all earlier keys come before one that is put now.
    // The count of pending keys does not mark the end: nats-server 2.9.10 leaves it one too high when a key is
    // overwritten while the watch is created.
    const noted = whileNobodyLeads(() => this.#note());
    const listed = Promise.withResolvers<void>();
    void (async () => {
      for await (const { key, operation, value, revision } of watch) {
        if (operation === 'PUT') this.#receive(parsed(value));
        else this.#lost(key, 'it left');
        if (key === this.id && revision >= (await noted)) listed.resolve();
      }
    })().catch((error) => {
      this.#options.log.warn({ err: error }, 'the watch of the nodes ended');
      listed.reject(error);
    });
    await Promise.all([noted, listed.promise]);
    this.#reached = this.#options.clock.now();
    this.#announce();
    this.#every(this.#timing.presence, () => this.#announce());
    this.#every(this.#timing.ping, () => this.#ping());
  }

  /** Announces that this node takes no more shards and hands over those it has. */
  retire(): void {
    this.#leaving = true;
    this.#announce();
    this.#notify();
  }

  /** Stops, and deletes this node's presence from the bucket. */
  async leave(): Promise<void> {
    this.stop();
    await this.#options.bucket.delete(this.id).catch(() => {});
  }

  /** Stops without notifying the others. */
  stop(): void {
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers = [];
    this.#stopWatching?.();
    for (const subscription of this.#subscribed) subscription.unsubscribe();
  }

  /**
   * Declares a node dead whose subjects have no responder. That is definite, unless the server itself was just down.
   */
  unanswered(id: string): void {
    const now = this.#options.clock.now();
    const broken = now - this.#reached > BREAK || now - this.#steady < this.#timing.settling;
    if (!broken) this.#lost(id, 'nobody answers for it');
  }

  #all(): Presence[] {
    return [...this.#peers.values(), this.#presence()].sort((a, b) => a.joined - b.joined || (a.id < b.id ? -1 : 1));
  }

  #lost(id: string, why: string): void {
    const member = this.#peers.get(id);
    if (!member) return;
    this.#peers.delete(id);
    this.#gone.set(id, { joined: member.joined, at: this.#options.clock.now() });
    this.#options.log.info({ node: id, why }, 'a node is gone');
    this.#notify();
  }

  #receive(presence: Presence): void {
    const { id, joined, leaving } = presence;
    const now = this.#options.clock.now();
    const gone = this.#gone.get(id);
    if (id === this.id || (gone?.joined === joined && now - gone.at < this.#timing.forgetting)) return;
    this.#gone.delete(id);
    const existing = this.#peers.get(id);
    // The bucket may deliver an older presence after a newer one.
    if (existing && (joined < existing.joined || (joined === existing.joined && existing.leaving && !leaving))) return;
    this.#peers.set(id, { ...presence, seen: now });
    if (existing?.joined === joined && existing.leaving === leaving) return;
    this.#options.log.info({ node: id }, leaving ? 'a node is leaving' : 'a node joined');
    this.#notify();
  }

  #announce(): void {
    this.#options.transport.publish(hereSubject(this.id), JSON.stringify(this.#presence()));
    if (this.#noting) return;
    this.#noting = true;
    const noted = this.#note().catch((error) =>
      this.#options.log.debug({ err: error }, 'a sign of life was not noted'),
    );
    void noted.finally(() => {
      this.#noting = false;
    });
  }

  /** Resolves to the revision of the put. */
  #note(): Promise<number> {
    return this.#options.bucket.put(this.id, JSON.stringify(this.#presence()));
  }

  #presence(): Presence {
    return { id: this.id, joined: this.#joined, leaving: this.#leaving };
  }

  #ping(): void {
    const { transport } = this.#options;
    if (this.away) this.#goAway();
    const ask = (id: string) => transport.request(pingSubject(id), '', { timeout: 1_000 });
    ask(this.id).then(
      () => this.#reach(),
      () => {},
    );
    for (const { id } of this.#peers.values())
      ask(id).then(
        () => this.#answered(id),
        (error) => this.#unanswered(id, error),
      );
  }

  #answered(id: string): void {
    const member = this.#peers.get(id);
    if (member) member.seen = this.#options.clock.now();
  }

  #unanswered(id: string, error: unknown): void {
    if (error instanceof NoResponders) this.unanswered(id);
    const member = this.#peers.get(id);
    if (!member || this.away) return;
    // A node cannot count as silent for a time in which this node could not receive its replies.
    const quiet = this.#options.clock.now() - Math.max(member.seen, this.#steady);
    if (quiet > this.#timing.silence) this.#lost(id, 'it is silent');
  }

  /** This node's own ping has come back through the server, so its messages reach the others as well. */
  #reach(): void {
    const now = this.#options.clock.now();
    if (this.away) this.#goAway();
    if (now - this.#reached > BREAK) this.#steady = now;
    this.#reached = now;
    if (!this.#cutOff) return;
    this.#cutOff = false;
    // A new joining time, so that the others do not take it for the node that they declared dead.
    this.#joined = now;
    this.#options.log.info({}, 'this node is back');
    this.#announce();
    for (const listener of this.#cameBack) listener();
  }

  #goAway(): void {
    if (this.#cutOff) return;
    this.#cutOff = true;
    this.#options.log.warn({}, 'this node was away for too long; what it had is not its own any more');
    for (const listener of this.#wentAway) listener();
  }

  #notify(): void {
    for (const listener of this.#changed) listener();
  }

  #every(ms: number, go: () => void): void {
    const { clock } = this.#options;
    const index = this.#timers.length;
    const tick = () => {
      go();
      if (this.#timers.length > 0) this.#timers[index] = clock.setTimeout(tick, ms);
    };
    this.#timers.push(clock.setTimeout(tick, ms));
  }
}

const parsed = (data: Uint8Array): Presence => JSON.parse(new TextDecoder().decode(data));
