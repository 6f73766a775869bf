// Streams of events: resumable from every id, never a word after a takeover, never more in memory than a socket holds.
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { createParser } from 'eventsource-parser';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { type Door, type Heard, openDoor, textOf } from './door.ts';

const EVENTS = '/v1/sessions/s1/events';
const withId = (heard: readonly Heard[]) => heard.filter(({ id }) => id !== undefined);
const isEnd = (run_id: string) => (heard: Heard) => heard.event === 'run_done' && heard.data.run_id === run_id;

/** Says a word whenever it is told to, and ends with `null`. */
function dictated() {
  const words: (string | null)[] = [];
  let wake: (() => void) | undefined;
  const agent: AgentDefinition = {
    id: 'dictated',
    async *run() {
      for (;;) {
        const word = words.shift();
        if (word === null) return;
        if (word !== undefined) yield word;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    },
  };
  const say = async (...said: (string | null)[]) => {
    words.push(...said);
    wake?.();
    await sleep(5);
  };
  return { agent, say };
}

const echo: AgentDefinition = { id: 'echo', triggers: ['say'], run: (text) => `you said ${text}` };
const message = (door: Door, content: string, agent_id?: string) =>
  door.post('/v1/sessions/s1/messages', { content, agent_id });

test('a listener is told every event with its id, then where the session stands', async () => {
  const door = await openDoor({ agents: [echo] });
  await message(door, 'say hi');
  const { heard, until, status } = await door.listen(EVENTS);
  await until(isEnd('s1-r1'));
  await until(({ id }) => id === '2');
  expect(status).toBe(200);
  expect(heard.map(({ id, event }) => `${id} ${event}`)).toEqual([
    ...['1.0 message_accepted', '1.1 run_started', '1.2 user_input', '1.3 run_routed', '1.4 agent_invoke_started'],
    ...['1 state_change', '2.0 agent_invoke_done', '2.1 run_done', '2 state_change'],
  ]);
  expect(heard[2]!.data).toEqual({
    type: 'user_input',
    run_id: 's1-r1',
    message_id: expect.any(String),
    content: 'say hi',
    at: expect.any(Number),
  });
  expect(heard[5]!.data).toMatchObject({
    ...{ session_id: 's1', state: 'automated/running.attempting', event: 'message', entry: 1 },
    ...{ control: 'automated', turn: 'running.attempting', epoch: 0, holder: null, waiting: 0 },
    ...{ run: { run_id: 's1-r1', agent_id: 'echo', attempt: 1, question: null } },
  });
});

test('resuming from any id gives exactly the rest, nothing twice', async () => {
  const door = await openDoor({ agents: [echo] });
  await message(door, 'say one');
  await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
  await message(door, 'say two');
  await door.post('/v1/sessions/s1/inject', { by: 'ann', content: 'ann here' });
  await door.post('/v1/sessions/s1/inject', { by: 'ann', content: 'mind the tone', mode: 'whisper' });
  await door.post('/v1/sessions/s1/release');
  await message(door, 'say three');
  await message(door, 'nothing matches');
  await door.post('/v1/sessions/s1/close');
  const all = await door.listen(EVENTS);
  // The session has ended, so its stream does.
  await all.ended;
  expect(all.heard.length).toBeGreaterThan(30);
  expect(all.heard.at(-1)!.data).toMatchObject({ control: 'closed' });
  for (const [index, { id }] of all.heard.entries()) {
    const rest = all.heard.slice(index + 1);
    for (const options of [{ headers: { 'last-event-id': id! } }, undefined]) {
      const resumed = await door.listen(options ? EVENTS : `${EVENTS}?after=${id}`, options);
      expect(resumed.status).toBe(rest.length > 0 ? 200 : 204);
      await resumed.ended;
      expect(resumed.heard).toEqual(rest);
    }
  }
});

test('who joins or comes back in the middle of an answer gets it from its beginning, then the rest of it', async () => {
  const speaker = dictated();
  const door = await openDoor({ agents: [echo, speaker.agent] });
  await message(door, 'say hi');
  const said = message(door, 'go', 'dictated');
  await speaker.say('one ', 'two ');
  const first = await door.listen(EVENTS);
  await first.until(({ event }) => event === 'agent_stream_delta');
  const seen = withId(first.heard).map(({ id }) => id!);
  expect(seen.at(-1)).toBe('3');
  const listeners = await Promise.all(seen.map((id) => door.listen(EVENTS, { headers: { 'last-event-id': id } })));
  for (const { until } of listeners) await until(({ event }) => event === 'agent_stream_delta');
  await speaker.say('three ');
  await speaker.say('four', null);
  await said;
  await first.until(({ id }) => id === '4');
  for (const [index, listener] of listeners.entries()) {
    await listener.until(({ id }) => id === '4');
    expect(withId(listener.heard)).toEqual(withId(first.heard).slice(index + 1));
    expect(textOf(listener.heard, 's1-r2')).toBe('one two three four');
    let offset = 0;
    for (const { event, data, id } of listener.heard) {
      if (event !== 'agent_stream_delta') continue;
      expect(id).toBe(undefined);
      expect(data).toMatchObject({ run_id: 's1-r2', attempt: 1, epoch: 0, offset });
      offset += data.text.length;
    }
  }
});

test('pieces come in order between the entries that begin and end their answer', async () => {
  const door = await openDoor({
    agents: [
      {
        id: 'fast',
        async *run() {
          for (let i = 0; i < 2_000; i++) {
            yield `${i} `;
            if (i % 50 === 0) await breathe();
          }
        },
      },
    ],
  });
  await door.post('/v1/sessions', { session_id: 's1' });
  const listener = await door.listen(EVENTS);
  await message(door, 'go', 'fast');
  await listener.until(isEnd('s1-r1'));
  const kinds = listener.heard.map(({ event }) => event);
  expect(kinds.indexOf('agent_stream_delta')).toBeGreaterThan(kinds.indexOf('agent_invoke_started'));
  expect(kinds.lastIndexOf('agent_stream_delta')).toBeLessThan(kinds.indexOf('agent_invoke_done'));
  expect(textOf(listener.heard, 's1-r1')).toBe(Array.from({ length: 2_000 }, (_, i) => `${i} `).join(''));
});

test('a takeover ends an answer for every listener: not one piece comes after it', async () => {
  const agent: AgentDefinition = {
    id: 'deaf',
    // Looks at no signal, and never stops by itself.
    async run(_, { part }) {
      for (let i = 0; !over; i++) {
        part(`${i} `);
        await breathe();
      }
      return 'the late answer';
    },
  };
  let over = false;
  onTestFinished(() => {
    over = true;
  });
  const door = await openDoor({ agents: [agent] });
  let words = 0;
  for (let round = 0; round < 20; round++) {
    over = false;
    const session = `s${round}`;
    await door.post('/v1/sessions', { session_id: session });
    const path = `/v1/sessions/${session}`;
    const asking = await door.listen(`${path}/messages`, { body: { content: 'go', agent_id: 'deaf' } });
    const listeners = [
      ...[asking, await door.listen(`${path}/events`), await door.listen(`/v1/runs/${session}-r1/events`)],
      ...[await door.listen(`${path}/events?after=1`)],
    ];
    for (const { until } of listeners) await until(({ event }) => event === 'agent_stream_delta');
    await sleep(round);
    const { body: acknowledged } = await door.post(`${path}/takeover`, { by: 'ann' });
    expect(acknowledged).toMatchObject({ control: 'human', epoch: 1 });
    await sleep(20);
    over = true;
    await sleep(5);
    for (const { heard } of listeners) {
      const taken = heard.findIndex(({ event }) => event === 'run_suspended');
      expect(taken).toBeGreaterThan(0);
      words += heard.filter(({ event }) => event === 'agent_stream_delta').length;
      expect(heard.slice(taken).filter(({ event }) => /delta|invoke_done/.test(event))).toEqual([]);
    }
    expect(JSON.stringify(listeners.map(({ heard }) => heard))).not.toContain('the late answer');
    for (const { close } of listeners) close();
  }
  expect(words).toBeGreaterThan(1_000);
});

/** A listener that does not read until it is told to: everything it was sent, once the server has ended it. */
async function stalled(door: Door, path: string) {
  const socket = connect(Number(new URL(door.url).port), '127.0.0.1');
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.pause();
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${new URL(door.url).host}\r\n\r\n`);
  await sleep(50);
  return async (enough: (heard: Heard) => boolean) => {
    const heard: Heard[] = [];
    const parser = createParser({
      onEvent: ({ id, event = 'message', data }) => heard.push({ id, event, data: JSON.parse(data) }),
    });
    let raw = Buffer.alloc(0);
    let inBody = false;
    // Chunked, as Node writes it: a size in hex, a line end, so many bytes, a line end.
    for await (const piece of socket.resume()) {
      raw = Buffer.concat([raw, piece]);
      if (!inBody) {
        const end = raw.indexOf('\r\n\r\n');
        if (end < 0) continue;
        raw = raw.subarray(end + 4);
        inBody = true;
      }
      for (;;) {
        const line = raw.indexOf('\r\n');
        const size = line < 0 ? Number.NaN : Number.parseInt(raw.toString('latin1', 0, line), 16);
        if (size === 0) return heard;
        if (Number.isNaN(size) || raw.length < line + size + 4) break;
        parser.feed(raw.toString('utf8', line + 2, line + 2 + size));
        raw = raw.subarray(line + size + 4);
      }
      if (heard.some(enough)) return heard;
    }
    return heard;
  };
}

test('a reader that is too slow is told to come back, and misses nothing when it does', async () => {
  const door = await openDoor({ agents: [echo] }, { buffer: 20 });
  await door.post('/v1/sessions', { session_id: 's1' });
  const read = await stalled(door, EVENTS);
  const long = `say ${'x'.repeat(60_000)}`;
  const TURNS = 100;
  for (let i = 0; i < TURNS; i++) await message(door, long);
  const heard = await read(() => false);
  expect(heard.at(-1)!.event).toBe('overrun');
  const last = withId(heard).at(-1)!.id!;
  expect(Number(last)).toBeLessThan(2 * TURNS);
  const resumed = await door.listen(EVENTS, { headers: { 'last-event-id': last } });
  await resumed.until(isEnd(`s1-r${TURNS}`));
  await resumed.until(({ id }) => id === `${2 * TURNS + 1}`);
  const ids = [...withId(heard), ...resumed.heard].map(({ id }) => id!);
  expect(new Set(ids).size).toBe(ids.length);
  const entries = ids.filter((id) => !id.includes('.')).map(Number);
  expect(entries).toEqual(Array.from({ length: 2 * TURNS + 1 }, (_, i) => i + 1));
});

test('what a slow reader has not been sent when a person takes over, it is never sent', async () => {
  const PIECES = 400;
  const piece = 'x'.repeat(100_000);
  const finished = Promise.withResolvers<void>();
  const door = await openDoor({
    agents: [
      {
        id: 'flood',
        async run(_, { part, signal }) {
          for (let i = 0; i < PIECES; i++) {
            part(piece);
            await breathe();
          }
          finished.resolve();
          return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        },
      },
    ],
  });
  await door.post('/v1/sessions', { session_id: 's1' });
  const read = await stalled(door, EVENTS);
  void message(door, 'go', 'flood').catch(() => {});
  await finished.promise;
  await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
  const heard = await read(({ event }) => event === 'run_suspended');
  const told = heard.filter(({ event }) => event === 'agent_stream_delta');
  const sent = told.reduce((sum, { data }) => sum + data.text.length, 0);
  // What the system's socket buffers had taken by then, and no more.
  expect(sent).toBeLessThan(0.5 * PIECES * piece.length);
  expect(heard.at(-1)!.event).not.toBe('agent_stream_delta');
});

test('a new attempt starts its answer again', async () => {
  let attempt = 0;
  const door = await openDoor({
    agents: [
      {
        id: 'flaky',
        async *run() {
          attempt += 1;
          yield `attempt ${attempt} `;
          await sleep(5);
          if (attempt === 1) throw new Error('lost it');
          yield 'done';
        },
      },
    ],
    settings: { backoff_ms: 5 },
  });
  await door.post('/v1/sessions', { session_id: 's1' });
  const listener = await door.listen(EVENTS);
  await message(door, 'go', 'flaky');
  await listener.until(isEnd('s1-r1'));
  const told = listener.heard.map(({ event, data }) => (event === 'agent_stream_delta' ? data.text : event));
  expect(told.slice(told.indexOf('agent_invoke_started')).filter((event) => event !== 'state_change')).toEqual([
    ...['agent_invoke_started', 'attempt 1 ', 'agent_invoke_failed'],
    ...['agent_invoke_started', 'attempt 2 ', 'done', 'agent_invoke_done', 'run_done'],
  ]);
  expect(textOf(listener.heard, 's1-r1')).toBe('attempt 2 done');
});

test('an idle stream beats, and ends at once when the server closes', async () => {
  const door = await openDoor({ agents: [echo] }, { heartbeat_ms: 10 });
  await door.post('/v1/sessions', { session_id: 's1' });
  const listener = await door.listen(EVENTS);
  await expect.poll(() => listener.comments.length).toBeGreaterThan(2);
  const began = Date.now();
  await door.close();
  await listener.ended;
  expect(Date.now() - began).toBeLessThan(1_000);
});

test('an id that this session never gave out is refused', async () => {
  const door = await openDoor({ agents: [echo] });
  await door.post('/v1/sessions', { session_id: 's1' });
  for (const [id, status, code] of [
    ...(['x', '1.', '-1', '1.2.3', '1e3', '9'.repeat(30)].map((id) => [id, 400, 'bad_event_id'] as const) as any),
    ...[['2', 409, 'unknown_event_id'] as const, ['7.0', 409, 'unknown_event_id'] as const],
  ])
    expect(await door.get(EVENTS, { headers: { 'last-event-id': id } })).toMatchObject({ status, body: { code } });
});

test('a browser may name its tenant in the query', async () => {
  const door = await openDoor({ agents: [echo] });
  await door.post('/v1/sessions', { session_id: 's1' }, { headers: { 'x-tenant-id': 'acme' } });
  expect((await door.get(EVENTS)).status).toBe(404);
  const listener = await door.listen(`${EVENTS}?tenant=acme`);
  await listener.until(({ id }) => id === '1');
});

test('listeners that leave are forgotten, and do not keep the server from closing', async () => {
  const door = await openDoor({ agents: [echo] });
  await door.post('/v1/sessions', { session_id: 's1' });
  const listeners = await Promise.all(Array.from({ length: 20 }, () => door.listen(EVENTS)));
  const open = async () => /troupe_event_streams (\d+)/.exec((await door.get('/metrics')).body)![1];
  await expect.poll(open).toBe('20');
  for (const { close } of listeners) close();
  await expect.poll(open).toBe('0');
  const began = Date.now();
  await door.close();
  expect(Date.now() - began).toBeLessThan(1_000);
});
