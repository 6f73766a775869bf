// Stately's inspection protocol, with Stately's own clients: foreign actors stream in, viewers watch them and the sessions here.
import { createWebSocketInspector, createWebSocketReceiver } from '@statelyai/inspect';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import WebSocket from 'ws';
import { createActor, setup } from 'xstate';
import { ForeignActors } from '../src/inspect/foreign.ts';
import { createServer } from '../src/interfaces/http/server.ts';
import { startNode } from './cluster.ts';
import { type Door, openDoor } from './door.ts';
import { startNats } from './nats.ts';

const light = setup({ types: { events: {} as { type: 'press'; by?: string } } }).createMachine({
  id: 'light',
  context: { pressed: 0 },
  initial: 'off',
  states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' } } },
});
const echo = { id: 'echo', triggers: ['say'], run: (text: string) => text };

const socketOf = (door: Door, query = '') => `${door.url.replace('http', 'ws')}/v1/inspect${query}`;

/** An actor of another program that tells of itself. */
function stream(door: Door, query = '') {
  const inspector = createWebSocketInspector({ url: socketOf(door, query) });
  onTestFinished(() => inspector.stop());
  return createActor(light, { inspect: inspector.inspect }).start();
}

/** Everything that a viewer of Stately's is told. */
function watch(door: Door, query = ''): any[] {
  const told: any[] = [];
  createWebSocketReceiver({ server: socketOf(door, query) }).subscribe((event) => told.push(event));
  return told;
}

const actors = async (door: Door, tenant = 'default'): Promise<any[]> =>
  (await door.get('/v1/inspect/actors', { headers: { 'x-tenant-id': tenant } })).body.actors;

describe('an actor of another program', () => {
  test('shows up with its chart, where it stands and what it was sent', async () => {
    const door = await openDoor();
    stream(door).send({ type: 'press', by: 'ann' });
    await vi.waitFor(async () => expect((await actors(door))[0]?.value).toBe('on'));
    const [actor] = await actors(door);
    expect(actor).toMatchObject({
      name: 'light',
      status: 'active',
      context: { pressed: 0 },
      source: { client: '127.0.0.1', connected: true },
      definition: { id: 'light', nodes: [{ id: 'light' }, { id: 'light.off' }, { id: 'light.on' }] },
    });
    expect(actor.events.at(-1)).toMatchObject({ type: 'press', event: { by: 'ann' } });
  });

  test('is told to viewers, those that come late included', async () => {
    const door = await openDoor();
    const early = watch(door);
    const actor = stream(door);
    await vi.waitFor(() => expect(early.map(({ type }) => type)).toContain('@xstate.actor'));
    const late = watch(door);
    await vi.waitFor(() => expect(late).toMatchObject([{ type: '@xstate.actor', name: 'light' }]));
    actor.send({ type: 'press' });
    for (const told of [early, late])
      await vi.waitFor(() => expect(told.find(({ snapshot }) => snapshot?.value === 'on')).toBeDefined());
    const ids = new Set([...early, ...late].map(({ sessionId }) => sessionId));
    expect([...ids]).toEqual([(await actors(door))[0].actor_id]);
  });

  test('of two programs that call theirs the same are two', async () => {
    const door = await openDoor();
    stream(door);
    stream(door).send({ type: 'press' });
    await vi.waitFor(async () => expect((await actors(door)).map(({ value }) => value).sort()).toEqual(['off', 'on']));
  });

  test('is a tenant’s own', async () => {
    const door = await openDoor();
    const others = watch(door, '?tenant=other');
    stream(door, '?tenant=acme');
    await vi.waitFor(async () => expect(await actors(door, 'acme')).toHaveLength(1));
    expect(await actors(door)).toEqual([]);
    expect(others).toEqual([]);
  });

  test('is still there when its program has left, and says so', async () => {
    const door = await openDoor();
    const inspector = createWebSocketInspector({ url: socketOf(door) });
    createActor(light, { inspect: inspector.inspect }).start();
    await vi.waitFor(async () => expect(await actors(door)).toHaveLength(1));
    inspector.stop();
    await vi.waitFor(async () => expect((await actors(door))[0].source.connected).toBe(false));
  });
});

