// Saying something over HTTP: what is answered, with which status, and what is refused with which code.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { AgentDefinition } from '../src/agents/definition.ts';
import * as shapes from '../src/interfaces/http/shapes.ts';
import { approving, calling, echo, failing, gate } from './agents.ts';
import { type Door, openDoor } from './door.ts';

const open = (agents: readonly AgentDefinition[] = [echo]): Promise<Door> => openDoor({ agents });
const say = (door: Door, session: string, content = 'say hello', more: object = {}) =>
  door.post(`/v1/sessions/${session}/messages`, { content, ...more });
const fits = (schema: z.ZodType, body: unknown) => expect(schema.safeParse(body).error).toBe(undefined);

describe('a message', () => {
  test('is answered with the answer, its run and its trace', async () => {
    const door = await open();
    const { status, body } = await say(door, 's1');
    expect(status).toBe(200);
    fits(shapes.outcome, body);
    expect(body).toMatchObject({
      status: 'done',
      answer: 'you said say hello',
      run_id: 's1-r1',
      agent_id: 'echo',
      state: { session_id: 's1', control: 'automated', turn: 'idle', entry: 2 },
    });
    expect(body.trace.map(({ type }: { type: string }) => type)).toEqual([
      ...['message_accepted', 'run_started', 'user_input', 'run_routed'],
      ...['agent_invoke_started', 'agent_invoke_done', 'run_done'],
    ]);
  });

  test('creates the session that nobody has heard of', async () => {
    const door = await open();
    expect((await door.get('/v1/sessions/s1')).status).toBe(404);
    await say(door, 's1');
    expect((await door.get('/v1/sessions/s1')).status).toBe(200);
  });

  test('asks for input with 200, for a decision with 202', async () => {
    const asking: AgentDefinition = { id: 'asking', run: () => ({ type: 'input_required', prompt: 'Which order?' }) };
    const door = await open([asking, approving, calling]);
    const asked = await say(door, 's1', 'go', { agent_id: 'asking' });
    expect(asked).toMatchObject({ status: 200, body: { status: 'awaiting_input', answer: 'Which order?' } });
    const waiting = await say(door, 's2', 'go', { agent_id: 'careful' });
    expect(waiting).toMatchObject({
      status: 202,
      body: { status: 'awaiting_approval', question: { approval: 's2-r1.1', action: 'refund' } },
    });
    expect(await say(door, 's3', 'go', { agent_id: 'caller' })).toMatchObject({
      status: 202,
      body: { status: 'awaiting_tool', question: { call: 's3-r1.1', name: 'weather' } },
    });
    for (const { body } of [asked, waiting]) fits(shapes.outcome, body);
  });

  test('to a paused or held session is kept, 202 with the state', async () => {
    const door = await open();
    await say(door, 's1');
    await door.post('/v1/sessions/s1/pause');
    expect(await say(door, 's1')).toMatchObject({
      status: 202,
      body: { status: 'accepted', answer: null, state: { control: 'paused', waiting: 1 } },
    });
    await door.post('/v1/sessions/s1/resume');
    await expect.poll(async () => (await door.get('/v1/sessions/s1')).body.turn).toBe('idle');
    const { body } = await door.get('/v1/sessions/s1/messages?view=llm');
    expect(body.messages.map(({ role }: { role: string }) => role)).toEqual(['user', 'assistant', 'user', 'assistant']);
  });

  test('whose run a takeover suspends is answered 202', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    const said = say(door, 's1', 'go', { agent_id: 'slow' });
    await slow.started;
    await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
    expect(await said).toMatchObject({ status: 202, body: { status: 'suspended', state: { control: 'human' } } });
  });

  test('whose run fails is a problem with the run’s id: 502 for an agent’s own failure', async () => {
    const door = await open([failing]);
    const { status, headers, body } = await say(door, 's1', 'go', { agent_id: 'failing' });
    expect(status).toBe(502);
    expect(headers.get('content-type')).toContain('application/problem+json');
    expect(body).toMatchObject({
      code: 'no_luck',
      status: 502,
      title: 'Bad Gateway',
      detail: 'it did not work',
      instance: '/v1/sessions/s1/messages',
      run_id: 's1-r1',
      agent_id: 'failing',
    });
    fits(shapes.problem, body);
  });

  test('that no agent matches is 422 no_match', async () => {
    const door = await open();
    expect(await say(door, 's1', 'something else')).toMatchObject({ status: 422, body: { code: 'no_match' } });
  });

  test('that a hook refuses is 422 refused, with its reason', async () => {
    const door = await openDoor({ agents: [echo], shouldProcess: () => ({ allow: false, reason: 'too many' }) });
    expect(await say(door, 's1')).toMatchObject({ status: 422, body: { code: 'refused', detail: 'too many' } });
  });

  test('whose agent takes too long is 504 timeout', async () => {
    const door = await openDoor({ agents: [gate().agent], settings: { attempt_ms: 20, attempts: 1 } });
    expect(await say(door, 's1', 'go', { agent_id: 'slow' })).toMatchObject({ status: 504, body: { code: 'timeout' } });
  });

  test('for which no agent is available is 503 with Retry-After', async () => {
    const door = await openDoor({
      agents: [{ id: 'down', run: () => Promise.reject(new Error('down')) }],
      settings: { attempts: 1 },
      pool: { breaker: { failure_threshold: 1, recovery_ms: 20_000 } },
    });
    expect((await say(door, 's1', 'go', { agent_id: 'down' })).status).toBe(502);
    const { status, body, headers } = await say(door, 's1', 'go', { agent_id: 'down' });
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'no_agent_available' });
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(15);
  });

  test('whose run is cancelled is 409 with the run’s id', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    const said = say(door, 's1', 'go', { agent_id: 'slow' });
    await slow.started;
    expect((await door.post('/v1/sessions/s1/cancel')).status).toBe(200);
    expect(await said).toMatchObject({ status: 409, body: { code: 'cancelled', run_id: 's1-r1' } });
  });

  test('to an unknown agent or flow is 404, and nothing is kept of it', async () => {
    const door = await open();
    expect(await say(door, 's1', 'hi', { agent_id: 'nobody' })).toMatchObject({
      status: 404,
      body: { code: 'unknown_agent', detail: 'there is no agent "nobody"; there are echo' },
    });
    expect(await say(door, 's1', 'hi', { flow: 'none' })).toMatchObject({
      status: 404,
      body: { code: 'unknown_flow' },
    });
    expect((await door.get('/v1/sessions/s1')).status).toBe(404);
  });

  test('beyond the queue is 429 with Retry-After, while busy under `reject` 409', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    for (const [session, settings, status, code] of [
      ['s1', { queue_limit: 1 }, 429, 'queue_full'],
      ['s2', { busy: 'reject' }, 409, 'busy'],
    ] as const) {
      await door.post('/v1/sessions', { session_id: session, settings });
      const first = say(door, session, 'one', { agent_id: 'slow' });
      await expect.poll(async () => (await door.get(`/v1/sessions/${session}`)).body.turn).toMatch('running');
      const second = status === 429 ? say(door, session, 'two', { agent_id: 'slow' }) : undefined;
      if (second) await expect.poll(async () => (await door.get(`/v1/sessions/${session}`)).body.waiting).toBe(1);
      const refused = await say(door, session, 'three', { agent_id: 'slow' });
      expect({ status: refused.status, code: refused.body.code }).toEqual({ status, code });
      expect(refused.headers.get('retry-after')).toBe('1');
      await door.post(`/v1/sessions/${session}/close`);
      await Promise.all([first, second]);
    }
  });

  test('whose caller leaves is answered all the same', async () => {
    const slow = gate();
    const door = await open([slow.agent]);
    const left = new AbortController();
    const said = door.post('/v1/sessions/s1/messages', { content: 'go', agent_id: 'slow' }, { signal: left.signal });
    await slow.started;
    left.abort();
    await expect(said).rejects.toThrow();
    await sleep(20);
    slow.open('the answer');
    await expect.poll(async () => (await door.get('/v1/runs/s1-r1')).body.status).toBe('DONE');
  });
});

