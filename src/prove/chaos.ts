// Faults for nodes and NATS servers: kills, and freezes longer than the lease of a node, one after the other at random.
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
  /** Whether it led the journal's stream. */
  readonly leader: boolean;
  /** From the kill to the end of the first turn that began after it, ms; null if there was none within a minute. */
  readonly served_ms: number | null;
}

/** Longer than the silence after which other nodes declare a node dead, ms. */
const FROZEN = 4_500;
/** Sessions of a frozen node that are taken over before it thaws. */
const SEIZED = 3;
/** Longer than callers retry, ms. */
const LONGEST = 60_000;

/** Kills a node with SIGKILL and restarts it a little later. */
export async function kill({ node, random, ledger }: Struck): Promise<void> {
  ledger.strike(node, 'SIGKILL');
  await node.kill();
  await pause(200 + random.below(800));
  await node.start();
}

/** Freezes a node until the others have taken over its sessions; it thaws as a zombie that believes it still owns them. */
export async function freeze({ node, random, ledger, takeovers }: Struck): Promise<void> {
  ledger.strike(node, 'SIGSTOP');
  const seized = [...new Set(node.working.values())].slice(0, SEIZED);
  node.freeze();
  const awake = pause(FROZEN + random.below(1_500)).then(() => node.thaw());
  // The thawed node tries to continue these answers; the takeovers watch for their deltas.
  await Promise.all(seized.map((session) => takeovers.seize(session, () => awake.then(() => pause(700)))));
  await awake;
}

/**
 * Kills with SIGKILL the server that leads the journal, or another one. It stays down until callers are served without it; then
 * it restarts and catches up before the next fault, because three replicas tolerate only one loss.
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
