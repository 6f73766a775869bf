// The proof of failover, with blows, callers and sessions that are drawn.
import { holds, proveFailover } from '../../src/prove/failover.ts';
import { natsBinaries, natsBinary } from '../nats-binaries.ts';
import { random } from '../random.ts';
import type { Suite } from './suite.ts';

export const kills: Suite = {
  name: 'kills',
  patience: 300_000,
  ...(natsBinaries().length === 0 && { without: 'there is no nats-server' }),
  async round(seed) {
    const chance = random(seed);
    const proof = await proveFailover(
      {
        nodes: 3,
        kills: 2 + chance.below(3),
        // Servers of a cluster die as well in every third round.
        nats_kills: chance.below(3) === 0 && natsBinary('2.10.27') ? 1 : 0,
        sessions: 20 + chance.below(200),
        callers: 4 + chance.below(8),
        seed,
      },
      { struck() {}, reading() {}, read() {} },
    );
    const { blows, servers, acknowledged, lost, duplicated, disordered, refused, failed, spoken } = proof;
    const broken = { lost, duplicated, disordered, refused, failed };
    return {
      counts: {
        kills: blows.SIGKILL,
        freezes: blows.SIGSTOP,
        'NATS servers killed': servers.length,
        acknowledged,
        ...Object.fromEntries(Object.entries(broken).map(([name, what]) => [name, what.length])),
        'spoken after a takeover': spoken,
      },
      // How soon a server of NATS is replaced depends on the machine; what was promised to callers does not.
      ...(!holds({ ...proof, servers: [] }) && { failure: JSON.stringify({ acknowledged, ...broken, spoken }) }),
    };
  },
};
