// The HTTP interface around conversations, route by route: runs, agents, and the node.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { sessionEvent, typesOf } from '../src/emitted/emitted.ts';
import * as shapes from '../src/interfaces/http/shapes.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { echo, failing, gate } from './agents.ts';
import { type Door, openDoor } from './door.ts';

const open = (agents: readonly AgentDefinition[] = [echo]): Promise<Door> => openDoor({ agents });
const say = (door: Door, session: string, content = 'say hello', more: object = {}) =>
  door.post(`/v1/sessions/${session}/messages`, { content, ...more });
const fits = (schema: z.ZodType, body: unknown) => expect(schema.safeParse(body).error).toBe(undefined);

describe('a run', () => {
  test('is begun by /internal/invoke, which does not wait', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    const invoked = await door.post('/internal/invoke', {
      session_id: 's1',
      agent_id: 'slow',
      input_message: { role: 'user', content: 'go' },
    });
    expect(invoked).toMatchObject({ status: 200, body: { run_id: 's1-r1', session_id: 's1', agent_id: 'slow' } });
    await slow.started;
    expect((await door.get('/v1/active')).body).toEqual({
      agents: [{ session_id: 's1', run_id: 's1-r1', agent_id: 'slow', status: 'running' }],
    });
    expect((await door.get('/v1/runs/s1-r1')).body).toMatchObject({ status: 'RUNNING', attempts: 1 });
    slow.open('done');
    await expect.poll(async () => (await door.get('/v1/runs/s1-r1')).body.status).toBe('DONE');
    const { body } = await door.get('/v1/runs/s1-r1');
    fits(shapes.runView, body);
    expect(body).toMatchObject({ session_id: 's1', agent_id: 'slow', final_message: 'done' });
    expect((await door.get('/v1/active')).body).toEqual({ agents: [] });
  });

  test('shows its events, with the pieces of its answer', async () => {
    const talking: AgentDefinition = {
      id: 'talking',
      async *run() {
        yield 'one ';
        await sleep(80);
        yield 'two';
      },
    };
    const door = await open([talking]);
    await say(door, 's1', 'go', { agent_id: 'talking' });
    const { body } = await door.get('/v1/runs/s1-r1/events');
    fits(shapes.runEvents, body);
    const deltas = body.events.filter(({ type }: any) => type === 'agent_stream_delta');
    expect(deltas.map(({ text, offset }: any) => [offset, text])).toEqual([
      [0, 'one '],
      [4, 'two'],
    ]);
    const stream = await door.listen('/v1/runs/s1-r1/events');
    await stream.ended;
    const told = stream.heard.map(({ event, id, data: { type: _, ...data } }) => ({ event, id, ...data }));
    expect(told.map(({ event }) => event)).toEqual(body.events.map(({ type }: any) => type));
    expect(told.filter(({ event }) => event === 'agent_stream_delta').map(({ text }: any) => text)).toEqual([
      ...['one ', 'two'],
    ]);
  });

  test('that nobody has heard of is 404', async () => {
    const door = await open();
    for (const id of ['s1-r1', 'nonsense', '%00'])
      for (const path of ['', '/events'])
        expect((await door.get(`/v1/runs/${id}${path}`)).body).toMatchObject({ status: 404, code: 'unknown_run' });
  });
});

describe('agents', () => {
  test('are registered, listed, and forgotten; each tenant has its own', async () => {
    const door = await open();
    const registered = await door.post('/v1/agents/register', {
      agent_id: 'far',
      endpoint: 'http://127.0.0.1:9/base',
      description: 'far away',
      capabilities: ['sums'],
    });
    expect(registered.status).toBe(201);
    fits(shapes.agentView, registered.body);
    expect(registered.body).toMatchObject({
      agent_id: 'far',
      kind: 'http',
      description: 'far away',
      endpoints: [{ id: '1', url: 'http://127.0.0.1:9/base', state: 'available.idle', breaker: 'closed' }],
    });
    expect((await door.get('/v1/agents')).body.agents.map(({ agent_id }: any) => agent_id)).toEqual(['echo', 'far']);
    expect((await door.get('/v1/agents/far')).body).toEqual(registered.body);
    const other = await door.get('/v1/agents', { headers: { 'x-tenant-id': 'other' } });
    expect(other.body.agents.map(({ agent_id }: any) => agent_id)).toEqual(['echo']);
    expect((await door.request('DELETE', '/v1/agents/far')).status).toBe(204);
    for (const gone of [door.get('/v1/agents/far'), door.request('DELETE', '/v1/agents/far')])
      expect(await gone).toMatchObject({ status: 404, body: { code: 'unknown_agent' } });
    expect((await door.request('DELETE', '/v1/agents/echo')).status).toBe(404);
  });

  test('get one more instance without losing what is known of the others', async () => {
    const door = await open();
    const register = (body: object) => door.post('/v1/agents/register', { agent_id: 'far', ...body });
    await register({ endpoint: 'http://127.0.0.1:9', triggers: ['sum'] });
    await say(door, 's1', 'sum', {});
    const { body } = await register({ endpoint: 'http://127.0.0.1:10', instance_id: 'second' });
    expect(body.endpoints).toMatchObject([
      { id: '1', failures: 3 },
      { id: 'second', failures: 0 },
    ]);
    expect(door.troupe.pool.get('default', 'far')!.definition.triggers).toEqual(['sum']);
    const replaced = await register({ endpoints: [{ id: 'second', url: 'http://127.0.0.1:10' }] });
    expect(replaced.body.endpoints.map(({ id }: any) => id)).toEqual(['second']);
  });

  test('are still registered after a restart', async () => {
    const journal = memoryJournal();
    const first = await openDoor({ journal: { ...journal, close: async () => {} } });
    await first.post('/v1/agents/register', { agent_id: 'far', endpoint: 'http://127.0.0.1:9' });
    await first.post('/v1/agents/register', { agent_id: 'far', endpoint: 'http://127.0.0.1:10', instance_id: '2' });
    await first.close();
    const second = await openDoor({ journal });
    const { body } = await second.get('/v1/agents/far');
    expect(body.endpoints.map(({ url }: any) => url)).toEqual(['http://127.0.0.1:9', 'http://127.0.0.1:10']);
  });

  test('say how their instances are', async () => {
    const door = await open();
    await door.post('/v1/agents/register', { agent_id: 'far', endpoint: 'http://127.0.0.1:9' });
    const beat = (body: object, agent = 'far') => door.post(`/v1/agents/${agent}/heartbeat`, body);
    expect((await beat({ instance_id: '1', in_flight: 2, capacity: 2, interval_s: 5, ts: Date.now() })).status).toBe(
      204,
    );
    expect((await door.get('/v1/agents/far')).body.endpoints[0]).toMatchObject({
      state: 'available.saturated',
      capacity: 2,
    });
    expect(await beat({ instance_id: 'x' })).toMatchObject({ status: 404, body: { code: 'unknown_instance' } });
    expect(await beat({ instance_id: '1' }, 'none')).toMatchObject({ status: 404, body: { code: 'unknown_agent' } });
  });
});