describe('sessions as actors', () => {
  test('are announced as they stand, and told entry by entry', async () => {
    const door = await openDoor({ agents: [echo] });
    await door.troupe.session('s1').send('say hi');
    const told = watch(door);
    await vi.waitFor(() => expect(told).toHaveLength(1));
    expect(told[0]).toMatchObject({
      type: '@xstate.actor',
      name: 's1',
      sessionId: 's1',
      snapshot: { status: 'active', value: { open: { control: 'automated', turn: 'idle' } } },
    });
    expect(JSON.parse(told[0].definition)).toMatchObject({ id: 'session', initial: 'open' });
    await door.troupe.session('s1').takeOver({ by: 'ann' });
    await door.troupe.session('s2').send('say hi');
    await vi.waitFor(() => expect(told.filter(({ type }) => type === '@xstate.snapshot')).toHaveLength(3));
    expect(told[1]).toMatchObject({ type: '@xstate.event', sessionId: 's1', event: { type: 'takeover', by: 'ann' } });
    expect(told[2].snapshot.value.open.control).toEqual({ human: 'held' });
    expect(told.filter(({ type }) => type === '@xstate.actor').map(({ name }) => name)).toEqual(['s1', 's2']);
  });

  test('can be watched one by one, or not at all', async () => {
    const door = await openDoor({ agents: [echo] });
    await door.troupe.session('s1').send('say hi');
    const one = watch(door, '?session=s2');
    const none = watch(door, '?sessions=false');
    const all = watch(door);
    await vi.waitFor(() => expect(all).toHaveLength(1));
    await door.troupe.session('s2').send('say hi');
    await vi.waitFor(() => expect(one.length).toBeGreaterThanOrEqual(5));
    expect(new Set(one.map(({ sessionId }) => sessionId))).toEqual(new Set(['s2']));
    expect(none).toEqual([]);
  });

  test('are not told to another tenant', async () => {
    const door = await openDoor({ agents: [echo] });
    const others = watch(door, '?tenant=other');
    const own = watch(door);
    await vi.waitFor(() => expect(door.troupe.session('s1').send('say hi')).resolves.toBeDefined());
    await vi.waitFor(() => expect(own.length).toBeGreaterThan(0));
    expect(others).toEqual([]);
  });
});

describe('a page', () => {
  const connect = (door: Door, origin: string) => {
    const socket = new WebSocket(socketOf(door), { origin });
    const told: string[] = [];
    socket.on('message', (data) => told.push(data.toString()));
    onTestFinished(() => socket.terminate());
    return new Promise<{ socket: WebSocket; told: string[] } | string>((resolve) => {
      socket.on('open', () => resolve({ socket, told }));
      socket.on('error', ({ message }) => resolve(message));
    });
  };

  test('of another program on this machine may tell of its actors, and is told nothing', async () => {
    const door = await openDoor({ agents: [echo] });
    await door.troupe.session('s1').send('say hi');
    const own = watch(door);
    const page = await connect(door, 'http://localhost:5173');
    if (typeof page === 'string') throw new Error(page);
    await vi.waitFor(() => expect(own).toHaveLength(1));
    const base = { sessionId: 'x:0', rootId: 'x:0', createdAt: '1', _version: '0.7.2', id: null };
    page.socket.send(JSON.stringify({ type: '@xstate.actor', ...base, name: 'shop', snapshot: { status: 'active' } }));
    await vi.waitFor(async () => expect(await actors(door)).toMatchObject([{ name: 'shop', definition: null }]));
    await door.troupe.session('s1').send('say more');
    await vi.waitFor(() => expect(own.length).toBeGreaterThan(3));
    expect(page.told).toEqual([]);
  });

  test('from elsewhere is refused', async () => {
    expect(await connect(await openDoor(), 'https://elsewhere.example')).toContain('403');
  });

  test('that tells what is no event of the protocol is hung up on', async () => {
    const door = await openDoor();
    for (const frame of ['{', '7', '{"type":"@xstate.actor"}', JSON.stringify({ type: 'hello' })]) {
      const socket = new WebSocket(socketOf(door));
      socket.on('open', () => socket.send(frame));
      expect(await new Promise((resolve) => socket.on('close', resolve)), frame).toBe(1008);
    }
    expect(await actors(door)).toEqual([]);
  });
});

