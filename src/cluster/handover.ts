// Handover of shards: the old owner finishes its answers, and announces until then which sessions it still holds.

import { type Key, keyName } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Subscription, Transport } from '../transport/transport.ts';
import { Held } from './held.ts';

/** A session in memory, with the properties that matter for a handover. */
export interface Resident {
  readonly key: Key;
  readonly working: boolean;
  readonly stopped: boolean;
}

/** The operations on the sessions of a shard. */
export interface ShardHost {
  /** Wakes the sessions of the shard that owe effects, except those that another node still holds. */
  recover(shard: number, signal: AbortSignal, held: (key: Key) => boolean): Promise<void>;
  /** Wakes sessions, by name, that another node has just released. */
  wake(names: readonly string[]): Promise<void>;
  /** The sessions of the shard that are at work; those that wait for a person or a timer are not. */
  working(shard: number): readonly Resident[];
  /** Stops the shard's sessions at once, except these, by name. */
  drop(shard: number, except: ReadonlySet<string>): void;
  /** This node has lost its lease, and owns nothing until `back` is called. */
  away(): void;
  back(): void;
}

/**
 * A node's announcement about a shard: the state of its shard chart, and the sessions that it still holds, as
 * `tenant/session`.
 */
interface ShardState {
  readonly node: string;
  /** Sequence number of the node's announcements: a reply may arrive after a later announcement. */
  readonly n: number;
  readonly state: string;
  readonly held: readonly string[];
}

/** This node's shards, as a handover needs them. */
export interface Shards {
  state(shard: number): string;
  /** That node accepts no more events for the shard, except for the sessions it holds. */
  free(shard: number, node: string): void;
  changed(): void;
}

export interface HandoverOptions {
  readonly id: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Time beyond the longest answer that a leaving node waits, ms, and for which others wait for the sessions it holds.
 */
export const MARGIN = 2_000;
/** Interval of checks whether an answer has ended, ms. */
const GLANCE = 10;
/** Back-off between two tries to wake sessions that were handed over, ms. */
const RETRY = 500;

const stateSubject = (node: string): string => `troupe.node.${node}.shard`;
export const freeSubject = (shard: number | '*'): string => `troupe.shard.${shard}.free`;

export class Handover {
  readonly #options: HandoverOptions;
  readonly #host: ShardHost;
  readonly #shards: Shards;
  readonly #held = new Held();
  /** The latest announcement number of each node and shard. */
  readonly #latest = new Map<string, number>();
  #announced: number;
  #stopped = false;
  #subscribed: readonly Subscription[] = [];

  constructor(options: HandoverOptions, host: ShardHost, shards: Shards) {
    this.#options = options;
    this.#host = host;
    this.#shards = shards;
    // Starts at the clock, so that a restarted node with the same name does not begin at 0.
    this.#announced = options.clock.now();
  }

  /** Subscribes to the other nodes' announcements, and to their requests for this node's state. */
  join(): void {
    const { id, transport } = this.#options;
    this.#subscribed = [
      transport.subscribe(freeSubject('*'), ({ subject, data }) => this.#receive(Number(subject.split('.')[2]), data)),
      transport.subscribe(stateSubject(id), ({ data, reply }) => {
        const shard = Number(new TextDecoder().decode(data));
        if (reply) transport.publish(reply, this.#state(shard, this.#shards.state(shard)));
      }),
    ];
  }

  stop(): void {
    this.#stopped = true;
    for (const subscription of this.#subscribed) subscription.unsubscribe();
  }

  /** The node that still holds a session, though its shard may be assigned to another one. */
  holder(shard: number, key: Key): string | undefined {
    return this.#held.by(shard, key);
  }

  /** Finishes the answers of a shard's sessions. All idle sessions are released at once. */
  async release(shard: number, signal: AbortSignal): Promise<void> {
    for (let held = this.#host.working(shard); ; ) {
      this.hold(shard, held);
      if (held.length === 0) return;
      const atWork = () => held.filter(({ working, stopped }) => working && !stopped);
      while (atWork().length === held.length) {
        await new Promise<void>((resolve) => this.#options.clock.setTimeout(resolve, GLANCE));
        if (signal.aborted) return;
      }
      held = atWork();
    }
  }

  /** Stops all other sessions of the shard on this node, and announces that. */
  hold(shard: number, sessions: readonly Resident[]): void {
    const { id, clock, transport } = this.#options;
    const names = sessions.map(({ key }) => keyName(key));
    this.#held.note(shard, id, names, clock.now());
    this.#host.drop(shard, new Set(names));
    transport.publish(freeSubject(shard), this.#state(shard, names.length > 0 ? 'releasing' : 'unowned'));
    this.#shards.changed();
  }

  /** Requests a node's state, because it may have announced it before this node subscribed. */
  ask(node: string, shard: number): void {
    this.#options.transport.request(stateSubject(node), String(shard), { timeout: 1_000 }).then(
      ({ data }) => this.#receive(shard, data),
      () => {},
    );
  }

  /** Drops the holdings of dead nodes; this node or another one continues those sessions. */
  forget(live: ReadonlySet<string>): void {
    for (const { shard, node } of this.#held.all()) if (!live.has(node)) this.#note(shard, node, []);
  }

  /**
   * Drops holdings that are older than `longest` ms, and requests the rest again: an announcement may have been lost.
   */
  review(longest: number): void {
    const { id, clock } = this.#options;
    for (const { shard, node, since } of this.#held.all()) {
      if (node === id) continue;
      if (clock.now() - since > longest) this.#note(shard, node, []);
      else this.ask(node, shard);
    }
  }

  #state(shard: number, state: string): string {
    const { id } = this.#options;
    this.#announced += 1;
    const announcement: ShardState = { node: id, n: this.#announced, state, held: this.#held.of(shard, id) };
    return JSON.stringify(announcement);
  }

  /** Takes in an announcement of another node. */
  #receive(shard: number, data: Uint8Array): void {
    const { node, n, state, held } = JSON.parse(new TextDecoder().decode(data)) as ShardState;
    const about = `${node}/${shard}`;
    if (node === this.#options.id || n < (this.#latest.get(about) ?? 0)) return;
    this.#latest.set(about, n);
    this.#note(shard, node, state === 'releasing' ? held : []);
    if (state === 'releasing' || state === 'unowned') this.#shards.free(shard, node);
  }

  #note(shard: number, node: string, names: readonly string[]): void {
    const freed = this.#held.note(shard, node, names, this.#options.clock.now());
    if (freed.length > 0) void this.#wake(shard, freed);
    this.#shards.changed();
  }

  /** Wakes released sessions on this node, if it owns the shard. */
  async #wake(shard: number, names: readonly string[]): Promise<void> {
    const { clock, log } = this.#options;
    while (/recovering|owned/.test(this.#shards.state(shard)) && !this.#stopped) {
      try {
        return await this.#host.wake(names);
      } catch (error) {
        log.warn({ err: error, shard }, 'sessions that were handed over could not be woken yet');
        await new Promise<void>((resolve) => clock.setTimeout(resolve, RETRY));
      }
    }
  }
}
