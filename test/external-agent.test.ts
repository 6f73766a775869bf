// The story of an agent from outside: registered and invoked over HTTP, killed in the middle of an answer, avoided, and back.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { memoryJournal } from '../src/journal/memory.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { type AgentServer, EVENTS, event, type Handler, serveAgent } from './agent-server.ts';
import { type Door, openDoor, textOf } from './door.ts';

interface Instance {
  readonly url: string;
  /** Calls of `/invoke` it was given. */
  readonly calls: any[];
  die(): Promise<void>;
  /** Listens again, where it did before. */
  revive(): Promise<void>;
}

type Answering = (...[response, body]: Parameters<Handler>) => unknown;

const answer = (name: string, words: readonly string[] = ['good ', 'day ', 'from ', name]): Answering =>
  async function answering(response, body) {
    response.writeHead(200, EVENTS);
    for (const text of words) {
      response.write(event('delta', { text, run_id: body.run_id }));
      await sleep(2);
    }
    response.end(event('done', { final_message: words.join(''), usage: { total_tokens: 7 } }));
  };

async function instance(answering: Answering): Promise<Instance> {
  const calls: any[] = [];
  const handler: Handler = (response, body, request) => {
    if (request.url !== '/invoke') return response.writeHead(404).end();
    calls.push(body);
    return answering(response, body, request);
  };
  let server: AgentServer | undefined = await serveAgent(handler);
  const { port, url } = server;
  const die = async () => {
    await server?.[Symbol.asyncDispose]();
    server = undefined;
  };
  onTestFinished(die);
  return {
    url,
    calls,
    die,
    revive: async () => {
      server = await serveAgent(handler, port);
    },
  };
}

const open = (options: TroupeOptions = {}): Promise<Door> => openDoor({ settings: { backoff_ms: 5 }, ...options });

async function register(door: Door, instances: Readonly<Record<string, Instance>>): Promise<void> {
  for (const [instance_id, { url }] of Object.entries(instances))
    expect((await door.post('/v1/agents/register', { agent_id: 'desk', endpoint: url, instance_id })).status).toBe(201);
}

/** Invokes, waits for the end, and tells what happened: `type` of every event, with the endpoint where there is one. */
async function invoke(door: Door, session_id: string, content = 'hello'): Promise<{ run: any; events: any[] }> {
  const input_message = { role: 'user', content };
  const { status, body } = await door.post('/internal/invoke', { session_id, agent_id: 'desk', input_message });
  expect({ status, agent_id: body.agent_id }).toEqual({ status: 200, agent_id: 'desk' });
  const get = async (path = '') => (await door.get(`/v1/runs/${body.run_id}${path}`)).body;
  await expect.poll(async () => (await get()).status, { timeout: 10_000 }).toMatch(/DONE|FAILED/);
  return { run: await get(), events: (await get('/events')).events };
}

const told = (events: readonly any[]) =>
  events
    .filter(({ type }) => /^agent_(invoke|failed)/.test(type))
    .map(({ type, endpoint, code }) => [type, endpoint, code].filter(Boolean).join(' '));

const breakers = async (door: Door): Promise<Record<string, string>> => {
  const { endpoints } = (await door.get('/v1/agents')).body.agents.find(({ agent_id }: any) => agent_id === 'desk');
  return Object.fromEntries(endpoints.map(({ id, breaker }: any) => [id, breaker]));
};

