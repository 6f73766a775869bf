// The service and its NATS port: open where it was asked to be, out of the way of a nats-server otherwise.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { loadConfig } from '../src/config/config.ts';
import { connectNats } from '../src/nats/connect.ts';
import { silent } from '../src/platform/log.ts';
import { type ServeOptions, serve } from '../src/serve.ts';
import { natsTransport } from '../src/transport/nats.ts';

async function start(env: Record<string, string> = {}) {
  const said: string[] = [];
  const log = { ...silent, info: (_: object, message: string) => said.push(message) } as unknown as ServeOptions['log'];
  const config = await loadConfig({ env: { HTTP_PORT: '0', DATABASE_URL: 'memory:', ...env }, cwd: '/' });
  const agents = [{ id: 'echo', triggers: ['say'], run: (text: string) => `you said ${text}` }];
  const service = await serve({ ...config, troupe: { ...config.troupe, agents } }, { log, signals: false });
  onTestFinished(() => service.close());
  return { service, said };
}

test('NATS_PORT=0 takes any free port, on which a session can be talked to', async () => {
  const { service } = await start({ NATS_PORT: '0' });
  expect(service.nats_url).toMatch(/^nats:\/\/127\.0\.0\.1:\d+$/);
  const connection = await connectNats({ servers: service.nats_url! });
  const client = natsTransport(connection);
  const { data } = await client.request('troupe.default.session.s1.message', '{"content":"say hi"}');
  expect(JSON.parse(new TextDecoder().decode(data))).toMatchObject({ status: 'done', answer: 'you said say hi' });
  await connection.close();
});

test('NATS_PORT=off opens none', async () => {
  const { service } = await start({ NATS_PORT: 'off' });
  expect(service.nats_url).toBeUndefined();
});

test('a port that was asked for and is in use is refused in a sentence', async () => {
  const { service } = await start({ NATS_PORT: '0' });
  const taken = new URL(service.nats_url!).port;
  await expect(start({ NATS_PORT: taken })).rejects.toMatchObject({
    code: 'port_in_use',
    message: `127.0.0.1:${taken} is in use; choose another NATS_PORT, or 0`,
  });
});

test('when nobody asked and 4222 is in use it starts without, and says so', async () => {
  await occupied(4222);
  const { service, said } = await start();
  expect(service.nats_url).toBeUndefined();
  expect(said).toContainEqual(expect.stringMatching(/^127\.0\.0\.1:4222 is in use, so no NATS port is opened/));
});

test.each(['-1', '65536', 'on'])('NATS_PORT=%s is no port', async (NATS_PORT) => {
  await expect(loadConfig({ env: { NATS_PORT }, cwd: '/' })).rejects.toThrow('NATS_PORT: must be a port: 0 to 65535');
});

/** Takes the port, or finds it taken for good; other tests' services have it for moments. */
async function occupied(port: number): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    const holder = createServer().listen(port, '127.0.0.1');
    const taken = await once(holder, 'listening').then(
      () => true,
      () => false,
    );
    if (taken) {
      onTestFinished(() => void holder.close());
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
