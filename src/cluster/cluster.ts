// This node's part in the cluster: which shards it has, and where everybody else's are.
import { type Actor, createActor, fromPromise } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import { type ShardLimits, shardLimits } from '../../machines/shard/events.ts';
import { shardMachine } from '../../machines/shard/machine.ts';
import type { Key, Row } from '../journal/journal.ts';
import { shardOf } from '../journal/shards.ts';
import type { Clock } from '../platform/clock.ts';
import { Refused } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Transport } from '../transport/transport.ts';
import { Handover, MARGIN, type ShardHost } from './handover.ts';
import { Members, type MembersOptions } from './members.ts';
import { Table } from './table.ts';

export interface ClusterOptions extends Omit<MembersOptions, 'bucket'> {
  readonly buckets: { readonly nodes: MembersOptions['bucket']; readonly shards: MembersOptions['bucket'] };
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
  /** Sees the actors of this node's shards. */
  readonly inspect?: Inspect;
  /** Fixed when the cluster was created. */
  readonly shards: number;
  readonly limits?: Partial<ShardLimits>;
  /** What is known of each session of a shard: what taking it over begins with. */
  readonly scan: (shard: number) => Promise<Row[]>;
}

/** How long a request may wait for a shard that is on its way, ms: longer than it takes to hand one over. */
const PATIENCE = 15_000;
/** The table is looked at so often, ms: a write may have been lost to another one's, or to a server that was away. */
const REVIEW = 1_000;
/** A node that has just found out that it was away is back in a moment, if it can be at all: so long requests wait for it, ms. */
const BLINK = 2_000;

export class Cluster {
  readonly id: string;
  readonly shards: number;
  readonly members: Members;
  readonly #options: ClusterOptions;
  readonly #table: Table;
  readonly #actors: Actor<typeof shardMachine>[];
  readonly #moved = new Set<() => void>();
  readonly #host: ShardHost;
  readonly #handover: Handover;
  readonly #limits: ShardLimits;
  /** From going away until the table has been read again: what is known of it is old. */
  #out = false;
  #outSince: number | undefined;
  #reviewing: unknown;
  #reading = false;
  #stopped = false;
  #handingOver: Promise<void> | undefined;

