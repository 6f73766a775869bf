// What happens to the nodes and to their NATS servers: killed, or frozen for longer than the others wait, one after the other, by chance.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../testing/random.ts';
import type { Ledger } from './ledger.ts';
import type { NatsCluster } from './nats-cluster.ts';
import type { Node } from './nodes.ts';
import type { Takeovers } from './takeovers.ts';

export interface Struck {
  readonly node: Node;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly takeovers: Takeovers;
}

export interface ServerKill {
  readonly server: string;
  /** Whether it led the journal. */
  readonly leader: boolean;
  /** From the kill to the end of the first turn that began after it, ms; null when there was none for a minute. */
  readonly served_ms: number | null;
}

/** Longer than the silence after which the others take a node for dead. */
const FROZEN = 4_500;
/** Sessions of a frozen node that are taken over before it wakes up. */
const SEIZED = 3;
/** Longer than callers try, ms. */
const LONGEST = 60_000;

/** `kill -9`, and a new life a little later. */
export async function kill({ node, random, ledger }: Struck): Promise<void> {
  ledger.strike(node, 'SIGKILL');
  await node.kill();
  await pause(200 + random.below(800));
  await node.start();
}

/** Stands still until the others have taken its sessions, and wakes up as if it still had them. */
export async function freeze({ node, random, ledger, takeovers }: Struck): Promise<void> {
  ledger.strike(node, 'SIGSTOP');
  const seized = [...new Set(node.working.values())].slice(0, SEIZED);
  node.freeze();
  const awake = pause(FROZEN + random.below(1_500)).then(() => node.thaw());
  // What it was saying when it fell asleep it will want to go on saying.
  await Promise.all(seized.map((session) => takeovers.seize(session, () => awake.then(() => pause(700)))));
  await awake;
}

/**
 * `kill -9` of the server that leads the journal, or of another one. It stays dead until callers are served without it; then it
 * comes back, and catches up before the next blow: two of three that are behind would be more than is promised.
 */
export async function killServer(
  cluster: NatsCluster,
  ledger: Ledger,
  random: Random,
  which: 'leader' | 'other',
): Promise<ServerKill> {
  await cluster.whole();
  const leader = await cluster.leader();
  const server = which === 'leader' ? leader : random.pick(cluster.servers.filter((server) => server !== leader));
  const served = ledger.strikeServer();
  await server.kill();
  const served_ms = await Promise.race([served, pause(LONGEST, null, { ref: false })]);
  await pause(200 + random.below(800));
  await server.start();
  await cluster.whole();
  return { server: server.name, leader: server === leader, served_ms };
}
