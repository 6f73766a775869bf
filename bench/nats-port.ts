// What the loopback port costs beside nats-server: request and reply between two connections, with the same client.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { connectNats } from '../src/nats/connect.ts';
import { natsPort } from '../src/nats/port.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import { startNats } from '../test/nats.ts';
import { natsBinary } from '../test/nats-binaries.ts';
import { median, perOperation } from './measure.ts';

const IN_FLIGHT = [1, 64, 512] as const;
const REQUESTS = 20_000;
const ROUNDS = 5;
const PAYLOAD = 'x'.repeat(100);
const SELF = fileURLToPath(import.meta.url);

interface Peer {
  readonly name: string;
  readonly url: string;
  stop(): Promise<unknown>;
}

if (process.argv[2] === 'serve') await serve();
else await compare();

/** The port has a process of its own, as nats-server has. */
async function serve(): Promise<void> {
  const { url } = await natsPort(memoryTransport());
  process.send!(url);
  process.on('disconnect', () => process.exit());
}

async function compare(): Promise<void> {
  const peers = [await portPeer(), ...(natsBinary('2.9.0') ? [await serverPeer()] : [])];
  if (peers.length === 1) console.log('There is no nats-server on the path to compare with.');
  const benches = await Promise.all(peers.map(async (peer) => ({ peer, run: await requester(peer.url) })));
  for (const inFlight of IN_FLIGHT) {
    const count = inFlight === 1 ? REQUESTS / 10 : REQUESTS;
    const times = new Map<Peer, number[]>(peers.map((peer) => [peer, []]));
    // In turn, so that whatever the machine does besides meets both; the first round only warms up.
    for (let round = 0; round <= ROUNDS; round += 1)
      for (const { peer, run } of benches) {
        const micros = await perOperation(count, () => run(count, inFlight));
        if (round > 0) times.get(peer)!.push(micros);
      }
    const figures = peers.map((peer) => {
      const micros = median(times.get(peer)!);
      return `${peer.name} ${Math.round(1e6 / micros).toLocaleString('en')}/s (${(micros * inFlight).toFixed(0)} µs each)`;
    });
    console.log(`request and reply, ${inFlight} in flight: ${figures.join(', ')}`);
  }
  await Promise.all(peers.map((peer) => peer.stop()));
  process.exit();
}

async function portPeer(): Promise<Peer> {
  const child: ChildProcess = spawn(process.execPath, [SELF, 'serve'], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [url] = (await once(child, 'message')) as [string];
  const stop = async () => {
    child.kill();
    await once(child, 'exit');
  };
  return { name: 'port', url, stop };
}

async function serverPeer(): Promise<Peer> {
  const server = await startNats();
  return { name: `nats-server ${server.version}`, url: server.url, stop: () => server.stop() };
}

/** Two connections: one answers, the other asks. */
async function requester(servers: string): Promise<(count: number, inFlight: number) => Promise<unknown>> {
  const [asks, answers] = await Promise.all([0, 1].map(async () => natsTransport(await connectNats({ servers }))));
  answers!.subscribe('echo', ({ data, reply }) => answers!.publish(reply!, data), { queue: 'servers' });
  await answers!.flush();
  return (count, inFlight) => {
    let left = count;
    const ask = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        await asks!.request('echo', PAYLOAD);
      }
    };
    return Promise.all(Array.from({ length: inFlight }, ask));
  };
}
