// Agents behind HTTP, on real servers: how they answer, and every way in which they may not.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { AgentPool, type PoolOptions } from '../src/agents/pool.ts';
import { type AgentServer, callOf, EVENTS, event, failureOf, type Handler, lend, serveAgent } from './agent-server.ts';

const open: { server?: AgentServer; pool?: AgentPool } = {};

afterEach(async () => {
  open.pool?.stop();
  await open.server?.[Symbol.asyncDispose]();
});

async function poolOf(handler: Handler, options?: PoolOptions): Promise<AgentPool> {
  open.server = await serveAgent(handler);
  open.pool = new AgentPool(options);
  open.pool.register('*', { id: 'far', kind: 'http', endpoints: [{ id: 'a', url: open.server.url }] });
  return open.pool;
}

/** Calls an agent that answers with these bytes as server-sent events, written one piece at a time. */
async function answered(pieces: readonly (string | Uint8Array)[], end: 'end' | 'cut' | 'stay' = 'end') {
  const pool = await poolOf(async (response) => {
    response.writeHead(200, EVENTS);
    response.flushHeaders();
    response.socket?.setNoDelay(true);
    for (const piece of pieces) {
      response.write(piece);
      await sleep(2);
    }
    if (end === 'end') response.end();
    if (end === 'cut') response.destroy();
  });
  const io = lend();
  return { io, done: pool.call(callOf('far'), io) };
}

const codeOf = async (pieces: readonly (string | Uint8Array)[], end?: 'end' | 'cut') => {
  const { code, retryable } = await failureOf((await answered(pieces, end)).done);
  return { code, retryable };
};

test('an agent is told everything of the call, and its deltas are parts of the answer', async () => {
  let told: any;
  const pool = await poolOf((response, body, { url, headers }) => {
    told = { url, body, key: headers['idempotency-key'], accept: headers.accept };
    response.writeHead(200, EVENTS);
    response.write(event('delta', { text: 'good ', run_id: 's1.1' }));
    response.write(event('delta', { text: 'day', run_id: 's1.1' }));
    response.end(event('done', { final_message: 'good day', usage: { total_tokens: 7 } }));
  });
  const history = [{ role: 'user', content: 'before' }] as const;
  const io = lend({ history: async () => [...history] });
  const call = callOf('far', { guidance: ['be kind'], context: { vip: true }, tried: ['x/y'] });
  const done = await pool.call(call, io);
  expect(io.parts).toEqual(['good ', 'day']);
  expect(done).toMatchObject({
    result: { type: 'answer', final_message: 'good day', usage: { total_tokens: 7 } },
    endpoint: 'far/a',
    steps: [],
  });
  expect(told).toMatchObject({
    url: '/invoke',
    key: 's1#1.0',
    body: {
      session_id: 's1',
      run_id: 's1.1',
      agent_id: 'far',
      attempt: 1,
      idempotency_key: 's1#1.0',
      input_message: { role: 'user', content: 'hello' },
      input: [{ role: 'user', content: 'hello' }],
      guidance: ['be kind'],
      context: { vip: true },
      history,
    },
  });
  expect(told.accept).toContain('text/event-stream');
  expect(told.body).not.toHaveProperty('tried');
});

test('an answer may be cut anywhere: inside a character, inside a field name, inside a line end', async () => {
  const whole =
    event('delta', { text: 'grüß 🎭' }) + event('done', { final_message: 'grüß 🎭!' }).replaceAll('\n', '\r\n');
  const { io, done } = await answered([...Buffer.from(whole)].map((byte) => Uint8Array.of(byte)));
  expect((await done).result).toEqual({ type: 'answer', final_message: 'grüß 🎭!' });
  expect(io.parts).toEqual(['grüß 🎭']);
});

test('done without a final message: the answer is what was streamed', async () => {
  const { done } = await answered([event('delta', { text: 'a' }), event('delta', { text: 'b' }), event('done', {})]);
  expect((await done).result).toEqual({ type: 'answer', final_message: 'ab' });
});

test('done without deltas is an answer if it has a final message, and none if it has not', async () => {
  const { done } = await answered([event('done', { final_message: 'at once' })]);
  expect((await done).result).toEqual({ type: 'answer', final_message: 'at once' });
  open.pool?.stop();
  await open.server?.[Symbol.asyncDispose]();
  expect(await codeOf([event('done', {})])).toEqual({ code: 'empty_answer', retryable: false });
});

test('an agent may ask for input, for approval or for a person instead of answering', async () => {
  const { done } = await answered([event('done', { type: 'input_required', prompt: 'when?', task: { step: 2 } })]);
  expect((await done).result).toEqual({ type: 'input_required', prompt: 'when?', task: { step: 2 } });
});

