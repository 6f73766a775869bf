// The assignment table: the owner of each shard, written by the oldest node, followed by all.
import type { KV } from '@nats-io/kv';
import { whileNobodyLeads } from '../nats/patience.ts';
import type { Log } from '../platform/log.ts';

/** One version of the table. */
export interface Assignment {
  /** Per shard: the node to which it is assigned. */
  readonly owner: readonly string[];
  /** Per shard: the previous owner, if it is alive and has to hand the shard over; else null. */
  readonly before: readonly (string | null)[];
}

const KEY = 'assignment';

/**
 * Assigns every shard to one of `nodes`, given the last table. `alive` are the nodes that can still hand a shard over:
 * a leaving node takes none and hands all over.
 */
export function assign(
  shards: number,
  nodes: readonly string[],
  last: Assignment | undefined,
  alive: readonly string[] = nodes,
): Assignment {
  const owner: string[] = [];
  const before: (string | null)[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const now = place(shard, nodes)!;
    const was = last?.owner[shard];
    owner.push(now);
    // Still in handover: the previous owner is the node that had the shard, not the one that never got it.
    const holder = was === now ? (last?.before[shard] ?? null) : (was ?? null);
    before.push(holder !== null && holder !== now && alive.includes(holder) ? holder : null);
  }
  return { owner, before };
}

export class Table {
  readonly #bucket: KV;
  readonly #log: Log;
  #revision = 0;
  #current: Assignment | undefined;
  #stop: (() => void) | undefined;

  constructor(bucket: KV, log: Log) {
    this.#bucket = bucket;
    this.#log = log;
  }

  get current(): Assignment | undefined {
    return this.#current;
  }

  /** Follows the table; resolves when its current version has been read. */
  async follow(changed: () => void): Promise<void> {
    const watch = await whileNobodyLeads(() => this.#bucket.watch({ key: KEY }));
    this.#stop = () => watch.stop();
    await whileNobodyLeads(() => this.refresh());
    void (async () => {
      for await (const { revision, value, operation } of watch)
        if (operation === 'PUT' && this.#take(revision, value)) changed();
    })().catch((error) => this.#log.warn({ err: error }, 'the watch of the assignment table ended'));
  }

  /** Reads the table from the server, because the last value of the watch may be stale. */
  async refresh(): Promise<void> {
    const entry = await this.#bucket.get(KEY);
    if (entry) this.#take(entry.revision, entry.value);
  }

  /** Writes the table for these nodes, if it differs. A write that loses the race (compare-and-set) is ignored. */
  async write(shards: number, nodes: readonly string[], alive = nodes): Promise<void> {
    const next = assign(shards, nodes, this.#current, alive);
    if (JSON.stringify(next) === JSON.stringify(this.#current)) return;
    const value = JSON.stringify(next);
    try {
      const revision =
        this.#revision === 0
          ? await this.#bucket.create(KEY, value)
          : await this.#bucket.update(KEY, value, this.#revision);
      this.#log.info({ revision, nodes }, 'shards are assigned anew');
    } catch (error) {
      this.#log.debug({ err: error }, 'another node wrote the assignment table');
    }
  }

  stop(): void {
    this.#stop?.();
  }

  #take(revision: number, value: Uint8Array): boolean {
    if (revision <= this.#revision) return false;
    this.#revision = revision;
    this.#current = JSON.parse(new TextDecoder().decode(value));
    return true;
  }
}

/**
 * Rendezvous hashing: each shard goes to the node with the highest score for it, so that a joining or leaving node
 * moves only its own shards. Undefined when there is no node.
 */
export function place(shard: number, nodes: readonly string[]): string | undefined {
  let best: string | undefined;
  let highest = -1;
  for (const node of nodes) {
    const score = hash(`${node}#${shard}`);
    if (score > highest || (score === highest && node < best!)) {
      highest = score;
      best = node;
    }
  }
  return best;
}

/**
 * FNV-1a, 32 bits, mixed once more: its last bits alone distribute badly for names that differ in their last letter.
 */
function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    state ^= text.charCodeAt(index);
    state = Math.imul(state, 0x01000193);
  }
  state ^= state >>> 16;
  state = Math.imul(state, 0x7feb352d);
  state ^= state >>> 15;
  return state >>> 0;
}
