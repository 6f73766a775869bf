// Charts over HTTP: every one is shown with its events, and any step of it can be tried without anything being done.
import { describe, expect, test } from 'vitest';
import { setup } from 'xstate';
import { z } from 'zod';
import { machines } from '../machines/index.ts';
import { type Door, openDoor } from './door.ts';

let acted = 0;
const light = setup({
  types: { events: {} as { type: 'press'; hard: boolean } | { type: 'break' } },
  actions: { buzz: () => acted++ },
}).createMachine({
  id: 'light',
  initial: 'off',
  states: {
    off: { on: { press: { target: 'on', actions: 'buzz' }, break: {} } },
    on: { after: { 1000: 'off' } },
  },
} as any);

const open = () =>
  openDoor({
    machines: {
      light: { machine: light, events: { press: z.object({ hard: z.boolean() }) }, samples: { press: { hard: true } } },
    },
  });
const step = (door: Door, name: string, trial: object) => door.post(`/v1/machines/${name}/step`, trial);

describe('GET /v1/machines', () => {
  test('has every chart, with each event it listens to, and an example of it', async () => {
    const { body } = await (await open()).get('/v1/machines');
    expect(Object.keys(body.machines)).toEqual([...Object.keys(machines), 'light']);
    for (const [name, { edges, events, samples }] of Object.entries<any>(body.machines))
      for (const { event } of edges)
        if (event !== '' && event !== '*') {
          expect(events, `${name} ${event}`).toHaveProperty([event]);
          expect(samples[event], `${name} ${event}`).toMatchObject({ type: event });
        }
  });

  test('has a schema for every event of the runtime’s own charts that does not come from work or time', async () => {
    const { body } = await (await open()).get('/v1/machines');
    for (const [name, { origin, events }] of Object.entries<any>(body.machines))
      for (const [type, schema] of Object.entries(events))
        if (origin === 'troupe' && !type.startsWith('xstate.')) expect(schema, `${name} ${type}`).not.toBeNull();
    const { takeover } = body.machines.session.events;
    expect(takeover.properties.deadline_ms).toMatchObject({ type: 'integer' });
    expect(takeover.required).toEqual(['by']);
    expect(body.machines.light).toMatchObject({
      origin: 'user',
      events: { press: { required: ['hard'] }, break: null },
    });
  });
});

describe('a step', () => {
  test('of every chart begins from its sample, and takes its examples without throwing', async () => {
    const door = await open();
    const { body } = await door.get('/v1/machines');
    for (const [name, { samples }] of Object.entries<any>(body.machines)) {
      if (name === 'light') continue;
      const begun = await step(door, name, {});
      expect(begun.status, `${name}: ${begun.body.detail}`).toBe(200);
      for (const event of Object.values<object>(samples)) {
        const { status, body } = await step(door, name, { snapshot: begun.body.snapshot, event });
        expect(status, `${name} ${JSON.stringify(event)}: ${body.detail}`).toBe(200);
      }
    }
  });

  test('says where an event leads and what it asks for', async () => {
    const door = await open();
    const begun = await step(door, 'session', {});
    expect(begun.body).toMatchObject({ state: 'automated/idle', input: { id: 's1' } });
    const said = await step(door, 'session', {
      snapshot: begun.body.snapshot,
      event: { type: 'message', id: 'm1', content: 'hi', route: { agent: 'a', confidence: 1, reason: 'r' } },
    });
    expect(said.body).toMatchObject({ state: 'automated/running.attempting', changed: true });
    expect(said.body.active).toContain('session.open.turn.running.attempting');
    expect(said.body.effects).toEqual([
      expect.objectContaining({ type: 'timer', delay: 300_000 }),
      expect.objectContaining({ type: 'invoke', src: 'agent' }),
    ]);
    expect(said.body.emitted.map(({ type }: { type: string }) => type)).toContain('agent_invoke_started');
    expect(said.body.allowed).toContain('takeover');
    const { edges } = (await door.get('/v1/machines')).body.machines.session;
    for (const one of said.body.transitions) expect(edges.find(({ id }: any) => id === one.id)).toMatchObject(one);
    expect(said.body.transitions.map(({ source, event }: any) => [source, event])).toEqual([
      ['session.open.turn', 'message'],
      ['session.open.turn.idle', ''],
      ['session.open.turn.starting', ''],
    ]);
    const held = await step(door, 'session', { snapshot: said.body.snapshot, event: { type: 'takeover', by: 'ann' } });
    expect(held.body).toMatchObject({ state: 'human.held/suspended' });
    expect(held.body.effects).toContainEqual(expect.objectContaining({ type: 'stop' }));
    // What was tried was nobody's session.
    expect((await door.get('/v1/sessions')).body.sessions).toEqual([]);
  });

  test('of an ended chart allows nothing', async () => {
    const door = await open();
    const { body } = await step(door, 'session', { event: { type: 'close' } });
    expect(body).toMatchObject({ state: 'closed', snapshot: { status: 'done' }, allowed: [] });
    const again = await step(door, 'session', { snapshot: body.snapshot, event: { type: 'close' } });
    expect(again.body.changed).toBe(false);
  });

  test('that is not taken here says so', async () => {
    const { status, body } = await step(await open(), 'session', { event: { type: 'release' } });
    expect([status, body.changed, body.state]).toEqual([200, false, 'automated/idle']);
    expect(body.transitions).toEqual([]);
  });

  test('of a chart of the user’s own does nothing but tell what would be done', async () => {
    const door = await open();
    const { body } = await step(door, 'light', { event: { type: 'press', hard: true } });
    expect(body).toMatchObject({ state: 'on', active: ['light', 'light.on'] });
    expect(body.effects).toEqual([
      { type: 'action', id: 'buzz' },
      expect.objectContaining({ type: 'timer', delay: 1_000 }),
    ]);
    expect(acted).toBe(0);
  });

  test('that makes no sense is refused with what would', async () => {
    const door = await open();
    const refusal = async (name: string, trial: object) => {
      const { status, body } = await step(door, name, trial);
      return [status, body.code, body.detail];
    };
    expect(await refusal('nothing', {})).toEqual([404, 'unknown_machine', expect.stringContaining('session')]);
    expect(await refusal('session', { event: { type: 'takeover', by: 7 } })).toEqual([
      400,
      'bad_request',
      expect.stringContaining('event.by'),
    ]);
    expect(await refusal('session', { event: { type: 'fly' } })).toEqual([
      400,
      'unknown_event',
      expect.stringContaining('takeover'),
    ]);
    expect(await refusal('session', { snapshot: { value: 'flying', context: {} } })).toEqual([
      400,
      'bad_snapshot',
      expect.stringContaining('session'),
    ]);
    const { snapshot } = (await step(door, 'session', {})).body;
    const hollow = { snapshot: { ...snapshot, context: {} }, event: { type: 'message', id: 'm', content: 'hi' } };
    expect((await refusal('session', hollow)).slice(0, 2)).toEqual([400, 'chart_threw']);
    expect((await refusal('session', { input: { settings: { attempts: 'x' } } })).slice(0, 2)).toEqual([
      400,
      'bad_request',
    ]);
    expect((await refusal('session', { event: {} }))[1]).toBe('bad_request');
    expect((await refusal('session', { snapshot: { value: { open: 'nowhere' }, context: {} } }))[1]).toBe(
      'bad_snapshot',
    );
  });
});

test('two machines of one name are refused at the start', async () => {
  await expect(openDoor({ machines: { session: light } })).rejects.toThrow('there is a machine "session" already');
  await expect(openDoor({ machines: { odd: {} as any } })).rejects.toThrow('"odd" is no XState machine');
});
