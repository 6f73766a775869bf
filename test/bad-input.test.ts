// Everything a caller can get wrong: refused with a code and a sentence, nothing written, nothing broken, nothing leaked.
import { once } from 'node:events';
import { connect } from 'node:net';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MAX_TEXT } from '../machines/session/events.ts';
import * as shapes from '../src/interfaces/http/shapes.ts';
import { type Door, openDoor, type Reply } from './door.ts';

const echo = { id: 'echo', triggers: ['say'], run: (text: string) => `you said ${text}` };
const MESSAGES = '/v1/sessions/s1/messages';
const JSON_TYPE = { 'content-type': 'application/json' };

let door: Door;
const logged: unknown[] = [];

beforeEach(async () => {
  logged.length = 0;
  const note = (details: object, message: string) => void logged.push([message, details]);
  const log = { debug: () => {}, info: () => {}, warn: note, error: note };
  door = await openDoor({ agents: [echo], log });
});

afterEach(async () => {
  // Whatever was refused before: nothing of it was written, nobody was blamed in the log, and the door still opens.
  expect((await door.get('/v1/sessions/s1')).status).toBe(404);
  expect(await door.post(MESSAGES, { content: 'say hi' })).toMatchObject({ status: 200, body: { run_id: 's1-r1' } });
  expect(door.troupe.orchestrator.counts.broken).toBe(0);
  expect(logged).toEqual([]);
});

const raw = (body: RequestInit['body'], headers: Record<string, string> = JSON_TYPE, path = MESSAGES): Promise<Reply> =>
  door.request('POST', path, { body, headers });

