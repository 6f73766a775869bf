// This node in the cluster: the shards that it owns, and the owner of every other shard.
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
  /** Reads the row of each session of a shard, the first step of taking it over. */
  readonly scan: (shard: number) => Promise<Row[]>;
}

/** How long a request waits for the owner of a shard in handover, ms: longer than a handover takes. */
const PATIENCE = 15_000;
/** Interval of reviews of the table, ms: a write may have lost a race, or its server may have been down. */
const REVIEW = 1_000;
/**
 * How long requests wait for a node that has just lost its lease, ms: if it can rejoin at all, it does so within this
 * time.
 */
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
  /** From losing the lease until the table has been read again, because the cached table is stale. */
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
      changed: () => this.#notify(),
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
        this.#notify();
        // The table may have assigned the shard to this node again during its handover.
        if (value === 'unowned') queueMicrotask(() => this.#apply());
      });
      return actor.start();
    });
  }

  /** Joins the cluster; resolves when this node has read the assignment of every shard. */
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
      this.#notify();
    });
    this.members.onBack(() => void this.#return());
    this.#apply();
    this.#review();
  }

  /** Gives up all shards; resolves when other nodes own them, or no node is left to take them. */
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
    // The other nodes may leave as well.
    const free = () => this.#stopped || this.members.takers().length === 0 || handedOver();
    if (!(await this.#until(free, this.#limits.release_ms + MARGIN)))
      this.#options.log.warn(this.view(), 'left without having handed over every shard');
  }

  /** Stops, and deletes this node's presence, so that the others notice at once. */
  async leave(): Promise<void> {
    this.stop();
    await this.members.leave();
  }

  /** Stops without notifying the others, as a killed process does. */
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

  /**
   * The node to which the table assigns the session, or the one that still finishes an answer for it during a handover.
   */
  assigned(key: Key): string | undefined {
    const shard = this.shardOf(key);
    return this.#handover.holder(shard, key) ?? this.#table.current?.owner[shard];
  }

  /** Whether this node owns the session and accepts events for it. */
  owns(key: Key): boolean {
    const shard = this.shardOf(key);
    if (this.away) return false;
    const state = this.#stateOf(shard);
    const holder = this.#handover.holder(shard, key);
    return state === 'owned' ? holder === undefined : state === 'releasing' && holder === this.id;
  }

  /** Whether the cluster has stopped here: other nodes must answer its open requests. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** Whether this node owns nothing because its lease has expired: it could not reach the others for too long. */
  get away(): boolean {
    return this.#out || this.members.away;
  }

  /**
   * The node that owns the session: this one once its shard is recovered, another one as the table says. Rejects with
   * `Refused('no_owner')`, 503, when no owner is found in time, this node reaches no other node, or it has stopped.
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
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const done = () => {
        clock.clearTimeout(timer);
        this.#moved.delete(done);
        resolve();
      };
      const timer = clock.setTimeout(done, ms);
      this.#moved.add(done);
    });
  }

  /** Subscribes to changes of the table, of the nodes and of shards here. Returns the function that unsubscribes. */
  onChange(listener: () => void): () => void {
    this.#moved.add(listener);
    return () => void this.#moved.delete(listener);
  }

  /** The shards as this node sees them, for operators. */
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

  /** Whether this node has been away for longer than rejoining takes. */
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

  /** Writes the table when this node is the oldest; all others wait for its write. */
  #rebalance(): void {
    const live = this.members.live();
    const takers = this.members.takers();
    if (live[0] === this.id && !this.away) void this.#table.write(this.shards, takers.length > 0 ? takers : live, live);
    // The node that was to hand a shard over may just have died.
    this.#apply();
  }

  #review(): void {
    this.#rebalance();
    // The message that a session was handed over may have been lost, too.
    this.#handover.review(this.#limits.release_ms + MARGIN);
    // The message of a change may have been lost during a break of the connection.
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

  /** Reads the table before this node owns anything again: other nodes may have taken its shards over. */
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
      // A node that the table does not name as the previous owner was declared dead, and its shard already has a new
      // owner.
      if (!mine && value !== 'unowned') actor.send({ type: before === this.id ? 'unassigned' : 'lost' });
      if (!mine || actor.getSnapshot().value !== 'claiming') return;
      if (!before || !live.has(before)) actor.send({ type: 'free' });
      else this.#handover.ask(before, shard);
    });
    this.#notify();
  }

  #stateOf(shard: number): string {
    return String(this.#actors[shard]?.getSnapshot().value);
  }

  #notify(): void {
    for (const listener of [...this.#moved]) listener();
  }
}
