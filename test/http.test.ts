// The HTTP interface, route by route: what is answered, and what is refused with which code.
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { AgentDefinition } from '../src/agent.ts';
import * as shapes from '../src/http/shapes.ts';
import { defineAgent, Failed } from '../src/index.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { type Door, openDoor } from './door.ts';

const echo = defineAgent({ id: 'echo', triggers: ['say'], run: (text) => `you said ${text}` });

/** Answers when it is let go. */
function gate() {
  const opened = Promise.withResolvers<string>();
  const started = Promise.withResolvers<void>();
  const agent: AgentDefinition = {
    id: 'slow',
    run: (_, { signal }) => {
      started.resolve();
      return Promise.race([
        opened.promise,
        new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      ]);
    },
  };
  return { agent, open: opened.resolve, started: started.promise };
}

const approving: AgentDefinition = {
  id: 'careful',
  run: (_, { call }) =>
    call.decision
      ? `decided: ${JSON.stringify(call.decision)}`
      : { type: 'approval_required', action: 'refund', summary: 'Refund 20 €' },
};
const calling: AgentDefinition = {
  id: 'caller',
  run: (_, { call }) =>
    call.decision
      ? `got: ${JSON.stringify(call.decision)}`
      : { type: 'tool_required', name: 'weather', arguments: { city: 'Kyoto' } },
};
const failing: AgentDefinition = {
  id: 'failing',
  run: () => {
    throw new Failed('no_luck', 'it did not work', false);
  },
};

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
    expect(body.allowed).toEqual(expect.arrayContaining(['close', 'message', 'pause', 'takeover']));
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
      endpoints: [{ id: '1', url: 'http://127.0.0.1:9/base', state: 'available/idle', breaker: 'closed' }],
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
      state: 'available/saturated',
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
      'troupe_endpoint{tenant="*",agent="echo",endpoint="local",state="available/idle",breaker="closed"} 1',
      'troupe_http_request_duration_seconds_count{method="POST",route="/v1/sessions/:session_id/messages",status="200"} 1',
    ])
      expect(body.split('\n')).toContain(line);
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
