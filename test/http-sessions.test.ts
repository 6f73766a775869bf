// Sessions over HTTP: made, listed, commanded, asked, and made once however often they are asked for.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { AgentDefinition } from '../src/agents/definition.ts';
import * as shapes from '../src/interfaces/http/shapes.ts';
import { approving, calling, echo, gate } from './agents.ts';
import { type Door, openDoor } from './door.ts';

const open = (agents: readonly AgentDefinition[] = [echo]): Promise<Door> => openDoor({ agents });
const say = (door: Door, session: string, content = 'say hello', more: object = {}) =>
  door.post(`/v1/sessions/${session}/messages`, { content, ...more });
const fits = (schema: z.ZodType, body: unknown) => expect(schema.safeParse(body).error).toBe(undefined);

describe('a session', () => {
  test('is created with an id of its own, or with the one that is given', async () => {
    const door = await open();
    const own = await door.post('/v1/sessions');
    expect(own.status).toBe(201);
    fits(shapes.sessionView, own.body);
    expect(own.body).toMatchObject({ control: 'automated', turn: 'idle', epoch: 0, entry: 1 });
    expect((await door.get(`/v1/sessions/${own.body.session_id}`)).body).toEqual(own.body);
    const given = await door.post('/v1/sessions', { session_id: 'mine' });
    expect(given).toMatchObject({ status: 201, body: { session_id: 'mine' } });
    expect(await door.post('/v1/sessions', { session_id: 'mine' })).toMatchObject({
      status: 409,
      body: { code: 'session_exists' },
    });
  });

  test('is created with settings, and a configuration that agents see', async () => {
    const seeing: AgentDefinition = { id: 'seeing', run: (_, { call }) => JSON.stringify(call.context) };
    const door = await open([seeing]);
    await door.post('/v1/sessions', { session_id: 's1', settings: { attempts: 7 }, config: { plan: 'gold' } });
    expect((await say(door, 's1', 'go', { agent_id: 'seeing' })).body.answer).toBe('{"plan":"gold"}');
    const { entries } = (await door.get('/v1/sessions/s1/journal?limit=1')).body;
    expect(entries[0].init.settings).toMatchObject({ attempts: 7, queue_limit: 32 });
  });

  test('is listed by state, page by page', async () => {
    const door = await open();
    for (const id of ['a', 'b', 'c', 'd', 'e']) await say(door, id);
    await door.post('/v1/sessions/b/takeover', { by: 'ann' });
    await door.post('/v1/sessions/d/takeover', { by: 'ann' });
    const all = (await door.get('/v1/sessions')).body;
    fits(shapes.sessionList, all);
    expect(all.sessions.map(({ session_id }: any) => session_id)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(all.sessions[1]).toMatchObject({ state: 'human.held/idle', control: 'human', turn: 'idle', entry: 3 });
    const held = (await door.get('/v1/sessions?state=human')).body.sessions;
    expect(held.map(({ session_id }: any) => session_id)).toEqual(['b', 'd']);
    const seen: string[] = [];
    for (let cursor = ''; ; ) {
      const { body } = await door.get(`/v1/sessions?limit=2${cursor && `&cursor=${cursor}`}`);
      seen.push(...body.sessions.map(({ session_id }: any) => session_id));
      if (!body.next_cursor) break;
      cursor = body.next_cursor;
    }
    expect(seen).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('is paused, resumed, taken over, spoken in, released, cancelled and closed', async () => {
    const door = await open();
    await say(door, 's1');
    const did = async (verb: string, body?: object) => {
      const { status, body: view } = await door.post(`/v1/sessions/s1/${verb}`, body);
      expect(status).toBe(200);
      fits(shapes.sessionView, view);
      return view;
    };
    expect(await did('pause', { by: 'ann', reason: 'lunch' })).toMatchObject({ control: 'paused' });
    expect(await did('resume')).toMatchObject({ control: 'automated' });
    expect(await did('takeover', { by: 'ann' })).toMatchObject({ control: 'human', holder: 'ann', epoch: 1 });
    expect(await did('inject', { by: 'ann', content: 'hello, Ann here' })).toMatchObject({ control: 'human' });
    expect(await did('release')).toMatchObject({ control: 'automated', holder: null, epoch: 2 });
    expect(await did('close', { by: 'ann' })).toMatchObject({ control: 'closed', turn: null });
    const { body } = await door.get('/v1/sessions/s1/messages');
    fits(shapes.transcript, body);
    expect(body.messages.map(({ role, content }: any) => `${role}: ${content}`)).toEqual([
      ...['user: say hello', 'assistant: you said say hello', 'supervisor: hello, Ann here'],
    ]);
  });

  test('refuses what its state does not allow: 409 naming the state and what is allowed', async () => {
    const door = await open();
    await say(door, 's1');
    const { status, body } = await door.post('/v1/sessions/s1/release');
    expect(status).toBe(409);
    expect(body).toMatchObject({ code: 'illegal_in_state', state: 'automated/idle' });
    expect(body.allowed).toEqual(['cancel', 'close', 'inject', 'message', 'pause', 'takeover']);
    await door.post('/v1/sessions/s1/close');
    expect(await say(door, 's1')).toMatchObject({ status: 409, body: { code: 'session_ended', state: 'closed' } });
  });

  test('that nobody has heard of is 404 on every route but messages', async () => {
    const door = await open();
    for (const path of ['', '/messages', '/events', '/journal', '/journal?from=2'])
      expect((await door.get(`/v1/sessions/none${path}`)).body.code).toBe('unknown_session');
    for (const [verb, body] of [
      ['pause'],
      ['takeover', { by: 'a' }],
      ['approvals/x', { decision: 'approve', by: 'a' }],
    ])
      expect((await door.post(`/v1/sessions/none/${verb}`, body)).body.code).toBe('unknown_session');
  });

  test('asks a person, and goes on with the decision', async () => {
    const door = await open([approving]);
    const { body } = await say(door, 's1', 'go', { agent_id: 'careful' });
    const { approval } = body.question;
    const path = `/v1/sessions/s1/approvals/${approval}`;
    expect(await door.post('/v1/sessions/s1/approvals/other', { decision: 'approve', by: 'ann' })).toMatchObject({
      status: 409,
    });
    expect((await door.post(path, { decision: 'reject', by: 'ann', reason: 'too much' })).status).toBe(200);
    await expect.poll(async () => (await door.get('/v1/runs/s1-r1')).body.status).toBe('DONE');
    expect((await door.get('/v1/runs/s1-r1')).body.final_message).toContain('"reason":"too much"');
    expect((await door.post(path, { decision: 'approve', by: 'ann' })).status).toBe(409);
  });

  test('lets the caller run a tool, and goes on with its result', async () => {
    const door = await open([calling]);
    const { body } = await say(door, 's1', 'go', { agent_id: 'caller' });
    const path = `/v1/sessions/s1/tool-results/${body.question.call}`;
    expect((await door.post(path, { result: { sky: 'clear' } })).status).toBe(200);
    await expect.poll(async () => (await door.get('/v1/runs/s1-r1')).body.final_message).toContain('{"sky":"clear"}');
  });

  test('shows its journal, from anywhere', async () => {
    const door = await open();
    for (let i = 0; i < 3; i++) await say(door, 's1');
    const { body } = await door.get('/v1/sessions/s1/journal');
    fits(shapes.journal, body);
    expect(body.entries.map(({ n }: any) => n)).toEqual([1, 2, 3, 4, 5, 6]);
    const page = (await door.get('/v1/sessions/s1/journal?from=3&limit=2')).body;
    expect(page.entries.map(({ n }: any) => n)).toEqual([3, 4]);
    expect((await door.get('/v1/sessions/s1/journal?from=99')).body).toEqual({ entries: [] });
  });

  test('shows which transitions each entry took, when that is asked for', async () => {
    const door = await open();
    for (let i = 0; i < 2; i++) await say(door, 's1');
    const path = '/v1/sessions/s1/journal';
    const { body } = await door.get(`${path}?transitions=true`);
    fits(shapes.journal, body);
    const { edges } = (await door.get('/v1/machines')).body.machines.session;
    for (const { transitions } of body.entries)
      for (const one of transitions) expect(edges.find(({ id }: any) => id === one.id)).toMatchObject(one);
    expect(body.entries.map(({ transitions }: any) => transitions.at(-1).targets)).toEqual([
      ['session.open.turn.running'],
      ['session.open.turn.idle'],
      ['session.open.turn.running'],
      ['session.open.turn.idle'],
    ]);
    const { entries } = (await door.get(`${path}?transitions=true&from=2&limit=2`)).body;
    expect(entries).toEqual(body.entries.slice(1, 3));
    const plain = (await door.get(`${path}?transitions=false`)).body.entries;
    expect(plain).toEqual((await door.get(path)).body.entries);
    expect(plain.some((entry: object) => 'transitions' in entry)).toBe(false);
    expect((await door.get(`${path}?transitions=true&from=99`)).body).toEqual({ entries: [] });
    expect((await door.get('/v1/sessions/nobody/journal?transitions=true')).status).toBe(404);
  });

  test('belongs to its tenant, and no other sees it', async () => {
    const door = await open();
    const acme = { headers: { 'x-tenant-id': 'acme' } };
    await door.post('/v1/sessions/s1/messages', { content: 'say hi' }, acme);
    expect((await door.get('/v1/sessions/s1', acme)).status).toBe(200);
    expect((await door.get('/v1/sessions/s1')).status).toBe(404);
    expect((await door.get('/v1/runs/s1-r1')).status).toBe(404);
    expect((await door.get('/v1/sessions', acme)).body.sessions).toHaveLength(1);
    expect((await door.get('/v1/sessions')).body.sessions).toEqual([]);
  });
});

describe('a repeated request', () => {
  const twice = { headers: { 'idempotency-key': 'once' } };

  test('gets what the first one got, and is done once', async () => {
    const door = await open();
    const one = await door.post('/v1/sessions/s1/messages', { content: 'say hi' }, twice);
    const two = await door.post('/v1/sessions/s1/messages', { content: 'say hi' }, twice);
    expect(two).toMatchObject({ status: 200, body: { run_id: one.body.run_id, answer: one.body.answer } });
    expect((await door.get('/v1/sessions/s1')).body.entry).toBe(2);
    for (let i = 0; i < 2; i++)
      await door.post('/v1/sessions/s1/takeover', { by: 'ann' }, { headers: { 'idempotency-key': 'take' } });
    expect((await door.get('/v1/sessions/s1')).body).toMatchObject({ epoch: 1, entry: 3 });
    for (let i = 0; i < 2; i++)
      await door.post(
        '/v1/sessions/s1/inject',
        { by: 'ann', content: 'hi' },
        { headers: { 'idempotency-key': 'inj' } },
      );
    expect((await door.get('/v1/sessions/s1')).body.entry).toBe(4);
  });

  test('waits with the first one when that has no answer yet', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    const body = { content: 'go', agent_id: 'slow' };
    const both = [1, 2].map(() => door.post('/v1/sessions/s1/messages', body, twice));
    await slow.started;
    await sleep(20);
    slow.open('once');
    for (const { body } of await Promise.all(both)) expect(body).toMatchObject({ answer: 'once', run_id: 's1-r1' });
  });

  test('creates one session, also without an id', async () => {
    const door = await open();
    const [one, two] = [await door.post('/v1/sessions', {}, twice), await door.post('/v1/sessions', {}, twice)];
    expect(two.status).toBe(201);
    expect(two.body).toEqual(one.body);
    const other = await door.post('/v1/sessions', {}, { headers: { 'idempotency-key': 'another' } });
    expect(other.body.session_id).not.toBe(one.body.session_id);
  });

  test('whose key came with another request before is 422', async () => {
    const door = await open();
    await door.post('/v1/sessions/s1/messages', { content: 'say hi' }, twice);
    for (const [path, body] of [
      ['messages', { content: 'say something else' }],
      ['pause', {}],
    ] as const)
      expect(await door.post(`/v1/sessions/s1/${path}`, body, twice)).toMatchObject({
        status: 422,
        body: { code: 'idempotency_key_reused' },
      });
    expect((await door.get('/v1/sessions/s1')).body.control).toBe('automated');
  });

  test('at the same time as the first message of a session makes one session', async () => {
    const door = await open();
    const all = await Promise.all(Array.from({ length: 20 }, (_, i) => say(door, 's1', `say ${i}`)));
    expect(all.map(({ status }) => status)).toEqual(all.map(() => 200));
    expect(new Set(all.map(({ body }) => body.run_id)).size).toBe(20);
    expect(door.troupe.orchestrator.counts).toMatchObject({ broken: 0, created: 1 });
  });
});
