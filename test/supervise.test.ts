// The WebSocket of supervisors: commands and their replies, watching, and the fence on one connection.
import { once } from 'node:events';
import { setImmediate as breathe } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { type Door, openDoor } from './door.ts';

const echo: AgentDefinition = { id: 'echo', triggers: ['say'], run: (text) => `you said ${text}` };
const say = (door: Door, session = 's1', content = 'say hi') =>
  door.post(`/v1/sessions/${session}/messages`, { content });

async function supervisor(door: Door, options: { path?: string; headers?: Record<string, string> } = {}) {
  const { path = '/v1/supervise', headers } = options;
  const socket = new WebSocket(door.url.replace('http', 'ws') + path, { headers });
  onTestFinished(() => socket.terminate());
  const frames: any[] = [];
  const waiting = new Set<() => void>();
  socket.on('message', (data) => {
    frames.push(JSON.parse(data.toString()));
    for (const look of waiting) look();
  });
  await once(socket, 'open');
  const until = (matches: (frame: any) => boolean): Promise<any> =>
    new Promise((resolve) => {
      const look = () => {
        const found = frames.find(matches);
        if (!found) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
    });
  let count = 0;
  const ask = (frame: object): Promise<any> => {
    count += 1;
    const id = count;
    socket.send(JSON.stringify({ id, ...frame }));
    return until((reply) => reply.id === id);
  };
  return { socket, frames, until, ask };
}

test('a session is paused, resumed, taken over, spoken in, released and closed', async () => {
  const door = await openDoor({ agents: [echo] });
  await say(door);
  const { ask } = await supervisor(door);
  const did = async (frame: object) => {
    const { ok, state } = await ask({ session: 's1', ...frame });
    expect(ok).toBe(true);
    return state;
  };
  expect(await did({ verb: 'pause' })).toMatchObject({ session_id: 's1', control: 'paused' });
  expect(await did({ verb: 'resume', by: 'ann' })).toMatchObject({ control: 'automated' });
  expect(await did({ verb: 'takeover', by: 'ann' })).toMatchObject({ control: 'human', holder: 'ann', epoch: 1 });
  expect(await did({ verb: 'inject', by: 'ann', content: 'ann here' })).toMatchObject({ control: 'human' });
  expect(await did({ verb: 'release' })).toMatchObject({ control: 'automated', epoch: 2 });
  expect(await did({ verb: 'close' })).toMatchObject({ control: 'closed' });
  const { messages } = (await door.get('/v1/sessions/s1/messages')).body;
  expect(messages.at(-1)).toMatchObject({ role: 'supervisor', content: 'ann here', by: 'ann' });
});

test('an approval is given and a run is cancelled', async () => {
  const careful: AgentDefinition = {
    id: 'careful',
    triggers: ['refund'],
    run: (_, { call }) =>
      call.decision ? 'done' : { type: 'approval_required', action: 'refund', summary: 'Refund 20 €' },
  };
  const door = await openDoor({ agents: [careful] });
  const { ask } = await supervisor(door);
  const { question } = (await say(door, 's1', 'refund')).body;
  const { approval } = question;
  expect(await ask({ session: 's1', verb: 'approve', approval, decision: 'approve', by: 'ann' })).toMatchObject({
    ok: true,
  });
  await expect.poll(async () => (await door.get('/v1/runs/s1-r1')).body.status).toBe('DONE');
  await say(door, 's1', 'refund');
  expect(await ask({ session: 's1', verb: 'cancel' })).toMatchObject({ ok: true, state: { run: null } });
});

test('whoever watches gets what an event stream would give, under the same ids', async () => {
  const door = await openDoor({ agents: [echo] });
  await say(door);
  const { ask, frames, until } = await supervisor(door);
  expect(await ask({ session: 's1', verb: 'watch' })).toMatchObject({ ok: true, state: { entry: 2 } });
  await say(door);
  await until(({ id, event }) => id === '4' && event === 'state_change');
  const stream = await door.listen('/v1/sessions/s1/events');
  await stream.until(({ id }) => id === '4');
  const told = frames.filter(({ type }) => type === 'event');
  expect(told).toEqual(stream.heard.map((heard) => ({ type: 'event', session: 's1', ...heard })));
  for (const after of ['2', '3.1', '3', '4']) {
    const again = await supervisor(door);
    const reply = await again.ask({ session: 's1', verb: 'watch', after });
    expect(reply.ok).toBe(true);
    const rest = told.slice(told.findIndex(({ id }) => id === after) + 1);
    await expect.poll(() => again.frames.length - 1).toBe(rest.length);
    expect(again.frames.slice(1)).toEqual(rest);
  }
});

test('several sessions are watched on one connection, until they are not', async () => {
  const door = await openDoor({ agents: [echo] });
  for (const session of ['a', 'b']) await say(door, session);
  const { ask, frames, until } = await supervisor(door);
  for (const session of ['a', 'b']) await ask({ session, verb: 'watch', after: '2' });
  await ask({ session: 'a', verb: 'unwatch' });
  await say(door, 'a');
  await say(door, 'b');
  await until(({ session, id }) => session === 'b' && id === '4');
  expect(new Set(frames.filter(({ type }) => type === 'event').map(({ session }) => session))).toEqual(new Set(['b']));
});

test('after the reply to a takeover not one word of the AI comes over the connection', async () => {
  let over = false;
  onTestFinished(() => {
    over = true;
  });
  const deaf: AgentDefinition = {
    id: 'deaf',
    triggers: ['say'],
    async run(_, { part }) {
      for (let i = 0; !over; i++) {
        part(`${i} `);
        await breathe();
      }
      return 'late';
    },
  };
  const door = await openDoor({ agents: [deaf] });
  let words = 0;
  for (let round = 0; round < 20; round++) {
    over = false;
    const session = `s${round}`;
    await door.post('/v1/sessions', { session_id: session });
    const [taker, watcher] = [await supervisor(door), await supervisor(door)];
    for (const { ask } of [taker, watcher]) await ask({ session, verb: 'watch' });
    void say(door, session);
    for (const { until } of [taker, watcher]) await until(({ event }) => event === 'agent_stream_delta');
    const { id, state } = await taker.ask({ session, verb: 'takeover', by: 'ann' });
    expect(state.control).toBe('human');
    for (let i = 0; i < 20; i++) await breathe();
    over = true;
    await watcher.until(({ event }) => event === 'run_suspended');
    const isWord = ({ event }: { event?: string }) => event === 'agent_stream_delta' || event === 'agent_invoke_done';
    const reply = taker.frames.findIndex((frame) => frame.id === id && 'ok' in frame);
    expect(taker.frames.slice(reply).filter(isWord)).toEqual([]);
    const taken = watcher.frames.findIndex(({ event }) => event === 'run_suspended');
    expect(watcher.frames.slice(taken).filter(isWord)).toEqual([]);
    words += watcher.frames.filter(isWord).length;
    for (const { socket } of [taker, watcher]) socket.terminate();
  }
  expect(words).toBeGreaterThan(20);
});

test('what is wrong with a frame is said under its id, and the connection goes on', async () => {
  const door = await openDoor({ agents: [echo] });
  await say(door);
  const { socket, ask, until } = await supervisor(door);
  const refused = async (frame: object) => (await ask(frame)).error;
  expect(await refused({ session: 's1', verb: 'dance' })).toMatchObject({ code: 'bad_request' });
  expect((await refused({ session: 's1', verb: 'dance' })).message).toContain('frame.verb');
  expect((await refused({ session: 'S 1', verb: 'pause' })).message).toContain('frame.session');
  expect((await refused({ session: 's1', verb: 'takeover' })).message).toContain('frame.by');
  expect((await refused({ session: 's1', verb: 'pause', extra: 1 })).message).toContain('"extra"');
  expect(await refused({ session: 'none', verb: 'pause' })).toMatchObject({ code: 'unknown_session' });
  expect(await refused({ session: 'none', verb: 'watch' })).toMatchObject({ code: 'unknown_session' });
  expect(await refused({ session: 's1', verb: 'watch', after: 'x' })).toMatchObject({ code: 'bad_event_id' });
  expect(await refused({ session: 's1', verb: 'watch', after: '99' })).toMatchObject({ code: 'unknown_event_id' });
  expect(await refused({ session: 's1', verb: 'release' })).toMatchObject({
    code: 'illegal_in_state',
    state: 'automated/idle',
  });
  socket.send('{"id":');
  await until(({ error }) => error?.code === 'bad_json');
  socket.send(Buffer.from([1, 2, 3]), { binary: true });
  await until(({ error }) => error?.code === 'bad_json');
  socket.send('null');
  await until(({ error }) => error?.message.startsWith('frame:'));
  socket.send(`{"id":"deep","session":"s1","verb":"pause","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`);
  await until(({ error }) => error?.code === 'too_deep');
  expect(await ask({ session: 's1', verb: 'pause' })).toMatchObject({ ok: true });
});

test('a command repeated under its idempotency key is done once', async () => {
  const door = await openDoor({ agents: [echo] });
  await say(door);
  const { ask } = await supervisor(door);
  const take = { session: 's1', verb: 'takeover', by: 'ann', idempotency_key: 'k' };
  for (let i = 0; i < 2; i++) expect(await ask(take)).toMatchObject({ ok: true, state: { epoch: 1, entry: 3 } });
  expect((await ask({ ...take, by: 'bob' })).error.code).toBe('idempotency_key_reused');
});

test('a supervisor sees the sessions of its tenant only, named by header or query', async () => {
  const door = await openDoor({ agents: [echo] });
  await door.post('/v1/sessions/s1/messages', { content: 'say hi' }, { headers: { 'x-tenant-id': 'acme' } });
  const pause = { session: 's1', verb: 'pause' };
  expect((await (await supervisor(door)).ask(pause)).error.code).toBe('unknown_session');
  const byHeader = await supervisor(door, { headers: { 'x-tenant-id': 'acme' } });
  expect(await byHeader.ask(pause)).toMatchObject({ ok: true });
  const byQuery = await supervisor(door, { path: '/v1/supervise?tenant=acme' });
  expect(await byQuery.ask(pause)).toMatchObject({ ok: true });
});

test('a page of another site gets no connection, and neither does a bad tenant', async () => {
  const door = await openDoor({ agents: [echo] });
  const refused = async (path: string, headers: Record<string, string>) => {
    const socket = new WebSocket(door.url.replace('http', 'ws') + path, { headers });
    const [, response] = await once(socket, 'unexpected-response');
    socket.on('error', () => {});
    socket.terminate();
    return response.statusCode;
  };
  expect(await refused('/v1/supervise', { origin: 'https://evil.example' })).toBe(403);
  expect(await refused('/v1/supervise?tenant=NO', {})).toBe(400);
  expect(await refused('/v1/supervise', { 'x-tenant-id': 'NO' })).toBe(400);
  expect(await refused('/v1/nothing', {})).toBe(404);
  await supervisor(door, { headers: { origin: door.url } });
});

test('a plain request to the WebSocket’s path is told to upgrade', async () => {
  const door = await openDoor({ agents: [echo] });
  expect(await door.get('/v1/supervise')).toMatchObject({ status: 426, body: { code: 'upgrade_required' } });
});

test('a supervisor who went away without a word is noticed; the takeover stays', async () => {
  const door = await openDoor({ agents: [echo] }, { heartbeat_ms: 20 });
  await say(door);
  const { socket, ask } = await supervisor(door);
  await ask({ session: 's1', verb: 'watch' });
  await ask({ session: 's1', verb: 'takeover', by: 'ann' });
  // It answers no ping from here on.
  (socket as unknown as { _socket: { pause(): void } })._socket.pause();
  const closed = once(socket, 'close');
  await new Promise((resolve) => setTimeout(resolve, 100));
  (socket as unknown as { _socket: { resume(): void } })._socket.resume();
  await closed;
  expect((await door.get('/v1/sessions/s1')).body).toMatchObject({ control: 'human', holder: 'ann' });
});