test('an agent is registered, invoked, and its answer is in the run and in the session', async () => {
  const door = await open();
  const a = await instance(answer('a'));
  await register(door, { a });
  const { run, events } = await invoke(door, 's1');
  expect(run).toMatchObject({
    ...{ status: 'DONE', agent_id: 'desk', attempts: 1, session_id: 's1' },
    ...{ final_message: 'good day from a', usage: { total_tokens: 7 } },
  });
  expect(events.map(({ type }) => type).filter((type, i, all) => type !== all[i - 1])).toEqual([
    ...['message_accepted', 'run_started', 'user_input', 'run_routed', 'agent_invoke_started'],
    ...['agent_stream_delta', 'agent_invoke_done', 'run_done'],
  ]);
  const deltas = events.filter(({ type }) => type === 'agent_stream_delta');
  expect(deltas.map(({ text }) => text).join('')).toBe('good day from a');
  expect(a.calls[0]).toMatchObject({
    ...{ session_id: 's1', run_id: run.run_id, agent_id: 'desk', attempt: 1 },
    input_message: { role: 'user', content: 'hello' },
  });
  const { messages } = (await door.get('/v1/sessions/s1/messages')).body;
  expect(messages.map(({ role, content }: any) => `${role}: ${content}`)).toEqual([
    ...['user: hello', 'assistant: good day from a'],
  ]);
});

test('its instances take turns', async () => {
  const door = await open();
  const [a, b] = [await instance(answer('a')), await instance(answer('b'))];
  await register(door, { a, b });
  for (let i = 0; i < 6; i++) await invoke(door, `s${i}`);
  expect([a.calls.length, b.calls.length]).toEqual([3, 3]);
});

test('one that dies in the middle of an answer is replaced by the other, and listeners start that answer again', async () => {
  const door = await open();
  const a = await instance(async (response, { run_id }) => {
    response.writeHead(200, EVENTS);
    response.write(event('delta', { text: 'I was about to ', run_id }));
    await sleep(20);
    void a.die();
  });
  const b = await instance(answer('b'));
  await register(door, { a, b });
  await door.post('/v1/sessions', { session_id: 's1' });
  const listener = await door.listen('/v1/sessions/s1/events');
  const { run, events } = await invoke(door, 's1');
  expect(run).toMatchObject({ status: 'DONE', attempts: 2, final_message: 'good day from b' });
  expect(told(events)).toEqual([
    ...['agent_invoke_started', 'agent_invoke_failed desk/a cut_off', 'agent_failed_over'],
    ...['agent_invoke_started', 'agent_invoke_done desk/b'],
  ]);
  expect(events.find(({ type }) => type === 'agent_failed_over')).toMatchObject({ tried: ['desk/a'] });
  // The second delivery is another attempt of the same run, and says so.
  expect(b.calls[0]).toMatchObject({ run_id: run.run_id, attempt: 2 });
  expect(b.calls[0].idempotency_key).not.toBe(a.calls[0].idempotency_key);
  await listener.until(({ event }) => event === 'run_done');
  expect(listener.heard.some(({ data }) => data.text?.startsWith('I was'))).toBe(true);
  expect(textOf(listener.heard, run.run_id)).toBe('good day from b');
  const { messages } = (await door.get('/v1/sessions/s1/messages')).body;
  expect(messages).toHaveLength(2);
});

test('a breaker opens after five failures, lets one call through after its time, and closes when that went well', async () => {
  const clock = new SteppedClock();
  const door = await open({ clock });
  const [a, b] = [await instance(answer('a')), await instance(answer('b'))];
  await register(door, { a, b });
  await a.die();
  let failed = 0;
  for (let i = 0; failed < 5; i++) {
    expect(await breakers(door)).toEqual({ a: 'closed', b: 'closed' });
    const { run, events } = await invoke(door, `fails-${i}`);
    expect(run).toMatchObject({ status: 'DONE', final_message: 'good day from b' });
    failed += events.filter(({ code }) => code === 'unreachable').length;
  }
  expect(await breakers(door)).toEqual({ a: 'open', b: 'closed' });
  const shown = (await door.get('/v1/agents/desk')).body;
  expect(shown).toMatchObject({ state: 'degraded' });
  expect(shown.endpoints[0]).toMatchObject({ failures: 5, last_error: { code: 'unreachable' } });
  // From now on nobody is sent there, and no run loses time with it.
  for (let i = 0; i < 3; i++)
    expect(told((await invoke(door, `avoids-${i}`)).events)).toEqual([
      'agent_invoke_started',
      'agent_invoke_done desk/b',
    ]);

  clock.advance(60_000);
  expect(await breakers(door)).toEqual({ a: 'halfOpen', b: 'closed' });
  // The trial fails: it stays out for as long again.
  expect(told((await invoke(door, 'trial')).events)).toContain('agent_invoke_failed desk/a unreachable');
  expect(await breakers(door)).toMatchObject({ a: 'open' });

  await a.revive();
  clock.advance(60_000);
  expect(await breakers(door)).toMatchObject({ a: 'halfOpen' });
  expect(told((await invoke(door, 'well')).events)).toEqual(['agent_invoke_started', 'agent_invoke_done desk/a']);
  expect(await breakers(door)).toEqual({ a: 'closed', b: 'closed' });
  expect((await door.get('/v1/agents/desk')).body.state).toBe('available');
});

