// The NATS port keeps the promises of every transport through the official client, and speaks as nats-server does.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectNats } from '../src/nats/connect.ts';
import { type NatsPort, type NatsPortOptions, natsPort } from '../src/nats/port.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { silent } from '../src/platform/log.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import type { Message, Transport } from '../src/transport/transport.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';
import { transportConformance } from './transport.ts';

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function open(options?: NatsPortOptions): Promise<{ transport: Transport; port: NatsPort }> {
  const transport = memoryTransport();
  const port = await natsPort(transport, options);
  opened.push(transport, port);
  return { transport, port };
}

async function client({ url }: { url: string }): Promise<NatsConnection> {
  const connection = await connectNats({ servers: url });
  opened.push(connection);
  return connection;
}

/** A socket that keeps what it hears. */
class Plain {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  heard = '';

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    this.socket.on('data', (chunk) => {
      this.heard += chunk;
    });
    this.socket.on('error', () => {});
    opened.push({ close: () => this.socket.destroy() });
  }

  say(...lines: string[]): void {
    this.socket.write(`${lines.join('\r\n')}\r\n`);
  }

  /** Resolves when it has heard the text; rejects when it cannot any more. */
  async hears(text: string): Promise<void> {
    while (!this.heard.includes(text)) {
      const more = once(this.socket, 'data');
      await Promise.race([more, this.closed]);
      if (this.socket.closed && !this.heard.includes(text)) throw new Error(`closed after ${this.heard}`);
    }
  }
}

const text = ({ data }: Message): string => new TextDecoder().decode(data);

describe('through the official JavaScript client', () => {
  transportConformance('nats port', async (onError) => {
    const { port } = await open();
    return natsTransport(await client(port), { onError });
  });
});

