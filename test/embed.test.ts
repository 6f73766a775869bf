// A program that embeds a runtime: what it opens, joins, watches and hears through the package's own entry points.
import { createTroupe, Refused, type SubjectMessage, type TroupeOptions } from 'troupe';
import { createServer } from 'troupe/http';
import { connectNats, jetstreamJournal, natsNode, natsPort, natsTransport } from 'troupe/nats';
import { expect, onTestFinished, test } from 'vitest';
import type { InspectionEvent } from 'xstate';
import { breakerMachine } from '../machines/breaker/machine.ts';
import { createTroupe as createFromSource } from '../src/troupe.ts';
import { startNats } from './nats.ts';

const echo = { id: 'echo', triggers: ['hello'], run: (text: string) => `You said: ${text}` };

async function troupeOf(options: TroupeOptions = {}) {
  const troupe = await createTroupe({ agents: [echo], ...options });
  onTestFinished(() => troupe.close());
  return troupe;
}

const codeOf = async (act: () => unknown): Promise<unknown> => {
  try {
    await act();
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
  return 'not refused';
};

test("in a checkout `from 'troupe'` is the source at hand", () => {
  expect(createTroupe).toBe(createFromSource);
});

test('the server of `troupe/http` serves the runtime, its WebSocket and the inspector on a port of the program', async () => {
  const troupe = await troupeOf();
  const app = await createServer(troupe);
  onTestFinished(() => app.close());
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  const response = await fetch(`${url}/v1/sessions/s1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content: 'hello' }),
  });
  expect(await response.json()).toMatchObject({ answer: 'You said: hello' });
  const page = await fetch(`${url}/inspector`, { redirect: 'manual' });
  expect(page.status).toBe(308);
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/supervise`);
  onTestFinished(() => socket.close());
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = reject;
  });
});

test('a program joins a cluster with `natsNode`, and another client hears its sessions and reads their journal', async () => {
  const server = await startNats({ jetstream: true });
  onTestFinished(() => server.stop());
  const node = await natsNode({ url: server.url, shards: 4 });
  const { journal, transport, cluster } = node;
  const troupe = await createTroupe({ agents: [echo], journal, transport, cluster });
  onTestFinished(async () => {
    await troupe.close();
    await node.close();
  });
  const connection = await connectNats({ servers: server.url });
  onTestFinished(() => connection.close());
  const client = natsTransport(connection);
  const reply = await client.request('troupe.default.session.s1.message', JSON.stringify({ content: 'hello' }), {
    timeout: 20_000,
  });
  expect(JSON.parse(new TextDecoder().decode(reply.data))).toMatchObject({ answer: 'You said: hello' });
  const reader = await jetstreamJournal({ connection });
  const stored = await reader.last({ tenant: 'default', session: 's1' });
  expect(stored?.entry.n).toBe(2);
  await reader.close();
});

test('`inspect` sees the actors of the node, its agents, endpoints and breakers, of sessions and of charts of agents', async () => {
  const seen = new Map<string, Set<string>>();
  const inspect = (event: InspectionEvent) => {
    if (!('id' in event.actorRef)) return;
    const { id, logic } = event.actorRef as unknown as { id: string; logic: { id?: string } };
    const name = logic.id ?? id;
    seen.set(name, (seen.get(name) ?? new Set()).add(event.type));
  };
  const trip = { id: 'trip', kind: 'flow', mode: 'sequential', steps: ['echo'], triggers: ['trip'] } as const;
  const troupe = await troupeOf({ agents: [echo, trip], inspect });
  await troupe.session('s1').send('hello');
  await troupe.session('s2').send('trip');
  expect([...seen.keys()].sort()).toEqual([
    'agent',
    'breaker',
    'default/s1',
    'default/s2',
    'default/s2-r1/trip',
    'endpoint',
    'orchestrator',
  ]);
  for (const name of ['default/s1', 'default/s2-r1/trip', breakerMachine.id])
    expect([...seen.get(name)!]).toEqual(
      expect.arrayContaining(['@xstate.actor', '@xstate.event', '@xstate.snapshot']),
    );
});

test('an `inspect` that throws is logged, and the session goes on', async () => {
  const logged: string[] = [];
  const note = (_: object, message: string) => void logged.push(message);
  const log = { debug() {}, info() {}, warn() {}, error: note };
  const inspect = () => {
    throw new Error('not today');
  };
  const troupe = await troupeOf({ inspect, log });
  expect((await troupe.session('s1').send('hello')).answer).toBe('You said: hello');
  expect(new Set(logged)).toEqual(new Set(['`inspect` failed']));
});

test('a program asks a session on its subject, hears what happens in it, and answers others', async () => {
  const troupe = await troupeOf();
  const heard: string[] = [];
  troupe.subscribe('troupe.default.session.s1.event.>', ({ subject }) => {
    heard.push(subject.split('.').at(-1)!);
  });
  const reply: SubjectMessage = await troupe.request('troupe.default.session.s1.message', { content: 'hello' });
  expect(reply.json()).toMatchObject({ status: 'done', answer: 'You said: hello' });
  await expect.poll(() => heard).toContain('run_done');

  const subscription = troupe.subscribe('shop.orders', (message) => message.respond({ order: message.text() }));
  expect((await troupe.request('shop.orders', '1234', { timeout_ms: 1_000 })).json()).toEqual({ order: '1234' });
  const bodies: unknown[] = [];
  troupe.subscribe(
    'shop.*',
    ({ data, headers, json, reply: to }) => void bodies.push([json(), headers, to, data.length]),
  );
  troupe.publish('shop.news', { a: 1 }, { headers: { Kind: 'news' } });
  await troupe.transport.flush();
  expect(bodies).toEqual([[{ a: 1 }, { Kind: 'news' }, undefined, 7]]);
  subscription.unsubscribe();
});

test('what goes wrong with a subject is refused with what it is', async () => {
  const troupe = await troupeOf();
  expect(await codeOf(() => troupe.publish('a..b', {}))).toBe('bad_subject');
  expect(await codeOf(() => troupe.publish('a.*', {}))).toBe('bad_subject');
  expect(await codeOf(() => troupe.subscribe('a.>.b', () => {}))).toBe('bad_subject');
  expect(await codeOf(() => troupe.request('a b', {}))).toBe('bad_subject');
  await expect(troupe.request('nobody.here', {})).rejects.toThrow('nobody is subscribed to nobody.here');
  expect(await codeOf(() => troupe.request('nobody.here', {}))).toBe('no_responders');
  troupe.subscribe('deaf', () => {});
  expect(await codeOf(() => troupe.request('deaf', {}, { timeout_ms: 1 }))).toBe('timed_out');
  troupe.subscribe('plain', (message) => {
    expect(() => message.respond({})).toThrow(Refused);
    expect(() => message.json()).toThrow(Refused);
  });
  troupe.publish('plain', 'no json');
  await troupe.transport.flush();
});

test('the NATS port of a runtime is opened by the program that wants it', async () => {
  const troupe = await troupeOf();
  const port = await natsPort(troupe.transport);
  onTestFinished(() => port.close());
  const connection = await connectNats({ servers: port.url });
  onTestFinished(() => connection.close());
  const reply = await connection.request('troupe.default.session.s1.message', JSON.stringify({ content: 'hello' }));
  expect(reply.json()).toMatchObject({ answer: 'You said: hello' });
});