function isProblem({ status, headers, body }: Reply, wanted: number, code: string): void {
  expect({ status, code: body.code }).toEqual({ status: wanted, code });
  expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(shapes.problem.safeParse(body).error).toBe(undefined);
  expect(body.status).toBe(status);
  expect(JSON.stringify(body)).not.toMatch(/node_modules|\.ts:|at .*\(/);
}

describe('a body', () => {
  test.each([
    ['is no JSON', '{"content":'],
    ['is two JSONs', '{"content":"a"}{}'],
    ['has a comment', '{"content":"a"} // hm'],
    ['would change prototypes', '{"content":"a","__proto__":{"x":1}}'],
    ['would change constructors', '{"content":"a","constructor":{"prototype":{"x":1}}}'],
  ])('that %s is 400 bad_json', async (_, body) => isProblem(await raw(body), 400, 'bad_json'));

  test('that is not UTF-8 is 400 bad_json', async () => {
    const broken = Buffer.concat([Buffer.from('{"content":"say '), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    isProblem(await raw(broken), 400, 'bad_json');
  });

  test.each([
    ['is empty', '', 'body.content'],
    ['is null', 'null', 'body.content'],
    ['is a list', '[]', 'body:'],
    ['is a text', '"say hi"', 'body:'],
    ['lacks a field', '{}', 'body.content'],
    ['has an unknown field', '{"content":"say hi","mood":"good"}', '"mood"'],
    ['has a number for a text', '{"content":7}', 'body.content'],
    ['has an empty text', '{"content":""}', 'body.content: must not be empty'],
    ['has an agent that is no token', '{"content":"say hi","agent_id":"No Token"}', 'body.agent_id: must be 1 to 63'],
    ['has a flow that is an object', '{"content":"say hi","flow":{}}', 'body.flow'],
  ])('that %s is 400 naming the field', async (_, body, named) => {
    const reply = await raw(body);
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain(named);
    expect(reply.body.issues[0].field).toMatch(/^body/);
  });

  test('names every field that is wrong at once', async () => {
    const { body } = await raw('{"content":7,"agent_id":7,"more":1}');
    expect(body.issues).toHaveLength(3);
  });

  test(`with a text of more than ${MAX_TEXT} characters is 400, with just as many it is not`, async () => {
    const reply = await door.post(MESSAGES, { content: 'x'.repeat(MAX_TEXT + 1) });
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toBe(`body.content: must not be longer than ${MAX_TEXT} characters`);
    const most = await door.post('/v1/sessions/other/messages', { content: `say ${'x'.repeat(MAX_TEXT - 4)}` });
    expect(most.status).toBe(200);
  });

  test('of more than a mebibyte is 413, whether it says so or not', async () => {
    const large = JSON.stringify({ content: 'x'.repeat(1024 * 1024) });
    isProblem(await raw(large), 413, 'body_too_large');
    const pieces = new ReadableStream({
      start(stream) {
        for (let i = 0; i < 20; i++) stream.enqueue(Buffer.alloc(64 * 1024, 'x'));
        stream.close();
      },
    });
    const init = { body: pieces, headers: JSON_TYPE, duplex: 'half' } as RequestInit;
    // The connection may be closed before all of it was sent; then there is no reply to read.
    const reply = await door.request('POST', MESSAGES, init).catch(() => undefined);
    if (reply) isProblem(reply, 413, 'body_too_large');
  });

  test.each([
    ['deeper than anybody means', 100, 400],
    ['as deep as a stack', 100_000, 400],
    ['as deep as is allowed', 60, 201],
  ])('that is %s', async (_, levels, status) => {
    const deep = '['.repeat(levels) + ']'.repeat(levels);
    const reply = await raw(`{"session_id":"deep","config":{"x":${deep}}}`, JSON_TYPE, '/v1/sessions');
    expect(reply.status).toBe(status);
    if (status === 400) isProblem(reply, 400, 'too_deep');
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense'])(
    'of type %s is 415',
    async (type) => isProblem(await raw('content=say', { 'content-type': type }), 415, 'unsupported_media_type'),
  );

  test('of any JSON at all never breaks anything', async () => {
    const paths = [
      '',
      '/s1/messages',
      '/s1/pause',
      '/s1/takeover',
      '/s1/inject',
      '/s1/approvals/a',
      '/s1/tool-results/a',
    ];
    const wanted = fc.record(
      { content: fc.anything(), by: fc.anything(), mode: fc.anything(), settings: fc.anything(), extra: fc.anything() },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...paths), fc.oneof(fc.jsonValue(), wanted), async (path, body) => {
        const json = JSON.stringify(body) ?? 'null';
        // What is valid by chance may well be done, elsewhere than where the other tests look.
        const { status } = await raw(json, JSON_TYPE, `/v1/sessions${path.replace('s1', 'fuzzed')}`);
        expect(status, `${path} ${json}`).toBeLessThan(500);
      }),
      { numRuns: 300 },
    );
  });
});

describe('a path', () => {
  test.each([
    ['/v1/sessions/UPPER', 400, 'bad_request'],
    ['/v1/sessions/a.b', 400, 'bad_request'],
    ['/v1/sessions/..%2f..%2fetc', 400, 'bad_request'],
    ['/v1/sessions/%40agents', 400, 'bad_request'],
    ['/v1/sessions/*', 400, 'bad_request'],
    ['/v1/sessions/%3E', 400, 'bad_request'],
    [`/v1/sessions/${'x'.repeat(64)}`, 400, 'bad_request'],
    [`/v1/sessions/${'x'.repeat(900)}`, 400, 'bad_request'],
    ['/v1/sessions/%zz', 400, 'bad_url'],
    ['/v1/agents/No', 400, 'bad_request'],
    ['/v1/runs/No', 404, 'unknown_run'],
    ['/v1/nothing', 404, 'not_found'],
    ['/', 404, 'not_found'],
    ['/v1/sessions/s1/', 404, 'not_found'],
    ['/v1/sessions/s1/dance', 404, 'not_found'],
  ])('%s', async (path, status, code) => isProblem(await door.get(path), status, code));

  test('asked with a method that is not there is 405 with what is', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/v1/sessions', 'GET, HEAD, POST'],
      ['DELETE', '/v1/sessions/s1', 'GET, HEAD'],
      ['GET', '/v1/sessions/s1/pause', 'POST'],
      ['POST', '/v1/sessions/s1/events', 'GET'],
      ['PATCH', '/v1/agents/a', 'DELETE, GET, HEAD'],
      ['POST', '/metrics', 'GET, HEAD'],
    ] as const) {
      const reply = await door.request(method, path, { headers: { 'content-type': 'text/x-odd' } });
      isProblem(reply, 405, 'method_not_allowed');
      expect(reply.headers.get('allow')).toBe(allow);
    }
  });

  test.each([
    ['/v1/sessions?limit=0', 'query.limit'],
    ['/v1/sessions?limit=1001', 'query.limit'],
    ['/v1/sessions?limit=ten', 'query.limit'],
    ['/v1/sessions?limit=1&limit=2', 'query.limit'],
    ['/v1/sessions?cursor=%3F', 'query.cursor'],
    ['/v1/sessions?cursor=QGFnZW50cw', 'query.cursor'],
    ['/v1/sessions?sort=up', '"sort"'],
    ['/v1/sessions/s1/messages?view=half', 'query.view'],
    ['/v1/sessions/s1/journal?from=0', 'query.from'],
    ['/v1/sessions/s1/journal?transitions=yes', 'query.transitions'],
    ['/v1/sessions/s1/events?after=1&more=1', '"more"'],
  ])('with a bad query, %s, is 400 naming it', async (path, named) => {
    const reply = await door.get(path);
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain(named);
  });
});

