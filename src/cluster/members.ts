// Who is in the cluster: nodes that say so every half second, and are asked every tenth of one.
import type { KV } from '@nats-io/kv';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { NoResponders, type Subscription, type Transport } from '../transport.ts';

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
}

const timingDefaults: MemberTiming = { presence: 500, ping: 100, silence: 3_000 };

interface Member {
  readonly id: string;
  /** When it joined, ms since the epoch: the oldest writes the assignment table. */
  readonly joined: number;
  seen: number;
}

const pingSubject = (id: string): string => `troupe.node.${id}.ping`;

export class Members {
  readonly id: string;
  readonly #options: MembersOptions;
  readonly #timing: MemberTiming;
  readonly #peers = new Map<string, Member>();
  /** Known to be gone until it joins anew: late news of a dead node must not bring it back. */
  readonly #gone = new Map<string, number>();
  readonly #changed = new Set<() => void>();
  readonly #overslept = new Set<() => void>();
  #joined: number;
  #alive: number;
  #ponged: Subscription | undefined;
  #stopWatching: (() => void) | undefined;
  #timers: unknown[] = [];
  #left = false;

  constructor(options: MembersOptions) {
    this.id = options.id;
    this.#options = options;
    this.#timing = { ...timingDefaults, ...options.timing };
    this.#joined = options.clock.now();
    this.#alive = this.#joined;
  }

  /** The nodes that are alive as far as this one knows, itself among them, oldest first. */
  live(): string[] {
    const all = [...this.#peers.values()];
    if (!this.#left) all.push({ id: this.id, joined: this.#joined, seen: 0 });
    return all.sort((a, b) => a.joined - b.joined || (a.id < b.id ? -1 : 1)).map(({ id }) => id);
  }

  onChange(listener: () => void): void {
    this.#changed.add(listener);
  }

  /** Told when this process stood still for so long that the others have given it up: what it owned is not its own any more. */
  onOversleep(listener: () => void): void {
    this.#overslept.add(listener);
  }

  /** Says that it is there, and learns who else is, before it resolves. */
  async join(): Promise<void> {
    const { bucket, transport } = this.#options;
    this.#ponged = transport.subscribe(pingSubject(this.id), ({ reply }) => {
      if (reply) transport.publish(reply, 'pong');
    });
    await this.#announce();
    const watch = await bucket.watch({ key: '>' });
    this.#stopWatching = () => watch.stop();
    const known = Promise.withResolvers<void>();
    void (async () => {
      for await (const { key, operation, value, delta } of watch) {
        if (operation === 'PUT') this.#heard(JSON.parse(new TextDecoder().decode(value)));
        else this.lost(key, 'it left');
        if (delta === 0 || delta === undefined) known.resolve();
      }
    })().catch((error) => this.#options.log.warn({ err: error }, 'the watch of the nodes ended'));
    await known.promise;
    this.#every(this.#timing.presence, () => this.#announce());
    this.#every(this.#timing.ping, () => this.#ping());
  }

  /** Says goodbye: the others take over at once. */
  async leave(): Promise<void> {
    this.#left = true;
    this.stop();
    await this.#options.bucket.delete(this.id).catch(() => {});
  }

  /** Stops without a word. */
  stop(): void {
    for (const timer of this.#timers) this.#options.clock.clearTimeout(timer);
    this.#timers = [];
    this.#stopWatching?.();
    this.#ponged?.unsubscribe();
  }

  /** Definite news that a node is gone: nobody answers on its subjects, or it said so. */
  lost(id: string, why: string): void {
    const member = this.#peers.get(id);
    if (!member) return;
    this.#peers.delete(id);
    this.#gone.set(id, member.joined);
    this.#options.log.info({ node: id, why }, 'a node is gone');
    this.#tell();
  }

  #heard({ id, joined }: { id: string; joined: number }): void {
    if (id === this.id || this.#gone.get(id) === joined) return;
    const known = this.#peers.get(id);
    const seen = this.#options.clock.now();
    if (known?.joined === joined) {
      known.seen = seen;
      return;
    }
    this.#peers.set(id, { id, joined, seen });
    this.#options.log.info({ node: id }, 'a node joined');
    this.#tell();
  }

  async #announce(): Promise<void> {
    const { bucket } = this.#options;
    await bucket.put(this.id, JSON.stringify({ id: this.id, joined: this.#joined }));
  }

  #ping(): void {
    const { transport, clock } = this.#options;
    const slept = clock.now() - this.#alive;
    this.#alive = clock.now();
    if (slept > this.#timing.silence) {
      this.#joined = clock.now();
      for (const member of this.#peers.values()) member.seen = clock.now();
      for (const listener of this.#overslept) listener();
      void this.#announce().catch(() => {});
    }
    for (const member of this.#peers.values())
      transport.request(pingSubject(member.id), '', { timeout: 1_000 }).then(
        () => {
          member.seen = clock.now();
        },
        (error) => {
          if (error instanceof NoResponders) this.lost(member.id, 'nobody answers for it');
          else if (clock.now() - member.seen > this.#timing.silence) this.lost(member.id, 'it is silent');
        },
      );
  }

  #tell(): void {
    for (const listener of this.#changed) listener();
  }

  #every(ms: number, go: () => unknown): void {
    const { clock, log } = this.#options;
    const index = this.#timers.length;
    const tick = async () => {
      try {
        await go();
      } catch (error) {
        log.debug({ err: error }, 'a sign of life was not given');
      }
      if (this.#timers.length > 0) this.#timers[index] = clock.setTimeout(tick, ms);
    };
    this.#timers.push(clock.setTimeout(tick, ms));
  }
}
