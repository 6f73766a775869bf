// What happens to the nodes: killed, or frozen for longer than the others wait, one after the other, by chance.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../testing/random.ts';
import type { Ledger } from './ledger.ts';
import type { Node } from './nodes.ts';
import type { Takeovers } from './takeovers.ts';

export interface Struck {
  readonly node: Node;
  readonly random: Random;
  readonly ledger: Ledger;
  readonly takeovers: Takeovers;
}

/** Longer than the silence after which the others take a node for dead. */
const FROZEN = 4_500;
/** Sessions of a frozen node that are taken over before it wakes up. */
const SEIZED = 3;

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