describe('the node', () => {
  test('says whether it is alive and takes work', async () => {
    const door = await open();
    for (const path of ['/health', '/readyz', '/livez'])
      expect(await door.get(path)).toMatchObject({ status: 200, body: { status: 'ok', state: 'serving.normal' } });
    door.troupe.orchestrator.actor.send({ type: 'journal.lost' });
    expect(await door.get('/readyz')).toMatchObject({ status: 503, body: { state: 'serving.degraded' } });
    expect((await door.get('/livez')).status).toBe(200);
  });

  test('shows its charts', async () => {
    const door = await open();
    const { machines } = (await door.get('/v1/machines')).body;
    expect(Object.keys(machines)).toEqual(expect.arrayContaining(['session', 'breaker', 'endpoint', 'orchestrator']));
    const ids = machines.session.nodes.map(({ id }: any) => id);
    expect(ids).toContain('session.open.control.human');
    for (const { source } of machines.session.edges) expect(ids).toContain(source);
  });

  test('counts what happens', async () => {
    const door = await open([echo, failing]);
    await say(door, 's1');
    await say(door, 's1', 'go', { agent_id: 'failing' });
    const { headers, body } = await door.get('/metrics');
    expect(headers.get('content-type')).toContain('text/plain');
    for (const line of [
      'troupe_sessions_resident 1',
      'troupe_sessions_created_total 1',
      'troupe_runs_total{outcome="done"} 1',
      'troupe_runs_total{outcome="failed"} 1',
      'troupe_transitions_total{state="automated/idle"} 2',
      'troupe_endpoint{tenant="*",agent="echo",endpoint="local",state="available.idle",breaker="closed"} 1',
      'troupe_http_request_duration_seconds_count{method="POST",route="/v1/sessions/:session_id/messages",status="200"} 1',
    ])
      expect(body.split('\n')).toContain(line);
  });

  test('describes every event of a run with its members', async () => {
    const door = await open();
    const { body } = await door.get('/openapi.json');
    const { schema } = body.paths['/v1/sessions/{session_id}/events'].get.responses['200'].content['text/event-stream'];
    expect(schema).toEqual({ $ref: '#/components/schemas/Event' });
    const described: any[] = body.components.schemas.Event.anyOf;
    const types = new Set(described.map(({ properties }) => properties.type.const));
    expect([...types]).toEqual([...typesOf(sessionEvent), 'agent_stream_delta']);
    const asked = described.find(({ properties }) => properties.type.const === 'approval_requested');
    expect(asked.required).toEqual(expect.arrayContaining(['run_id', 'approval', 'summary', 'id', 'at']));
  });

  test('describes its interface: every route, every parameter', async () => {
    const door = await open();
    const { body } = await door.get('/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(Object.keys(body.paths)).toEqual(
      expect.arrayContaining([
        ...['/v1/sessions', '/v1/sessions/{session_id}/messages', '/v1/sessions/{session_id}/takeover'],
        ...['/v1/sessions/{session_id}/events', '/v1/runs/{run_id}/events', '/v1/agents/register', '/internal/invoke'],
      ]),
    );
    for (const [path, methods] of Object.entries<any>(body.paths))
      for (const [method, { summary, parameters = [] }] of Object.entries<any>(methods)) {
        expect(summary, `${method} ${path}`).toBeTypeOf('string');
        for (const [, name] of path.matchAll(/\{(\w+)\}/g))
          expect(parameters.map(({ name }: any) => name)).toContain(name);
      }
  });
});
