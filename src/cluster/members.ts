// Who is in the cluster: nodes that say so every half second, to each other and into a bucket, and are asked every tenth of one.
import type { KV } from '@nats-io/kv';
import { whileNobodyLeads } from '../nats/patience.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import { NoResponders, type Subscription, type Transport } from '../transport/transport.ts';

export interface MembersOptions {
  readonly id: string;
  /** The bucket `troupe-nodes`, whose keys expire by themselves. */
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
  /** Silence for so long counts as death; a machine that is merely slow must not lose its shards. */
  readonly silence: number;
  /** After a break of our own connection the others may need so long to be back as well. */
  readonly settling: number;
  /** For so long no news of a node that is gone bring it back: they may be old. */
  readonly forgetting: number;
}

const timingDefaults: MemberTiming = { presence: 500, ping: 100, silence: 3_000, settling: 1_000, forgetting: 5_000 };

/** What a node says of itself. */
interface Presence {
  readonly id: string;
  /** When it joined, ms since the epoch: the oldest writes the assignment table. */
  readonly joined: number;
  /** It is still there, and takes no shards any more. */
  readonly leaving: boolean;
}

interface Member extends Presence {
  /** When it last answered. */
  seen: number;
}

/** A longer gap between two signs of our own life is a break, ms: the server restarted, or this machine is starved. */
const BREAK = 250;

export const pingSubject = (id: string): string => `troupe.node.${id}.ping`;
/** What a node says of itself, told to those who are there; the bucket tells those who come. */
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
  /** When this node last heard itself through the server, and since when it has done so without a break. */
  #reached: number;
  #steady = 0;
  #cutOff = false;
  #leaving = false;
  /** Whether the bucket is being told, which may take seconds while its server is away. */
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

  /** The nodes that are alive as far as this one knows, itself among them, oldest first. */
  live(): string[] {
    return this.#all().map(({ id }) => id);
  }

  /** Those of them that take shards. */
  takers(): string[] {
    return this.#all().flatMap(({ id, leaving }) => (leaving ? [] : [id]));
  }

  /** The others must have given this node up: it stood still, or could not reach the server, for as long as they wait. */
  get away(): boolean {
    return this.#cutOff || this.#options.clock.now() - this.#reached > this.#timing.silence;
  }

  /** When the connection was last whole again after a break, ms since the epoch; 0 when there was none. */
  get steady(): number {
    return this.#steady;
  }

  onChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Told when this node is away: what it owned is not its own any more. */
  onAway(listener: () => void): void {
    this.#wentAway.add(listener);
  }

  /** Told when it has joined the others anew. */
  onBack(listener: () => void): void {
    this.#cameBack.add(listener);
  }

  /** Says that it is there, and learns who else is, before it resolves. */
  async join(): Promise<void> {
    const { bucket, transport } = this.#options;
    this.#subscribed = [
      transport.subscribe(pingSubject(this.id), ({ reply }) => {
        if (reply) transport.publish(reply, 'pong');
      }),
      transport.subscribe(hereSubject('*'), ({ data }) => this.#heard(parsed(data))),
    ];
    const watch = await whileNobodyLeads(() => bucket.watch({ key: '>' }));
    this.#stopWatching = () => watch.stop();
    // The watch shows keys in the order in which they were put: before one that is put now come all that were there. How many are
    // still to come is no sign: nats-server 2.9.10 leaves that one too high when a key is overwritten while the watch is made.
    const noted = whileNobodyLeads(() => this.#note());
    const known = Promise.withResolvers<void>();
    void (async () => {
      for await (const { key, operation, value, revision } of watch) {
        if (operation === 'PUT') this.#heard(parsed(value));
        else this.#lost(key, 'it left');
        if (key === this.id && revision >= (await noted)) known.resolve();
      }
    })().catch((error) => {
      this.#options.log.warn({ err: error }, 'the watch of the nodes ended');
      known.reject(error);
    });
    await Promise.all([noted, known.promise]);
    this.#reached = this.#options.clock.now();
    this.#announce();
    this.#every(this.#timing.presence, () => this.#announce());
    this.#every(this.#timing.ping, () => this.#ping());
  }

  /** Says that it takes no shards any more, and hands over those it has. */
  retire(): void {
    this.#leaving = true;
    this.#announce();
    this.#tell();
  }

  /** Says goodbye. */
  async leave(): Promise<void> {
    this.stop();
    await this.#options.bucket.delete(this.id).catch(() => {});
  }

  /** Stops without a word. */
  stop(): void {
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers = [];
    this.#stopWatching?.();
    for (const subscription of this.#subscribed) subscription.unsubscribe();
  }

  /** Nobody answers on a node's subjects. That is definite, unless the server itself has just been away. */
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
    this.#tell();
  }

  #heard(presence: Presence): void {
    const { id, joined, leaving } = presence;
    const now = this.#options.clock.now();
    const gone = this.#gone.get(id);
    if (id === this.id || (gone?.joined === joined && now - gone.at < this.#timing.forgetting)) return;
    this.#gone.delete(id);
    const known = this.#peers.get(id);
    // The bucket may tell later what was so before.
    if (known && (joined < known.joined || (joined === known.joined && known.leaving && !leaving))) return;
    this.#peers.set(id, { ...presence, seen: now });
    if (known?.joined === joined && known.leaving === leaving) return;
    this.#options.log.info({ node: id }, leaving ? 'a node is leaving' : 'a node joined');
    this.#tell();
  }

  #announce(): void {
    this.#options.transport.publish(hereSubject(this.id), JSON.stringify(this.#presence()));
    if (this.#noting) return;
    this.#noting = true;
    const told = this.#note().catch((error) => this.#options.log.debug({ err: error }, 'a sign of life was not noted'));
    void told.finally(() => {
      this.#noting = false;
    });
  }

  /** Resolves to the revision of what it put. */
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
    // Nobody can be called silent who could not have been heard.
    const quiet = this.#options.clock.now() - Math.max(member.seen, this.#steady);
    if (quiet > this.#timing.silence) this.#lost(id, 'it is silent');
  }

  /** This node hears itself: whatever it says now reaches the others as well. */
  #reach(): void {
    const now = this.#options.clock.now();
    if (this.away) this.#goAway();
    if (now - this.#reached > BREAK) this.#steady = now;
    this.#reached = now;
    if (!this.#cutOff) return;
    this.#cutOff = false;
    // Joined anew, so that nobody takes it for the one that they gave up.
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

  #tell(): void {
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