  constructor(options: ClusterOptions, host: ShardHost) {
    const { id, shards, clock, log, limits, buckets } = options;
    this.id = id;
    this.shards = shards;
    this.#options = options;
    this.#host = host;
    this.#limits = shardLimits.parse(limits ?? {});
    this.members = new Members({ ...options, bucket: buckets.nodes });
    this.#handover = new Handover(options, host, {
      state: (shard) => this.#stateOf(shard),
      free: (shard, node) => {
        if (this.#table.current?.before[shard] === node) this.#actors[shard]?.send({ type: 'free' });
      },
      changed: () => this.#tell(),
    });
    this.#table = new Table(buckets.shards, log);
    const machine = shardMachine.provide({
      actors: {
        recover: fromPromise<void, { shard: number }>(({ input: { shard }, signal }) =>
          host.recover(shard, signal, (key) => this.#handover.holder(shard, key) !== undefined),
        ),
        release: fromPromise<void, { shard: number }>(({ input, signal }) =>
          this.#handover.release(input.shard, signal),
        ),
      },
    });
    this.#actors = Array.from({ length: shards }, (_, shard) => {
      const actor = createActor(machine, { clock, inspect: options.inspect, input: { shard, limits } });
      let was = 'unowned';
      actor.subscribe(({ value }) => {
        if (value === was) return;
        if (value === 'unowned') this.#handover.hold(shard, []);
        was = value;
        this.#tell();
        // It may have become this node's again while it was being handed over.
        if (value === 'unowned') queueMicrotask(() => this.#apply());
      });
      return actor.start();
    });
  }

  /** Joins the others; resolves when this node knows where every shard is. */
  async join(): Promise<void> {
    const { clock } = this.#options;
    this.#handover.join();
    await this.members.join();
    await this.#table.follow(() => this.#apply());
    this.members.onChange(() => this.#rebalance());
    this.members.onAway(() => {
      this.#out = true;
      this.#outSince ??= clock.now();
      for (const actor of this.#actors) actor.send({ type: 'lost' });
      this.#host.away();
      this.#tell();
    });
    this.members.onBack(() => void this.#return());
    this.#apply();
    this.#review();
  }

  /** Takes no shard any more; resolves when others have those it had, or nobody is left who could take them. */
  handOver(): Promise<void> {
    this.#handingOver ??= this.#handOver();
    return this.#handingOver;
  }

  async #handOver(): Promise<void> {
    if (this.#stopped) return;
    this.members.retire();
    const handedOver = () =>
      this.#table.current?.owner.includes(this.id) === false &&
      this.#actors.every((actor) => actor.getSnapshot().value === 'unowned');
    // The others may leave as well.
    const free = () => this.#stopped || this.members.takers().length === 0 || handedOver();
    if (!(await this.#until(free, this.#limits.release_ms + MARGIN)))
      this.#options.log.warn(this.view(), 'left without having handed over every shard');
  }

  /** Says goodbye. */
  async leave(): Promise<void> {
    this.stop();
    await this.members.leave();
  }

  /** Stops without a word: what a killed process does. */
  stop(): void {
    this.#stopped = true;
    this.#handover.stop();
    this.#options.clock.clearTimeout(this.#reviewing);
    this.#table.stop();
    this.members.stop();
    for (const actor of this.#actors) actor.stop();
  }

  shardOf(key: Key): number {
    return shardOf(key, this.shards);
  }

  /** The node that shall have the session, as the table says, or the one that still ends an answer for it. */
  assigned(key: Key): string | undefined {
    const shard = this.shardOf(key);
    return this.#handover.holder(shard, key) ?? this.#table.current?.owner[shard];
  }

  /** Whether this node has the session and takes events for it. */
  owns(key: Key): boolean {
    const shard = this.shardOf(key);
    if (this.away) return false;
    const state = this.#stateOf(shard);
    const holder = this.#handover.holder(shard, key);
    return state === 'owned' ? holder === undefined : state === 'releasing' && holder === this.id;
  }

  /** Whether it has stopped: others answer what it was asked. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether this node owns nothing because it cannot reach the others. */
  get away(): boolean {
    return this.#out || this.members.away;
  }

  /**
   * The node that has the session's shard: this one once it really has it, another as the table says.
   * Rejects with `Refused('no_owner')`, 503, when that does not come out in time, this node reaches nobody, or it has stopped.
   */
  async owner(key: Key): Promise<string> {
    const settled = () => {
      if (this.away) return false;
      const owner = this.assigned(key);
      if (owner === this.id) return this.owns(key);
      return owner !== undefined && this.members.live().includes(owner);
    };
    const known = () => this.#stopped || this.#lostTouch() || settled();
    if (!settled() && !((await this.#until(known, PATIENCE)) && settled()))
      throw new Refused('no_owner', 'no node has this session right now; try again', 503, { retry_after_s: 1 });
    return this.assigned(key)!;
  }

  /** Resolves at the next change of the table, of the nodes or of a shard here, or after `ms`. */
  change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#moved.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#moved.add(done);
    });
  }

  /** Told of every change of the table, of the nodes or of a shard here. Returns the function that stops it. */
  onChange(listener: () => void): () => void {
    this.#moved.add(listener);
    return () => void this.#moved.delete(listener);
  }

  /** The shards as this node sees them, for people. */
  view(): { node: string; nodes: string[]; shards: { shard: number; owner: string | null; state: string }[] } {
    const owners = this.#table.current?.owner;
    return {
      node: this.id,
      nodes: this.members.live(),
      shards: this.#actors.map((actor, shard) => ({
        shard,
        owner: owners?.[shard] ?? null,
        state: String(actor.getSnapshot().value),
      })),
    };
  }

  /** Away, and not only for the moment that it takes to find the others again. */
  #lostTouch(): boolean {
    return this.away && this.#outSince !== undefined && this.#options.clock.now() - this.#outSince > BLINK;
  }

  async #until(holds: () => boolean, ms: number): Promise<boolean> {
    const { clock } = this.#options;
    const end = clock.now() + ms;
    while (!holds()) {
      if (clock.now() >= end) return false;
      await this.change(Math.min(100, end - clock.now()));
    }
    return true;
  }

  /** The oldest node writes the table; all others wait for it. */
  #rebalance(): void {
    const live = this.members.live();
    const takers = this.members.takers();
    if (live[0] === this.id && !this.away) void this.#table.write(this.shards, takers.length > 0 ? takers : live, live);
    // Whoever was to hand a shard over may just have died.
    this.#apply();
  }

  #review(): void {
    this.#rebalance();
    // That a session was handed over may have been told in vain, too.
    this.#handover.review(this.#limits.release_ms + MARGIN);
    // A change may have been told while nobody could hear it.
    if (!this.away && !this.#reading) {
      this.#reading = true;
      const read = this.#table.refresh().then(
        () => this.#apply(),
        (error) => this.#options.log.debug({ err: error }, 'the assignment table could not be read'),
      );
      void read.finally(() => {
        this.#reading = false;
      });
    }
    this.#reviewing = this.#options.clock.setTimeout(() => this.#review(), REVIEW);
  }

  /** Nothing is taken back before it is known who has it by now. */
  async #return(): Promise<void> {
    try {
      await this.#table.refresh();
    } catch (error) {
      this.#options.log.warn({ err: error }, 'the assignment table cannot be read yet');
      this.#options.clock.setTimeout(() => void this.#return(), REVIEW);
      return;
    }
    if (this.#stopped || this.members.away) return;
    this.#out = false;
    this.#outSince = undefined;
    this.#host.back();
    this.#rebalance();
  }

  #apply(): void {
    const { current } = this.#table;
    if (!current || this.away || this.#stopped) return;
    const live = new Set(this.members.live());
    this.#handover.forget(live);
    this.#actors.forEach((actor, shard) => {
      const mine = current.owner[shard] === this.id;
      const { value } = actor.getSnapshot();
      if (mine && value === 'unowned') actor.send({ type: 'assigned' });
      const before = current.before[shard];
      // Whoever is not asked to hand a shard over was taken for dead, and another one has it already.
      if (!mine && value !== 'unowned') actor.send({ type: before === this.id ? 'unassigned' : 'lost' });
      if (!mine || actor.getSnapshot().value !== 'claiming') return;
      if (!before || !live.has(before)) actor.send({ type: 'free' });
      else this.#handover.ask(before, shard);
    });
    this.#tell();
  }

  #stateOf(shard: number): string {
    return String(this.#actors[shard]?.getSnapshot().value);
  }

  #tell(): void {
    for (const listener of [...this.#moved]) listener();
  }
}