test('a plain JSON answer will do', async () => {
  const pool = await poolOf((response) => {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' });
    response.end(JSON.stringify({ final_message: 'plain', usage: 'nonsense' }));
  });
  expect((await pool.call(callOf('far'), lend())).result).toEqual({ type: 'answer', final_message: 'plain' });
});

test('an error event fails the attempt as the agent says', async () => {
  const error = event('error', { code: 'quota', message: 'come back tomorrow', retryable: false });
  const { done } = await answered([event('delta', { text: 'x' }), error]);
  const failed = await failureOf(done);
  expect(failed).toMatchObject({ code: 'quota', message: 'come back tomorrow', retryable: false });
  expect(failed.details).toMatchObject({ endpoint: 'far/a', alternatives: 0 });
});

test.each([
  ['garbage', ['hello there\n\nhow are you\n\n']],
  ['a delta that is not JSON', ['event: delta\ndata: {oops\n\n']],
  ['a delta without text', [event('delta', { words: 'x' })]],
  ['a done of a wrong shape', [event('done', { final_message: 7 })]],
  ['bytes that are not UTF-8', [Uint8Array.of(0x64, 0xff, 0xfe, 0x0a)]],
])('%s is a bad answer', async (_, pieces) => {
  expect(await codeOf(pieces)).toEqual({ code: 'bad_answer', retryable: true });
});

test('a JSON answer that is none is a bad answer, and so is another content type', async () => {
  const types = ['application/json', 'text/html'];
  const pool = await poolOf((response) => response.writeHead(200, { 'content-type': types.shift() }).end('<html>'));
  const json = await failureOf(pool.call(callOf('far'), lend()));
  const html = await failureOf(pool.call(callOf('far'), lend()));
  expect([json.code, html.code]).toEqual(['bad_answer', 'bad_answer']);
  expect(html.message).toContain('text/html where text/event-stream or application/json belongs');
});

test('a stream that ends before done was cut off, and so was one whose connection broke', async () => {
  expect(await codeOf([event('delta', { text: 'half' })])).toEqual({ code: 'cut_off', retryable: true });
  open.pool?.stop();
  await open.server?.[Symbol.asyncDispose]();
  expect(await codeOf([event('delta', { text: 'half' })], 'cut')).toEqual({ code: 'cut_off', retryable: true });
});

test('what comes after done is not read, and the connection is closed', async () => {
  const after = [event('delta', { text: ' and more' }), event('done', { final_message: 'other' })];
  const { io, done } = await answered([event('done', { final_message: 'first' }), ...after], 'stay');
  expect((await done).result).toEqual({ type: 'answer', final_message: 'first' });
  await expect.poll(() => open.server!.connections.open).toBe(0);
  expect(io.parts).toEqual([]);
});

test('an answer that ends properly leaves the connection for the next call', async () => {
  const pool = await poolOf((response) => response.writeHead(200, EVENTS).end(event('done', { final_message: 'ok' })));
  for (let i = 0; i < 5; i++) {
    await pool.call(callOf('far'), lend());
    await sleep(5);
  }
  expect(open.server!.connections.total).toBe(1);
});

test('100 MB are not read: the answer is too large, memory stays as it was, the connection is closed', async () => {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  const pool = await poolOf(async (response) => {
    response.writeHead(200, EVENTS);
    while (written < 100e6 && !response.destroyed) {
      written += chunk.length;
      if (!response.write(chunk)) await Promise.race([new Promise((go) => response.once('drain', go)), sleep(50)]);
    }
    response.end();
  });
  const before = process.memoryUsage().rss;
  const failed = await failureOf(pool.call(callOf('far'), lend()));
  expect(failed).toMatchObject({ code: 'answer_too_large', retryable: false });
  expect(process.memoryUsage().rss - before).toBeLessThan(50e6);
  await expect.poll(() => open.server!.connections.open).toBe(0);
  expect(written).toBeLessThan(20e6);
});

test('the limit of an answer can be set, and holds for many small deltas too', async () => {
  const many = event('delta', { text: 'x' }).repeat(100);
  const pool = await poolOf((response) => response.writeHead(200, EVENTS).end(many), {
    http: { maxAnswerBytes: 1000 },
  });
  expect((await failureOf(pool.call(callOf('far'), lend()))).code).toBe('answer_too_large');
});

test('an agent that never answers is left at once when the run is', async () => {
  const pool = await poolOf(() => {});
  const controller = new AbortController();
  const done = failureOf(pool.call(callOf('far'), lend({ signal: controller.signal })));
  await expect.poll(() => open.server!.connections.open).toBe(1);
  controller.abort();
  expect(await done).toMatchObject({ code: 'aborted', retryable: false });
  await expect.poll(() => open.server!.connections.open).toBe(0);
  expect(pool.list('acme')[0]!.endpoints[0]).toMatchObject({ in_flight: 0, requests: 1, failures: 0 });
});

