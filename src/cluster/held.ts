// Handover ledger: the sessions that an old owner still runs while its shard moves to another node.
import { type Key, keyName } from '../journal/journal.ts';

interface Holding {
  readonly names: ReadonlySet<string>;
  /** Time of the first announcement, ms since the epoch. */
  readonly since: number;
}

export class Held {
  /** Per shard and node. Nearly always empty. */
  readonly #shards = new Map<number, Map<string, Holding>>();

  /** Records that a node holds these sessions of a shard, and no others. Returns those that it has released since. */
  note(shard: number, node: string, names: readonly string[], now: number): string[] {
    const nodes = this.#shards.get(shard) ?? new Map<string, Holding>();
    const before = nodes.get(node);
    nodes.delete(node);
    if (names.length > 0) nodes.set(node, { names: new Set(names), since: before?.since ?? now });
    if (nodes.size > 0) this.#shards.set(shard, nodes);
    else this.#shards.delete(shard);
    return before ? [...before.names].filter((name) => !names.includes(name)) : [];
  }

  /** The node that still holds a session. */
  by(shard: number, key: Key): string | undefined {
    const nodes = this.#shards.get(shard);
    if (!nodes) return undefined;
    const name = keyName(key);
    for (const [node, { names }] of nodes) if (names.has(name)) return node;
    return undefined;
  }

  /** The sessions of a shard that a node holds. */
  of(shard: number, node: string): string[] {
    return [...(this.#shards.get(shard)?.get(node)?.names ?? [])];
  }

  /** Every shard and node with held sessions, and since when. */
  all(): { shard: number; node: string; since: number }[] {
    return [...this.#shards].flatMap(([shard, nodes]) =>
      [...nodes].map(([node, { since }]) => ({ shard, node, since })),
    );
  }
}
