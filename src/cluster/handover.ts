// Handing shards over: a node ends its answers, and tells the others which sessions it still works for until then.

import { type Key, keyName } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import type { Log } from '../platform/log.ts';
import type { Subscription, Transport } from '../transport/transport.ts';
import { Held } from './held.ts';

/** A session in memory, as far as it matters for handing it over. */
export interface Resident {
  readonly key: Key;
  readonly working: boolean;
  readonly stopped: boolean;
}

/** What happens to the sessions of a shard. */
export interface ShardHost {
  /** Wakes what the shard's sessions owe, but for those that another node still holds. */
  recover(shard: number, signal: AbortSignal, held: (key: Key) => boolean): Promise<void>;
  /** Wakes sessions, by name, that another node held until now. */
  wake(names: readonly string[]): Promise<void>;
  /** The sessions of the shard that are at work; those that wait for a person or a timer are not. */
  working(shard: number): readonly Resident[];
  /** Stops the shard's sessions at once, but for these, by name. */
  drop(shard: number, except: ReadonlySet<string>): void;
  /** This node cannot reach the others, and owns nothing until `back` is told. */
  away(): void;
  back(): void;
}

/** What a node says of a shard: its part's state, and the sessions it still works for, as `tenant/session`. */
interface ShardState {
  readonly node: string;
  /** Counts what the node says: a reply may be looked at after what was said later. */
  readonly n: number;
  readonly state: string;
  readonly held: readonly string[];
}

/** This node's shards, as far as handing them over needs them. */
export interface Shards {
  state(shard: number): string;
  /** That node takes no more events for the shard, but for the sessions it holds. */
  free(shard: number, node: string): void;
  changed(): void;
}

export interface HandoverOptions {
  readonly id: string;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly log: Log;
}

/** A node that leaves waits for so much longer than its answers may take, ms; and so long others wait for what it holds. */
export const MARGIN = 2_000;
/** Between two looks whether an answer has ended, ms. */
const GLANCE = 10;
/** Between two tries to wake what was handed over, ms. */
const RETRY = 500;

const stateSubject = (node: string): string => `troupe.node.${node}.shard`;
export const freeSubject = (shard: number | '*'): string => `troupe.shard.${shard}.free`;

export class Handover {
  readonly #options: HandoverOptions;
  readonly #host: ShardHost;
  readonly #shards: Shards;
  readonly #held = new Held();
  /** The newest that each node said of each shard. */
  readonly #latest = new Map<string, number>();
  #said: number;
  #stopped = false;
  #subscribed: readonly Subscription[] = [];

  constructor(options: HandoverOptions, host: ShardHost, shards: Shards) {
    this.#options = options;
    this.#host = host;
    this.#shards = shards;
    // A node that was started again under the same name does not begin anew.
    this.#said = options.clock.now();
  }

  /** Hears what the others hand over, and answers what they ask. */
  join(): void {
    const { id, transport } = this.#options;
    this.#subscribed = [
      transport.subscribe(freeSubject('*'), ({ subject, data }) => this.#heard(Number(subject.split('.')[2]), data)),
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

  /** The node that still works for a session, though its shard may be another's. */
  holder(shard: number, key: Key): string | undefined {
    return this.#held.by(shard, key);
  }

  /** Ends the answers of a shard's sessions. All the others may be taken at once. */
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

  /** From now on this node works for no other session of the shard, and says so. */
  hold(shard: number, sessions: readonly Resident[]): void {
    const { id, clock, transport } = this.#options;
    const names = sessions.map(({ key }) => keyName(key));
    this.#held.note(shard, id, names, clock.now());
    this.#host.drop(shard, new Set(names));
    transport.publish(freeSubject(shard), this.#state(shard, names.length > 0 ? 'releasing' : 'unowned'));
    this.#shards.changed();
  }

  /** It may have said so before this node listened. */
  ask(node: string, shard: number): void {
    this.#options.transport.request(stateSubject(node), String(shard), { timeout: 1_000 }).then(
      ({ data }) => this.#heard(shard, data),
      () => {},
    );
  }

  /** What nodes hold that are gone goes on here or elsewhere. */
  forget(live: ReadonlySet<string>): void {
    for (const { shard, node } of this.#held.all()) if (!live.has(node)) this.#note(shard, node, []);
  }

  /** Takes back what was held for longer than `longest` ms, and asks again of the rest: it may have been told in vain. */
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
    this.#said += 1;
    const told: ShardState = { node: id, n: this.#said, state, held: this.#held.of(shard, id) };
    return JSON.stringify(told);
  }

  /** How a shard stands on another node. */
  #heard(shard: number, data: Uint8Array): void {
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

  /** What was handed over goes on here, if this node has the shard. */
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
