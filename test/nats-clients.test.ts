// A client that is not ours, in another language, on the NATS port and on nats-server: Debian's C client.

import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { connectNats } from '../src/nats/connect.ts';
import { natsPort } from '../src/nats/port.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import type { Transport } from '../src/transport/transport.ts';
import { startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'nats-clients-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The compiled client, or undefined where there is no compiler or no library. */
function compiled(): string | undefined {
  const source = fileURLToPath(new URL('clients/nats.c', import.meta.url));
  const program = join(directory, 'client');
  const { status } = spawnSync('cc', ['-Wall', '-o', program, source, '-lnats'], { stdio: 'ignore' });
  return status === 0 ? program : undefined;
}

const SAID = `answer: hello for ann
nobody: no responders
told: news.one 1
told: news.two 2
inside: pong
`;

async function says(program: string, url: string, inside: Transport): Promise<string> {
  inside.subscribe('from.inside', ({ reply }) => inside.publish(reply!, 'pong'));
  await inside.flush();
  return (await run(program, [url])).stdout;
}

const program = compiled();

describe.skipIf(!program)('the C client (skipped without cc and libnats: apt-get install gcc libnats-dev)', () => {
  test('asks, answers, watches and hears that nobody is there, on the port', async () => {
    const transport = memoryTransport();
    const port = await natsPort(transport);
    expect(await says(program!, port.url, transport)).toBe(SAID);
    await port.close();
  });

  test.skipIf(!natsBinary('2.9.0'))('does the same on nats-server (skipped where there is none)', async () => {
    const server = await startNats();
    const connection = await connectNats({ servers: server.url });
    expect(await says(program!, server.url, natsTransport(connection))).toBe(SAID);
    await connection.close();
    await server.stop();
  });
});
