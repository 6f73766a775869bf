// The transport over a real nats-server keeps the promises of every transport, and what only a server can break.

import { createServer, type Server } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectNats, type NatsOptions } from '../src/nats/connect.ts';
import { Denied } from '../src/nats/replies.ts';
import { MessageTooLarge, natsTransport } from '../src/transport/nats.ts';
import { RequestTimeout } from '../src/transport/transport.ts';
import { type NatsServer, startNats } from './nats.ts';
import { transportConformance } from './transport.ts';

let server: NatsServer;
const connections: NatsConnection[] = [];
beforeAll(async () => {
  server = await startNats();
});
afterEach(async () => {
  await Promise.all(connections.splice(0).map((connection) => connection.close()));
});
afterAll(() => server.stop());

async function connect(options: Partial<NatsOptions> = {}): Promise<NatsConnection> {
  const connection = await connectNats({ servers: server.url, ...options });
  connections.push(connection);
  return connection;
}

transportConformance('nats', async (onError) => natsTransport(await connect(), { onError }));

describe('a NATS transport', () => {
  test('the connection outlives it', async () => {
    const connection = await connect();
    await natsTransport(connection).close();
    const next = natsTransport(connection);
    const heard: string[] = [];
    next.subscribe('a', ({ subject }) => heard.push(subject));
    next.publish('a', '');
    await next.flush();
    expect(heard).toEqual(['a']);
    await next.close();
  });

  test('two of them on two connections hear each other; a queue group spans them', async () => {
    const [one, two] = [natsTransport(await connect()), natsTransport(await connect())];
    const heard = { one: 0, two: 0 };
    one.subscribe('work', () => heard.one++, { queue: 'workers' });
    two.subscribe('work', () => heard.two++, { queue: 'workers' });
    await Promise.all([one.flush(), two.flush()]);
    for (let i = 0; i < 200; i++) one.publish('work', '');
    await one.flush();
    await expect.poll(() => heard.one + heard.two).toBe(200);
    expect(heard.one).toBeGreaterThan(0);
    expect(heard.two).toBeGreaterThan(0);
  });

  test('a message above the limit of the server is refused with both sizes, and the connection lives', async () => {
    const small = await startNats({ maxPayload: 1000 });
    const transport = natsTransport(await connect({ servers: small.url }));
    const heard: number[] = [];
    transport.subscribe('a', ({ data }) => heard.push(data.length));
    expect(() => transport.publish('a', 'x'.repeat(1001))).toThrow(MessageTooLarge);
    expect(() => transport.publish('a', 'x'.repeat(1001))).toThrow(/1001 bytes to a is too large.* takes 1000/);
    expect(() => transport.publish('a', 'x'.repeat(990), { headers: { name: 'value' } })).toThrow(MessageTooLarge);
    await expect(transport.request('a', 'x'.repeat(1001))).rejects.toThrow(MessageTooLarge);
    transport.publish('a', 'x'.repeat(1000));
    await transport.flush();
    expect(heard).toEqual([1000]);
    await small.stop();
  });

  test('a header that would break the protocol is refused', async () => {
    const transport = natsTransport(await connect());
    expect(() => transport.publish('a', '', { headers: { 'a:b': 'x' } })).toThrow(/header/);
    expect(() => transport.publish('a', '', { headers: { a: 'x\r\nb: y' } })).toThrow(/header/);
  });

  test('subscriptions live on when the server comes back, and a request waits for it', async () => {
    const restarted = await startNats();
    const transport = natsTransport(await connect({ servers: restarted.url }));
    transport.subscribe('echo', ({ reply, data }) => transport.publish(reply!, data));
    await transport.flush();
    await restarted.kill();
    await expect(transport.request('echo', '', { timeout: 200 })).rejects.toThrow(RequestTimeout);
    const waiting = transport.request('echo', 'hello', { timeout: 30_000 });
    await restarted.start();
    expect(new TextDecoder().decode((await waiting).data)).toBe('hello');
    await restarted.stop();
  });

  test('a reply that came while this process was busy is no timeout', async () => {
    const server = await startNats({ jetstream: true });
    const transport = natsTransport(await connect({ servers: server.url }));
    await transport.flush();
    const asked = transport.request('$JS.API.INFO', '', { timeout: 50 });
    await new Promise((resolve) => setImmediate(resolve));
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
    expect((await asked).data.length).toBeGreaterThan(0);
    await server.stop();
  });

  test('what the permissions forbid is reported, and ends a request at once', async () => {
    const strict = await startNats({
      config: `authorization { users = [{ user: ann, password: pw, permissions: {
        publish: { deny: "secret.>" }, subscribe: { deny: "secret.>" } } }] }`,
    });
    const denied: string[] = [];
    const connection = await connect({ servers: `nats://ann:pw@127.0.0.1:${strict.port}` });
    const transport = natsTransport(connection, { onDenied: ({ message }) => denied.push(message) });
    await expect(transport.request('secret.a', '', { timeout: 30_000 })).rejects.toThrow(Denied);
    transport.subscribe('secret.b', () => {});
    transport.publish('secret.c', '');
    await expect.poll(() => denied.length).toBe(3);
    const [request, subscription, publish] = denied;
    expect(request).toContain('Publish to "secret.a"');
    expect(subscription).toContain('Subscription to "secret.b"');
    expect(publish).toContain('Publish to "secret.c"');
    await strict.stop();
  });
});