test('with all instances dead a run tries again after a while, then fails and says why', async () => {
  const door = await open({ settings: { backoff_ms: 40, attempts: 3 } });
  const [a, b] = [await instance(answer('a')), await instance(answer('b'))];
  await register(door, { a, b });
  await Promise.all([a.die(), b.die()]);
  const { run, events } = await invoke(door, 's1');
  expect(run).toMatchObject({ status: 'FAILED', attempts: 3, error: { code: 'unreachable' } });
  const failures = events.filter(({ type }) => type === 'agent_invoke_failed');
  expect(new Set(failures.map(({ endpoint }) => endpoint))).toEqual(new Set(['desk/a', 'desk/b']));
  // At the other instance at once, after a wait when there is no other.
  expect(failures[2].at - failures[1].at).toBeGreaterThanOrEqual(40);
  expect(await door.post('/v1/sessions/s2/messages', { content: 'hi', agent_id: 'desk' })).toMatchObject({
    status: 502,
    body: { code: 'unreachable' },
  });
});

test('an instance that comes back during the wait answers', async () => {
  const clock = new SteppedClock();
  const door = await open({ clock, settings: { backoff_ms: 500 } });
  const a = await instance(answer('a'));
  await register(door, { a });
  await a.die();
  const invoked = invoke(door, 's1');
  const turn = async () => (await door.get('/v1/sessions/s1')).body.turn;
  await expect.poll(turn).toBe('running.backingOff');
  await a.revive();
  clock.advance(500);
  expect((await invoked).run).toMatchObject({ status: 'DONE', attempts: 2, final_message: 'good day from a' });
});

test('when every breaker is open a message is 503 with Retry-After', async () => {
  const door = await open({
    settings: { attempts: 1 },
    pool: { breaker: { failure_threshold: 1, recovery_ms: 9_000 } },
  });
  const a = await instance((response) => response.writeHead(500).end());
  await register(door, { a });
  const say = () => door.post('/v1/sessions/s1/messages', { content: 'hi', agent_id: 'desk' });
  expect(await say()).toMatchObject({ status: 502, body: { code: 'agent_http_500' } });
  const { status, headers, body } = await say();
  expect({ status, code: body.code }).toEqual({ status: 503, code: 'no_agent_available' });
  expect(Number(headers.get('retry-after'))).toBeGreaterThan(5);
});

test('an agent that was registered is called after a restart of the service, and the one that was forgotten is not', async () => {
  const journal = memoryJournal();
  const a = await instance(answer('a'));
  const first = await open({ journal: { ...journal, close: async () => {} } });
  await register(first, { a });
  await first.close();
  const second = await open({ journal: { ...journal, close: async () => {} } });
  expect((await invoke(second, 's1')).run.final_message).toBe('good day from a');
  await second.request('DELETE', '/v1/agents/desk');
  await second.close();
  const third = await open({ journal });
  const input_message = { role: 'user', content: 'hi' };
  const body = { session_id: 's1', agent_id: 'desk', input_message };
  expect(await third.post('/internal/invoke', body)).toMatchObject({ status: 404, body: { code: 'unknown_agent' } });
});