describe('a message answered as events', () => {
  const talking: AgentDefinition = {
    id: 'talking',
    triggers: ['talk'],
    async *run() {
      for (const word of ['one ', 'two ', 'three']) {
        yield word;
        await sleep(5);
      }
    },
  };

  test('tells its run, the pieces of its answer, and the outcome last', async () => {
    const door = await open([talking]);
    const stream = await door.listen('/v1/sessions/s1/messages', { body: { content: 'talk' } });
    await stream.ended;
    const events = stream.heard.map(({ event }) => event).filter((event, i, all) => event !== all[i - 1]);
    expect(events).toEqual([
      ...['message_accepted', 'run_started', 'user_input', 'run_routed', 'agent_invoke_started', 'state_change'],
      ...['agent_stream_delta', 'agent_invoke_done', 'run_done', 'state_change', 'outcome'],
    ]);
    expect(stream.heard.at(-1)!.data).toMatchObject({ status: 'done', answer: 'one two three', run_id: 's1-r1' });
    expect(stream.heard.map(({ id }) => id).filter(Boolean)).toEqual([
      ...['1.0', '1.1', '1.2', '1.3', '1.4', '1', '2.0', '2.1', '2'],
    ]);
  });

  test('tells nothing of other runs', async () => {
    const slow = gate();
    const door = await open([slow.agent, talking]);
    const first = say(door, 's1', 'go', { agent_id: 'slow' });
    await slow.started;
    const stream = await door.listen('/v1/sessions/s1/messages', { body: { content: 'talk' } });
    slow.open('first');
    await first;
    await stream.ended;
    const runs = stream.heard.map(({ data }) => data.run_id).filter(Boolean);
    expect(new Set(runs)).toEqual(new Set(['s1-r2']));
    expect(stream.heard.at(-1)).toMatchObject({ event: 'outcome', data: { answer: 'one two three' } });
  });

  test('that is refused is a problem, no stream', async () => {
    const door = await open([talking]);
    const refused = await door.post(
      '/v1/sessions/s1/messages',
      { content: 'hi', agent_id: 'nobody' },
      { headers: { accept: 'text/event-stream' } },
    );
    expect(refused).toMatchObject({ status: 404, body: { code: 'unknown_agent' } });
  });

  test('that fails, or that came before, ends with its outcome', async () => {
    const door = await open([failing]);
    const body = { content: 'go', agent_id: 'failing' };
    const headers = { 'idempotency-key': 'k1' };
    const first = await door.listen('/v1/sessions/s1/messages', { body, headers });
    await first.ended;
    expect(first.heard.at(-1)!.data).toMatchObject({ status: 'failed', error: { code: 'no_luck' } });
    const again = await door.listen('/v1/sessions/s1/messages', { body, headers });
    await again.ended;
    expect(again.heard).toEqual([expect.objectContaining({ event: 'outcome' })]);
    expect(again.heard[0]!.data).toMatchObject({ run_id: 's1-r1', status: 'failed' });
  });
});