describe('connecting to NATS', () => {
  const refusal = (options: NatsOptions) =>
    connectNats(options).then(
      () => expect.fail('it connected'),
      ({ name, code, message }: { name: string; code: string; message: string }) => ({ name, code, message }),
    );

  test('is refused where nobody answers, naming what was tried and no secret', async () => {
    const gone = await startNats();
    await gone.stop();
    const servers = [`nats://ann:s3cret@127.0.0.1:${gone.port}`, `127.0.0.1:${gone.port}`];
    const { name, code, message } = await refusal({ servers });
    expect([name, code]).toEqual(['NatsError', 'nats_unreachable']);
    expect(message).toContain(`No NATS server answers at nats://127.0.0.1:${gone.port}, 127.0.0.1:${gone.port}: `);
    expect(message).not.toContain('s3cret');
  });

  test('takes user and password, or a token, from options or from the address', async () => {
    const [users, tokens] = await Promise.all([
      startNats({ config: 'authorization { user: ann, password: "p@ss" }' }),
      startNats({ config: 'authorization { token: t0ken }' }),
    ]);
    await connect({ servers: users.url, user: 'ann', password: 'p@ss' });
    await connect({ servers: `nats://ann:p%40ss@127.0.0.1:${users.port}` });
    await connect({ servers: tokens.url, token: 't0ken' });
    await connect({ servers: `nats://t0ken@127.0.0.1:${tokens.port}` });
    for (const servers of [users.url, tokens.url, `nats://ann:wrong@127.0.0.1:${users.port}`]) {
      const { code, message } = await refusal({ servers });
      expect(code).toBe('nats_denied');
      expect(message).toContain('refused the credentials');
      expect(message).not.toContain('wrong');
    }
    await Promise.all([users.stop(), tokens.stop()]);
  });

  test('is refused by a server older than 2.9, with the reason', async () => {
    const old = await oldServer('2.8.4');
    const { code, message } = await refusal({ servers: `127.0.0.1:${(old.address() as { port: number }).port}` });
    expect(code).toBe('nats_too_old');
    expect(message).toContain('is version 2.8.4. Troupe works with nats-server 2.9 or newer.');
    old.close();
  });
});

/** Says hello as a server of that version would. */
async function oldServer(version: string): Promise<Server> {
  const listener = createServer((socket) => {
    socket.write(
      `INFO ${JSON.stringify({ server_id: 'old', version, proto: 1, headers: true, max_payload: 1048576 })}\r\n`,
    );
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  return listener;
}
