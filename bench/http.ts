// What HTTP costs: turns beside a constant from the same server, and a streamed answer beside a bare pipe.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createPlain, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer } from '../src/interfaces/http/server.ts';
import { createTroupe } from '../src/troupe.ts';
import { type Figure, sideBySide } from './measure.ts';
import { bareTurns, benchTroupe, sqlite } from './turns.ts';

const CONNECTIONS = 64;
const SECONDS = 3;

async function load(url: string, path: string): Promise<number> {
  const script = new URL('./load.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [script, url, path, String(CONNECTIONS), String(SECONDS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (piece) => {
    out += piece;
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the load ended with ${code}`);
  return JSON.parse(out).perSecond;
}

export async function http(): Promise<Figure> {
  const troupe = await benchTroupe(sqlite());
  const server = await createServer(troupe);
  // The same body, so that both sides pay for its JSON and its bytes.
  const constant = await troupe.session('constant').send('hello there, where is my order 4711?');
  server.post('/constant/:id', async () => constant);
  // What would be left if everything but the chart were free: the same constant after two bare XState sends.
  const bare = bareTurns();
  server.post('/ceiling/:id', async () => {
    bare(1);
    return constant;
  });
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  await load(url, '/v1/sessions/{n}/messages');
  const { ours, floor } = await sideBySide(
    5,
    () => load(url, '/v1/sessions/{n}/messages'),
    () => load(url, '/constant/{n}'),
  );
  const ceiling = (await load(url, '/ceiling/{n}')) / floor;
  await server.close();
  await troupe.close();
  return {
    name: `turns over HTTP on SQLite, ${CONNECTIONS} connections, beside the same Fastify answering a constant`,
    ours,
    floor,
    unit: 'requests/s',
    ratio: ours / floor,
    target: '≥ 0.4',
    holds: ours / floor >= 0.4,
    cost: `the turn: the chart and SQLite a fifth each, collecting garbage an eighth; with two bare XState sends and nothing else before the constant the ratio is ${ceiling.toFixed(2)}`,
  };
}

const WORDS = 20_000;
const WORD = 'word ';

/** Reads a stream until it has seen `mark`; resolves to microseconds per word from the first byte on. */
function readUntil(url: string, headers: Record<string, string>, mark: string, started: () => void): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, (response) => {
      let began = 0n;
      let tail = '';
      response.on('data', (piece: Buffer) => {
        began ||= process.hrtime.bigint();
        tail = (tail + piece.toString('latin1')).slice(-2_000);
        if (!tail.includes(mark)) return;
        response.destroy();
        resolve(Number(process.hrtime.bigint() - began) / 1_000 / WORDS);
      });
      response.on('error', reject);
      started();
    }).on('error', reject);
  });
}

/** A streaming agent's words to an SSE client, beside the same loop writing the same frames to a socket. */
export async function deltas(): Promise<Figure> {
  const breathe = () => new Promise((resolve) => setImmediate(resolve));
  const troupe = await createTroupe({
    journal: sqlite(),
    agents: [
      {
        id: 'talker',
        async *run() {
          for (let word = 0; word < WORDS; word += 1) {
            yield WORD;
            if (word % 64 === 63) await breathe();
          }
        },
      },
    ],
  });
  const server = await createServer(troupe);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  const plain = createPlain(async (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    for (let word = 0; word < WORDS; word += 1) {
      const data = { run_id: 's-r1', attempt: 1, epoch: 0, offset: word * WORD.length, text: WORD };
      response.write(`event: agent_stream_delta\ndata: ${JSON.stringify(data)}\n\n`);
      if (word % 64 === 63) await breathe();
    }
    response.end('event: end\ndata: {}\n\n');
  }).listen(0, '127.0.0.1');
  await once(plain, 'listening');
  const pipe = `http://127.0.0.1:${(plain.address() as AddressInfo).port}/`;
  let count = 0;
  const ours = () => {
    count += 1;
    const session = troupe.session(`talk-${count}`);
    return session.send('warm up', { agent_id: 'talker' }).then(({ state }) =>
      readUntil(`${url}/v1/sessions/${session.id}/events?after=${state.entry}`, {}, 'event: run_done', () => {
        void session.send('go', { agent_id: 'talker' });
      }),
    );
  };
  const floor = () => readUntil(pipe, {}, 'event: end', () => {});
  await ours();
  const result = await sideBySide(7, ours, floor);
  plain.close();
  await server.close();
  await troupe.close();
  return {
    name: `words of a streaming agent to an SSE client (${WORDS.toLocaleString('en')} of them), beside the bare pipe`,
    ours: 1e6 / result.ours,
    floor: 1e6 / result.floor,
    unit: 'words/s',
    ratio: result.floor / result.ours,
    target: '≥ 0.3',
    holds: result.floor / result.ours >= 0.3,
    cost: 'per word: the fence, the open answer, one listener; words that come while the socket is busy are joined',
  };
}
