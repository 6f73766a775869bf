// The example agents on NATS, each a process of its own, on the loopback port and on a nats-server.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { connectNats } from '../src/nats/connect.ts';
import { natsPort } from '../src/nats/port.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import type { Transport } from '../src/transport/transport.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';
import { startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

interface Language {
  readonly name: string;
  readonly program: string;
  readonly file: string;
  readonly streams: boolean;
  /** It says that it is there, so nobody needs to declare it. */
  readonly heartbeats: boolean;
}

const LANGUAGES: Language[] = [
  { name: 'Node', program: process.execPath, file: 'nats-agent.js', streams: true, heartbeats: true },
  { name: 'Python', program: 'python3', file: 'nats-agent.py', streams: true, heartbeats: true },
  { name: 'bash', program: 'bash', file: 'nats-agent.sh', streams: false, heartbeats: false },
];

interface Bus {
  readonly transport: Transport;
  readonly url: string;
}

async function loopbackPort(): Promise<Bus> {
  const transport = memoryTransport();
  const { url, close } = await natsPort(transport);
  onTestFinished(close);
  return { transport, url };
}

async function natsServer(): Promise<Bus> {
  const server = await startNats();
  const connection = await connectNats({ servers: server.url });
  onTestFinished(async () => {
    await connection.close();
    await server.stop();
  });
  return { transport: natsTransport(connection), url: server.url };
}

async function troupeOn(transport: Transport): Promise<Troupe> {
  const troupe = await createTroupe({
    transport,
    settings: { attempts: 1, attempt_ms: 5_000 },
    agents: [{ id: 'order-status', kind: 'nats', triggers: ['order'] }],
  });
  onTestFinished(() => troupe.close());
  return troupe;
}

/** Resolves when the agent says that it listens. */
async function start({ program, file }: Language, ...args: string[]): Promise<ChildProcess> {
  const child = spawn(program, [fileURLToPath(new URL(`../examples/agents/${file}`, import.meta.url)), ...args]);
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stderr.on('data', (chunk) => {
    said += chunk;
  });
  const exit = once(child, 'exit').then(() => {
    throw new Error(`${file} ended: ${said}`);
  });
  const [line] = await Promise.race([once(child.stdout, 'data'), exit]);
  exit.catch(() => {});
  expect(String(line)).toMatch(/^\S+ listens at nats:/);
  return child;
}

const isThere = ({ program }: Language): boolean => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;

const BUSES = [
  { bus: 'the loopback port', open: loopbackPort, there: true },
  { bus: 'nats-server', open: natsServer, there: natsBinary('2.9.0') !== undefined },
];
const noted = (name: string, there: boolean): string => (there ? name : `${name} (skipped: there is none)`);

for (const { bus, open, there } of BUSES)
  describe.skipIf(!there)(noted(`on ${bus}`, there), () => {
    for (const language of LANGUAGES)
      describe.skipIf(!isThere(language))(noted(`the agent in ${language.name}`, isThere(language)), () => {
        test('answers who asks for an order, and leaves nobody waiting when it is killed', async () => {
          const { transport, url } = await open();
          const troupe = await troupeOn(transport);
          const agent = await start(language, url, 'order-status');
          const pieces: string[] = [];
          const session = troupe.session('s1');
          for await (const event of session.stream('wo bleibt meine order 1234? "größer" \\ 🎭')) {
            if (event.type === 'message_chunk') pieces.push(event.text);
          }
          expect((await session.history()).map(({ content }) => content).at(-1)).toBe(
            'Your order 1234 is with the courier.',
          );
          if (language.streams) expect(pieces.join('')).toBe('Your order 1234 is with the courier.');
          expect((await session.send('an order, please')).answer).toBe('What is the number of your order?');

          agent.kill('SIGKILL');
          await once(agent, 'exit');
          // The bus learns of it a moment after we do; what it hands to the dead until then only times out.
          const next = async () => (await session.send('order 1234')).error?.code;
          await expect.poll(next, { timeout: 30_000 }).toMatch(/^(no_responders|no_agent_available)$/);
        });

        if (language.heartbeats)
          test('is there as soon as it starts', async () => {
            const { transport, url } = await open();
            const troupe = await troupeOn(transport);
            await start(language, url, 'parcels');
            await expect.poll(() => troupe.pool.get('default', 'parcels')).toBeDefined();
            const { answer } = await troupe.session('s1').send('where is 77?', { agent_id: 'parcels' });
            expect(answer).toBe('Your order 77 is with the courier.');
          });
      });

    test('agents in different languages share the work', async () => {
      const { transport, url } = await open();
      const troupe = await troupeOn(transport);
      const there = LANGUAGES.filter(isThere);
      await Promise.all(there.map((language) => start(language, url, 'order-status')));
      const outcomes = await Promise.all(
        Array.from({ length: 30 }, (_, i) => troupe.session(`s${i}`).send(`order ${i}`)),
      );
      expect(outcomes.map(({ answer }) => answer)).toEqual(
        outcomes.map((_, i) => `Your order ${i} is with the courier.`),
      );
    });
  });