test('a run that leaves in the middle of an answer hears no more of it; a timeout is the endpoint’s failure', async () => {
  const { done } = await answered([event('delta', { text: 'one' })], 'stay');
  done.catch(() => {});
  const controller = new AbortController();
  const io = lend({ signal: controller.signal });
  const second = failureOf(open.pool!.call(callOf('far'), io));
  await expect.poll(() => io.parts).toEqual(['one']);
  controller.abort(new DOMException('too late', 'TimeoutError'));
  expect(await second).toMatchObject({ code: 'timed_out', retryable: true });
  expect(open.pool!.list('acme')[0]!.endpoints[0]).toMatchObject({ failures: 1 });
});

test.each([
  [429, { 'retry-after': '7' }, { code: 'agent_http_429', retryable: true }, 7],
  [503, { 'retry-after': new Date(Date.now() + 9_500).toUTCString() }, { code: 'agent_http_503', retryable: true }, 9],
  [500, {}, { code: 'agent_http_500', retryable: true }, undefined],
  [400, {}, { code: 'agent_http_400', retryable: false }, undefined],
  [302, { location: 'http://127.0.0.1:1/' }, { code: 'agent_http_302', retryable: false }, undefined],
])('%i fails the attempt and says whether and when to come back', async (status, headers, failure, wait) => {
  const pool = await poolOf((response) => response.writeHead(status, headers).end('no'));
  const failed = await failureOf(pool.call(callOf('far'), lend()));
  expect(failed).toMatchObject(failure);
  const { retry_after_s } = failed.details as { retry_after_s?: number };
  if (wait === undefined) expect(retry_after_s).toBe(undefined);
  else expect(Math.abs(retry_after_s! - wait)).toBeLessThanOrEqual(1);
});

test('nobody there: unreachable', async () => {
  const pool = await poolOf(() => {});
  await open.server![Symbol.asyncDispose]();
  const failed = await failureOf(pool.call(callOf('far'), lend()));
  expect(failed).toMatchObject({ code: 'unreachable', retryable: true });
  expect(failed.message).toContain('ECONNREFUSED');
});

test('credentials in a URL are sent as a header and shown nowhere', async () => {
  let told: string[] = [];
  const pool = await poolOf((response, _, { headers, url }) => {
    told = [headers.authorization ?? '', url ?? ''];
    response.writeHead(500).end();
  });
  const url = `http://user:s3cret@127.0.0.1:${open.server!.port}/base/?token=t0ken`;
  pool.register('*', { id: 'safe', kind: 'http', endpoints: [{ id: 'a', url }] });
  const failed = await failureOf(pool.call(callOf('safe'), lend()));
  expect(told).toEqual([`Basic ${btoa('user:s3cret')}`, '/base/invoke?token=t0ken']);
  const shown = JSON.stringify([failed.message, failed.details, String(failed.cause), pool.list('acme')]);
  expect(shown).not.toMatch(/s3cret|t0ken/);
  expect(shown).toContain(`http://127.0.0.1:${open.server!.port}/base`);
});

test('an endpoint whose URL is not HTTP is refused', () => {
  const register = () =>
    new AgentPool().register('*', { id: 'x', kind: 'http', endpoints: [{ id: 'a', url: 'file:///etc/passwd' }] });
  expect(register).toThrow(expect.objectContaining({ code: 'bad_endpoint_url' }));
});

test('an answer that has begun and of which nothing more comes is given up, and its connection closed', async () => {
  const server = await serveAgent(async (response, body) => {
    response.writeHead(200, EVENTS);
    response.write(':\n\n');
    await sleep(body.input_message.content === 'slow' ? 300 : 0);
    response.write(event('delta', { text: 'I was about to ' }));
    for (let n = 0; body.input_message.content === 'slow' && n < 6; n += 1) {
      await sleep(50);
      response.write(':\n\n');
    }
    if (body.input_message.content === 'slow') response.end(event('done', { final_message: 'worth the wait' }));
  });
  open.server = server;
  open.pool = new AgentPool();
  open.pool.register('*', { id: 'far', kind: 'http', endpoints: [{ id: 'a', url: server.url }], idle_ms: 200 });
  const say = (content: string) => open.pool!.call(callOf('far', { input: [{ role: 'user', content }] }), lend());
  expect(await failureOf(say('hello'))).toMatchObject({
    ...{ code: 'fell_silent', retryable: true },
    message: `${server.url}/invoke began to answer and was silent for 200 ms`,
  });
  await expect.poll(() => server.connections.open).toBe(0);
  // Thinking before the first word is not silence, and a comment is a sign of life.
  expect((await say('slow')).result).toMatchObject({ final_message: 'worth the wait' });
});