describe('a header', () => {
  test.each(['UPPER', 'a.b', '*', 'a b', 'x'.repeat(64), '@agents'])('X-Tenant-Id: %s is 400', async (tenant) => {
    const reply = await door.get('/v1/sessions', { headers: { 'x-tenant-id': tenant } });
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain('X-Tenant-Id');
  });

  test('Idempotency-Key of more than 200 characters, or of none, is 400', async () => {
    for (const key of ['k'.repeat(201), '']) {
      const reply = await door.post(MESSAGES, { content: 'say hi' }, { headers: { 'idempotency-key': key } });
      isProblem(reply, 400, 'bad_request');
      expect(reply.body.detail).toContain('Idempotency-Key');
    }
  });

  test('Origin of another site is 403, of our own it is not', async () => {
    for (const origin of ['https://evil.example', 'null', `${door.url}0`])
      isProblem(await door.get('/v1/sessions', { headers: { origin } }), 403, 'cross_origin');
    expect((await door.get('/v1/sessions', { headers: { origin: door.url } })).status).toBe(200);
  });

  test('of more than 16 KiB is 431; what is no HTTP is 400', async () => {
    const answered = async (request: string) => {
      const socket = connect(Number(new URL(door.url).port), '127.0.0.1');
      await once(socket, 'connect');
      socket.write(request);
      let text = '';
      for await (const piece of socket) text += piece;
      const [head, body] = text.split('\r\n\r\n');
      expect(head).toContain('Content-Type: application/problem+json');
      return JSON.parse(body!);
    };
    const large = `GET / HTTP/1.1\r\nhost: x\r\nx-large: ${'x'.repeat(20_000)}\r\n\r\n`;
    expect(await answered(large)).toMatchObject({ status: 431, code: 'headers_too_large' });
    expect(await answered('hello there\r\n\r\n')).toMatchObject({ status: 400, code: 'bad_http' });
  });
});

describe('a command', () => {
  test.each([
    ['pause', { mode: 'gently' }, 'body.mode'],
    ['pause', { by: '' }, 'body.by'],
    ['takeover', {}, 'body.by'],
    ['takeover', { by: 'ann', deadline_ms: 0 }, 'body.deadline_ms'],
    ['takeover', { by: 'ann', deadline_ms: 1.5 }, 'body.deadline_ms'],
    ['takeover', { by: 'x'.repeat(201) }, 'body.by'],
    ['inject', { by: 'ann' }, 'body.content'],
    ['inject', { by: 'ann', content: 'x', mode: 'shout' }, 'body.mode'],
    ['release', { by: 7 }, 'body.by'],
    ['cancel', { reason: 'x'.repeat(2_001) }, 'body.reason'],
    ['approvals/a', { decision: 'maybe', by: 'ann' }, 'body.decision'],
    ['approvals/a', { decision: 'approve', by: 'ann', approval: 'b' }, '"approval"'],
    ['tool-results/a', { outcome: 1 }, '"outcome"'],
  ])('%s with %o is 400', async (verb, body, named) => {
    const reply = await door.post(`/v1/sessions/s1/${verb}`, body);
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain(named);
  });
});

describe('an agent', () => {
  const url = 'http://127.0.0.1:9';
  test.each([
    [{}, 'body.agent_id'],
    [{ agent_id: 'a' }, 'body.endpoint: give either'],
    [{ agent_id: 'a', endpoint: url, endpoints: [{ id: '1', url }] }, 'body.endpoint: give either'],
    [{ agent_id: 'a', endpoint: 'ftp://127.0.0.1' }, 'body.endpoint: must be a URL that begins with http'],
    [{ agent_id: 'a', endpoint: 'nonsense' }, 'body.endpoint'],
    [{ agent_id: 'a', endpoints: [] }, 'body.endpoints'],
    [{ agent_id: 'a', endpoints: [{ id: '1', url, weight: -1 }] }, 'body.endpoints.0.weight'],
    [{ agent_id: 'a', endpoints: [1, 2].map(() => ({ id: '1', url })) }, 'body.endpoints: ids must differ'],
    [{ agent_id: 'A', endpoint: url }, 'body.agent_id'],
    [{ agent_id: 'a', endpoint: url, triggers: [''] }, 'body.triggers.0'],
    [{ agent_id: 'a', endpoint: url, secret: 1 }, '"secret"'],
  ])('%o is not registered', async (body, named) => {
    const reply = await door.post('/v1/agents/register', body);
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain(named);
    expect((await door.get('/v1/agents')).body.agents).toHaveLength(1);
  });

  test.each([
    [{ session_id: 's1', agent_id: 'echo' }, 'body.input_message'],
    [
      { session_id: 's1', agent_id: 'echo', input_message: { role: 'assistant', content: 'x' } },
      'body.input_message.role',
    ],
    [
      { session_id: 's1', agent_id: 'echo', input_message: { role: 'user', content: '' } },
      'body.input_message.content',
    ],
    [{ agent_id: 'echo', input_message: { role: 'user', content: 'x' } }, 'body.session_id'],
  ])('is not invoked with %o', async (body, named) => {
    const reply = await door.post('/internal/invoke', body);
    isProblem(reply, 400, 'bad_request');
    expect(reply.body.detail).toContain(named);
  });
});

test('an error of ours says nothing of the inside, and is in the log', async () => {
  const original = door.troupe.pool.list;
  door.troupe.pool.list = () => {
    throw new Error('the secret is 42');
  };
  const reply = await door.get('/v1/agents');
  isProblem(reply, 500, 'internal');
  expect(JSON.stringify(reply.body)).not.toContain('42');
  expect(JSON.stringify(logged)).toContain('request failed');
  logged.length = 0;
  door.troupe.pool.list = original;
});