test('asked without an upgrade it says what it is', async () => {
  const { status, body } = await (await openDoor()).get('/v1/inspect');
  expect([status, body.code]).toEqual([426, 'upgrade_required']);
});

describe('what is kept', () => {
  const source = { id: 'c1', tenant: 'default', client: 'here' };
  const base = { rootId: 'x', createdAt: '1', _version: '1' };
  const event = (sessionId: string, event: { type: string }) => ({
    type: '@xstate.event' as const,
    sessionId,
    event,
    ...base,
  });

  test('is the newest: actors and events beyond a limit are forgotten', () => {
    let now = 0;
    const foreign = new ForeignActors(() => ++now);
    for (let index = 0; index < 1_500; index += 1) foreign.hear(source, event(`x:${index}`, { type: 'e' }));
    for (let index = 0; index < 200; index += 1) foreign.hear(source, event('x:700', { type: `e${index}` }));
    const list = foreign.list('default');
    expect(list).toHaveLength(1_000);
    expect(list[0]).toMatchObject({ session_id: 'x:700' });
    expect(list[0]!.events.map(({ type }) => type)).toEqual(
      Array.from({ length: 50 }, (_, index) => `e${150 + index}`),
    );
    expect(list.at(-1)!.session_id).toBe('x:500');
  });

  test('is small: what is too long is left out and said to be, and long ones make others go', () => {
    const foreign = new ForeignActors(() => 0);
    const long = 'x'.repeat(100_000);
    foreign.hear(source, event('a', { type: 'e', text: long } as { type: string }));
    foreign.hear(source, {
      type: '@xstate.snapshot',
      sessionId: 'a',
      event: { type: 'e' },
      snapshot: { context: long },
      ...base,
    });
    expect(foreign.list('default')[0]).toMatchObject({
      context: { left_out: expect.stringContaining('characters') },
      events: [{ event: { type: 'e', left_out: expect.stringContaining('characters') } }],
    });
    const middling = { type: 'e', text: 'x'.repeat(8_000) } as { type: string };
    for (let actor = 0; actor < 200; actor += 1)
      for (let index = 0; index < 50; index += 1) foreign.hear(source, event(`b${actor}`, middling));
    const kept = JSON.stringify(foreign.list('default')).length;
    expect(kept).toBeGreaterThan(20_000_000);
    expect(kept).toBeLessThan(40_000_000);
  });

  test('goes first when its program has left', () => {
    const foreign = new ForeignActors(() => 0);
    const other = { ...source, id: 'c2' };
    foreign.hear(other, event('x', { type: 'e' }));
    foreign.hear(source, event('x', { type: 'e' }));
    foreign.left(source);
    for (let index = 0; index < 999; index += 1) foreign.hear(other, event(`y${index}`, { type: 'e' }));
    const ids = foreign.list('default').map(({ actor_id }) => actor_id);
    expect(ids).toContain('c2.x');
    expect(ids).not.toContain('c1.x');
  });
});

test('any node of a cluster shows the actors of all', async () => {
  const nats = await startNats({ jetstream: true });
  const nodes = [await startNode(nats.url, { id: 'a' }), await startNode(nats.url, { id: 'b' })] as const;
  const servers = await Promise.all(nodes.map(({ troupe }) => createServer(troupe)));
  try {
    const [here, there] = await Promise.all(servers.map((server) => server.listen({ host: '127.0.0.1', port: 0 })));
    const inspector = createWebSocketInspector({ url: `${here!.replace('http', 'ws')}/v1/inspect` });
    createActor(light, { inspect: inspector.inspect }).start();
    for (const url of [here, there])
      await vi.waitFor(async () => {
        const { actors } = (await (await fetch(`${url}/v1/inspect/actors`)).json()) as { actors: unknown[] };
        expect(actors).toMatchObject([{ name: 'light', value: 'off' }]);
      });
    inspector.stop();
  } finally {
    await Promise.all(servers.map((server) => server.close()));
    for (const node of nodes) await node.close();
    await nats.stop();
  }
});