describe('the NATS port', () => {
  test('two clients and the process itself talk to each other, and share a queue group', async () => {
    const { transport, port } = await open();
    const [one, two] = [natsTransport(await client(port)), natsTransport(await client(port))];
    const counts = { one: 0, two: 0, inside: 0 };
    const count = (who: keyof typeof counts) => (message: Message) => {
      counts[who] += 1;
      const by = who === 'inside' ? transport : who === 'one' ? one : two;
      by.publish(message.reply!, `${text(message)} by ${who}`, { headers: { seen: message.headers!.asked! } });
    };
    one.subscribe('work', count('one'), { queue: 'workers' });
    two.subscribe('work', count('two'), { queue: 'workers' });
    transport.subscribe('work', count('inside'), { queue: 'workers' });
    await Promise.all([one.flush(), two.flush()]);
    for (const asker of [one, two, transport])
      for (let i = 0; i < 100; i++) {
        const reply = await asker.request('work', `${i}`, { headers: { asked: 'yes' } });
        expect(text(reply)).toMatch(new RegExp(`^${i} by (one|two|inside)$`));
        expect(reply.headers).toEqual({ seen: 'yes' });
      }
    expect(counts.one + counts.two + counts.inside).toBe(300);
    for (const share of Object.values(counts)) expect(share).toBeGreaterThan(0);
  });

  test('a member of a queue group that drains answers all it was given, and the others get the rest', async () => {
    const { transport, port } = await open();
    const [leaving, staying] = [await client(port), await client(port)];
    const heard: string[] = [];
    const callback = (_: Error | null, message: { string(): string }): void => {
      heard.push(message.string());
    };
    const member = leaving.subscribe('work', { queue: 'workers', callback });
    staying.subscribe('work', { queue: 'workers', callback });
    await Promise.all([leaving.flush(), staying.flush()]);
    const sent = Array.from({ length: 20_000 }, (_, i) => `${i}`);
    for (const [i, number] of sent.entries()) {
      if (i === 5_000) void member.drain();
      transport.publish('work', number);
      if (i % 1_500 === 0) await new Promise(setImmediate);
    }
    await expect.poll(() => heard.length).toBe(sent.length);
    expect(new Set(heard)).toEqual(new Set(sent));
    expect(member.getReceived()).toBeLessThan(sent.length / 2);
  });

  test('a message of the largest size passes whole; one byte more ends the connection', async () => {
    const { port } = await open();
    const transport = natsTransport(await client(port));
    transport.subscribe('big', ({ data, reply }) => transport.publish(reply!, data));
    const bytes = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i % 251);
    const { data } = await transport.request('big', bytes);
    expect(Buffer.compare(data, bytes)).toBe(0);
    const plain = new Plain(port.port);
    plain.say(`PUB big ${bytes.length + 1}`, 'x'.repeat(bytes.length + 1));
    await plain.closed;
    expect(plain.heard).toContain("-ERR 'Maximum Payload Violation'");
  });

  test('a client that does not read is cut off, and nobody else is', async () => {
    const cut: object[] = [];
    const log = { ...silent, warn: (details: object) => cut.push(details) };
    const { transport, port } = await open({ log, limits: { maxPending: 100_000 } });
    const [slow, quick] = [new Plain(port.port), new Plain(port.port)];
    for (const plain of [slow, quick]) plain.say('CONNECT {"verbose":false}', 'SUB flood 1', 'PING');
    await Promise.all([slow.hears('PONG'), quick.hears('PONG')]);
    slow.socket.pause();
    // The system's own buffers take some megabytes before anything waits here.
    while (cut.length === 0) {
      quick.heard = '';
      transport.publish('flood', `${'x'.repeat(50_000)}!`);
      await quick.hears('!');
    }
    expect(cut).toEqual([expect.objectContaining({ reason: 'slow consumer' })]);
    slow.socket.resume();
    await slow.closed;
    transport.publish('flood', 'still here');
    await quick.hears('still here');
  });

  test('a client that answers no pings is taken to be gone, one that does is not', async () => {
    const clock = new SteppedClock();
    const { port } = await open({ clock, limits: { pingInterval: 1000 } });
    const [dead, alive] = [new Plain(port.port), new Plain(port.port)];
    await Promise.all([dead.hears('INFO'), alive.hears('INFO')]);
    for (const _ of [1, 2]) {
      clock.advance(1000);
      await alive.hears('PING');
      alive.heard = '';
      alive.say('PONG', 'PING');
      await alive.hears('PONG');
    }
    clock.advance(1000);
    await dead.closed;
    expect(dead.heard).toContain("-ERR 'Stale Connection'");
    expect(alive.socket.closed).toBe(false);
  });

  test('closing sends what waits, ends the clients and leaves the transport open', async () => {
    const { transport, port } = await open();
    const plain = new Plain(port.port);
    plain.say('SUB a 1', 'PING');
    await plain.hears('PONG');
    transport.publish('a', 'last words');
    await transport.flush();
    await port.close();
    await plain.closed;
    expect(plain.heard).toContain('last words');
    expect(transport.hears!('a')).toBe(false);
    await port.close();
  });

  test('it listens to this machine only', async () => {
    await expect(natsPort(memoryTransport(), { host: '0.0.0.0' })).rejects.toMatchObject({ code: 'not_loopback' });
    const { port } = await open();
    await expect(natsPort(memoryTransport(), { port: port.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });

  test('what would break the protocol does not get into a header', async () => {
    const { transport, port } = await open();
    const plain = new Plain(port.port);
    plain.say('CONNECT {"verbose":false,"headers":true}', 'SUB a 1', 'PING');
    await plain.hears('PONG');
    transport.publish('a', 'x', { headers: { 'bad name': 'v', fine: 'two\r\nlines' } });
    await plain.hears('x\r\n');
    expect(plain.heard).toMatch(/HMSG a 1 29 30\r\nNATS\/1.0\r\nfine: two lines\r\n\r\nx\r\n$/);
  });

  test('a client without headers gets the message without them', async () => {
    const { transport, port } = await open();
    const plain = new Plain(port.port);
    plain.say('CONNECT {"verbose":false}', 'SUB a 1', 'PING');
    await plain.hears('PONG');
    transport.publish('a', 'x', { headers: { a: 'b' } });
    await plain.hears('MSG a 1 1\r\nx\r\n');
  });
});

const QUIET = 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}';
const NO_RESPONDERS = 'HMSG r 1 16 16|NATS/1.0 503|||';

/** What is said, and what is heard, lines separated by `|`. Every exchange ends in a ping unless the other side closes. */
const EXCHANGES: [fact: string, said: string, heard: string][] = [
  ['a verbose client is told that all went well', 'SUB a 1|PUB a 1|x|UNSUB 1', '+OK|+OK|MSG a 1 1|x|+OK|PONG|'],
  ['a second CONNECT changes the options', 'CONNECT {"verbose":true}|CONNECT {"verbose":false}|SUB a 1', '+OK|PONG|'],
  ['verbs in any case, tabs and a bare LF', `${QUIET}|sub\ta  1\npub a\t2\nhi`, 'MSG a 1 2|hi|PONG|'],
  ['subjects are UTF-8', `${QUIET}|SUB grün.* 1|PUB grün.ß 1|x`, 'MSG grün.ß 1 1|x|PONG|'],
  [
    'headers come as they went',
    `${QUIET}|SUB a 1|HPUB a 22 24|NATS/1.0|k: value||hi`,
    'HMSG a 1 22 24|NATS/1.0|k: value||hi|PONG|',
  ],
  ['nobody listens', `${QUIET}|SUB r 1|PUB q r 1|x`, `${NO_RESPONDERS}PONG|`],
  [
    'nobody listens, and that was not asked for',
    'CONNECT {"verbose":false,"headers":true}|SUB r 1|PUB q r 1|x',
    'PONG|',
  ],
  ['UNSUB with a number', `${QUIET}|SUB a 1|UNSUB 1 1|PUB a 1|x|PUB a 1|y`, 'MSG a 1 1|x|PONG|'],
  [
    'UNSUB with a number that is reached',
    `${QUIET}|SUB a 1|PUB a 1|x|PUB a 1|y|UNSUB 1 1|PUB a 1|z`,
    'MSG a 1 1|x|MSG a 1 1|y|PONG|',
  ],
  ['what was sent before UNSUB is heard', `${QUIET}|SUB a 1|PUB a 1|x|UNSUB 1|PUB a 1|y`, 'MSG a 1 1|x|PONG|'],
  ['the first subscription of a name stays', `${QUIET}|SUB a 1|SUB b 1|PUB a 1|x|PUB b 1|y`, 'MSG a 1 1|x|PONG|'],
  ['no echo', 'CONNECT {"verbose":false,"echo":false}|SUB a 1|PUB a 1|x', 'PONG|'],
  [
    'a subject that nobody can subscribe to',
    `${QUIET}|SUB a..b 1|SUB b 2|PUB b 1|x`,
    "-ERR 'Invalid Subject'|MSG b 2 1|x|PONG|",
  ],
  ['another protocol', 'GET / HTTP/1.1', "-ERR 'Unknown Protocol Operation'|"],
  ['an empty line', `${QUIET}|`, "-ERR 'Unknown Protocol Operation'|"],
  ['a payload that is longer than was said', `${QUIET}|PUB a 1|xy`, "-ERR 'Unknown Protocol Operation'|"],
  ['what only servers say', `${QUIET}|MSG a 1 1|x`, "-ERR 'Unknown Protocol Operation'|"],
  ['a line without end', `${QUIET}|PUB ${'a'.repeat(5000)}`, "-ERR 'maximum control line exceeded'|"],
  ['a payload that is too large', `${QUIET}|PUB a 1048577`, "-ERR 'Maximum Payload Violation'|"],
  [
    'no-responders without headers',
    'CONNECT {"verbose":false,"no_responders":true}',
    "-ERR 'no responders requires headers support'|",
  ],
  ['a protocol of the future', 'CONNECT {"verbose":false,"protocol":7}', "-ERR 'invalid client protocol'|"],
];

/** nats-server ends these without a word, and complains twice of the first, or not at all to clients that are not pedantic. */
const UNLIKE: [fact: string, said: string, heard: string][] = [
  [
    'a subject that nobody can publish to',
    'CONNECT {"verbose":false}|SUB > 1|PUB a..b 1|x',
    "-ERR 'Invalid Publish Subject'|PONG|",
  ],
  ['a size that is no number', `${QUIET}|PUB a x`, "-ERR 'Unknown Protocol Operation'|"],
  ['too many words', `${QUIET}|UNSUB 1 2 3`, "-ERR 'Unknown Protocol Operation'|"],
  ['CONNECT with broken JSON', 'CONNECT {', "-ERR 'Unknown Protocol Operation'|"],
  [
    'headers that were not announced',
    'CONNECT {"verbose":false}|HPUB a 12 12|NATS/1.0|||',
    "-ERR 'message headers not supported'|",
  ],
];

async function exchange(port: number, said: string): Promise<string> {
  const plain = new Plain(port);
  await plain.hears('\r\n');
  const greeting = plain.heard.length;
  plain.say(...said.split('|'), 'PING');
  await plain.hears('PONG\r\n').catch(() => plain.closed);
  return plain.heard.slice(greeting).replaceAll('\r\n', '|');
}

describe('an exchange with the port', () => {
  test.each([...EXCHANGES, ...UNLIKE])('%s', async (_, said, heard) => {
    const { port } = await open();
    expect(await exchange(port.port, said)).toBe(heard);
  });
});

describe.skipIf(!natsBinary('2.9.0'))('the same exchange with nats-server (skipped where there is none)', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats();
  });
  afterAll(() => server.stop());

  test.each(EXCHANGES)('%s', async (_, said, heard) => {
    expect(await exchange(server.port, said)).toBe(heard);
  });
});
