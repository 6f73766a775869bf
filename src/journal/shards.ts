// The shard of a session: the unit in which a cluster distributes its sessions over nodes.

import { type Key, keyName } from './journal.ts';

/**
 * The shard of a session, from 0 up to, not including, `shards`. The same in every process and version: FNV-1a of its
 * name.
 */
export function shardOf(key: Key, shards: number): number {
  let hash = 0x811c9dc5;
  for (const character of keyName(key)) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
  return (hash >>> 0) % shards;
}
