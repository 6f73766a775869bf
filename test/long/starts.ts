// Three nodes join a server that has just been started, all at once: on the oldest nats-server there is.
import { setTimeout as pause } from 'node:timers/promises';
import { type NatsNode, natsNode } from '../../src/cluster/node.ts';
import { createTroupe } from '../../src/troupe.ts';
import { startNats } from '../nats.ts';
import { natsBinaries } from '../nats-binaries.ts';
import { random } from '../random.ts';
import type { Suite } from './suite.ts';

const NODES = 3;
const [oldest] = natsBinaries();

export const starts: Suite = {
  name: 'starts',
  patience: 30_000,
  ...(!oldest && { without: 'there is no nats-server' }),
  async round(seed) {
    const chance = random(seed);
    const server = await startNats({ jetstream: true, binary: oldest });
    const nodes: NatsNode[] = [];
    const start = async (late: number) => {
      await pause(late);
      const node = await natsNode({ url: server.url, shards: 16 });
      nodes.push(node);
      const { journal, transport, cluster } = node;
      return createTroupe({ agents: [], journal, transport, cluster });
    };
    try {
      const troupes = await Promise.all(Array.from({ length: NODES }, () => start(chance.below(5))));
      // Each knows all of them.
      while (troupes.some((troupe) => troupe.cluster!.members.live().length < NODES)) await pause(10);
      await Promise.all(troupes.map((troupe) => troupe.close()));
      return { counts: { starts: 1, nodes: NODES } };
    } finally {
      await Promise.all(nodes.map((node) => node.close()));
      await server.stop();
    }
  },
};
