// Calls of models against a real server: what an answer is, however it arrives, and every way in which it may not.
import { createServer } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scrubbed } from '../src/llm/failure.ts';
import { OpenAiModels } from '../src/llm/models.ts';
import { SteppedClock } from '../src/platform/clock.ts';
import { failureOf } from './agent-server.ts';
import { calling, hello, KEY, never, scope } from './llm.ts';

describe('an answer', () => {
  test('comes piece by piece, and as a whole with what it used', async () => {
    const { call, said } = await calling([{ text: ['Good ', 'day', '.'], usage: { input: 12, output: 3 } }]);
    expect(await call()).toEqual({
      text: 'Good day.',
      calls: [],
      finish_reason: 'stop',
      model: 'test-model',
      usage: { input_tokens: 12, output_tokens: 3, total_tokens: 15 },
    });
    expect(said).toEqual(['Good ', 'day', '.']);
  });

  test('costs what the settings say, the longest name of a model first, and less for what was cached', async () => {
    const prices = {
      m: { input_per_million: 100, output_per_million: 100 },
      'm-mini': { input_per_million: 1, output_per_million: 10, cached_input_per_million: 0.5 },
    };
    const answer = { text: 'x', usage: { input: 1_000, output: 100, cached: 400 }, model: 'm-mini-2026-01-01' };
    const { call } = await calling([answer], { prices });
    const { usage, model } = await call({ model: 'm-mini' });
    expect(model).toBe('m-mini-2026-01-01');
    expect(usage?.cost_usd).toBeCloseTo((600 * 1 + 400 * 0.5 + 100 * 10) / 1_000_000, 12);
  });

  test('without a count is an answer all the same', async () => {
    const { call } = await calling([{ text: 'x', usage: false }]);
    expect(await call()).toEqual({ text: 'x', calls: [], finish_reason: 'stop', model: 'test-model' });
  });

  test('has the tool calls, put together from pieces that come mixed with each other and with text', async () => {
    const piece = (delta: object, finish_reason: string | null = null) =>
      `data: ${JSON.stringify({ model: 'm', choices: [{ index: 0, delta, finish_reason }] })}\n\n`;
    const raw = [
      piece({ role: 'assistant', content: 'Let me ' }),
      piece({ tool_calls: [{ index: 0, id: 'c1', function: { name: 'weather', arguments: '{"ci' } }] }),
      piece({ tool_calls: [{ index: 1, id: 'c2', function: { name: 'time', arguments: '' } }] }),
      piece({ content: 'look.', tool_calls: [{ index: 0, function: { arguments: 'ty":"Oslo"}' } }] }),
      piece({}, 'tool_calls'),
      'data: [DONE]\n\n',
    ];
    const { call } = await calling([{ raw }]);
    expect(await call()).toMatchObject({
      text: 'Let me look.',
      finish_reason: 'tool_calls',
      calls: [
        { id: 'c1', name: 'weather', arguments: '{"city":"Oslo"}' },
        { id: 'c2', name: 'time', arguments: '{}' },
      ],
    });
  });

  test('of a server that does not number its tool calls, or gives them no ids, has them too', async () => {
    const piece = (tool_calls: object[], finish_reason: string | null = null) =>
      `data: ${JSON.stringify({ model: 'm', choices: [{ delta: { tool_calls }, finish_reason }] })}\n\n`;
    const unnumbered = [
      piece([{ id: 'a', function: { name: 'one', arguments: '{}' } }]),
      piece([{ id: 'b', function: { name: 'two', arguments: '{"x"' } }]),
      piece([{ function: { arguments: ':1}' } }], 'tool_calls'),
      'data: [DONE]\n\n',
    ];
    const nameless = [piece([{ index: 0, function: { name: 'one', arguments: '{}' } }], 'stop'), 'data: [DONE]\n\n'];
    const { call } = await calling([{ raw: unnumbered }, { raw: nameless }]);
    expect((await call()).calls).toEqual([
      { id: 'a', name: 'one', arguments: '{}' },
      { id: 'b', name: 'two', arguments: '{"x":1}' },
    ]);
    expect((await call()).calls).toEqual([{ id: 'call_0', name: 'one', arguments: '{}' }]);
  });

  test('keeps arguments that are no JSON as the model wrote them', async () => {
    const { call } = await calling([{ calls: [{ name: 'weather', arguments: '{"city": "Os' }] }]);
    expect((await call()).calls).toEqual([{ id: 'call_0', name: 'weather', arguments: '{"city": "Os' }]);
  });

  test('may be a refusal, with the words of the model or because the endpoint withheld it', async () => {
    const { call } = await calling([{ refusal: 'I cannot help with that.' }, { finish_reason: 'content_filter' }]);
    expect(await call()).toMatchObject({ text: '', refusal: 'I cannot help with that.', finish_reason: 'stop' });
    expect(await call()).toMatchObject({ refusal: 'the endpoint withheld the answer (content_filter)' });
  });

  test('that was cut off by the limit of tokens says so in its finish_reason', async () => {
    const { call } = await calling([{ text: 'Once upon', finish_reason: 'length' }]);
    expect(await call()).toMatchObject({ text: 'Once upon', finish_reason: 'length' });
  });

  test('that is empty is none: worth another try, unless the tokens were used up', async () => {
    const { call } = await calling([{ text: '' }, { text: '', finish_reason: 'length' }]);
    expect(await failureOf(call())).toMatchObject({ code: 'bad_model_answer', retryable: true });
    expect(await failureOf(call())).toMatchObject({ code: 'bad_model_answer', retryable: false });
  });

  test('is the same however its bytes are cut', async () => {
    const text = ['Grüße ', '東京 ', '👩‍🚀', '\n\ndata: no', ' "quoted" \\ '];
    const calls = [{ id: 'c1', name: 'größe', arguments: { ort: '東京 👩‍🚀' } }];
    for (const split of [1, 2, 3, 5, 7, 64, 1_000]) {
      const { call } = await calling([{ text, calls, split }]);
      const reply = await call();
      expect([split, reply.text]).toEqual([split, text.join('')]);
      expect(reply.calls).toEqual([{ id: 'c1', name: 'größe', arguments: '{"ort":"東京 👩‍🚀"}' }]);
    }
  });

  test('counts when all of it was said, even if the connection breaks before the count', async () => {
    // The role, two words, the end: cut before the count.
    const { call } = await calling([{ text: 'all said', cut: { after: 4, how: 'break' } }]);
    expect(await call()).toEqual({ text: 'all said', calls: [], finish_reason: 'stop', model: 'test-model' });
  });
});

describe('a request', () => {
  test('asks for a stream with its count, of the model, as the caller says', async () => {
    const { call, server } = await calling(['ok'], { temperature: 0.3 });
    const tool = { name: 'weather', description: 'the weather', parameters: { type: 'object', properties: {} } };
    await call({ tools: [tool], tool_choice: { name: 'weather' }, max_output_tokens: 50, parallel_tool_calls: false });
    expect(server.requests[0]!.body).toEqual({
      model: 'test-model',
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0.3,
      max_completion_tokens: 50,
      messages: [{ role: 'user', content: 'hello' }],
      tools: [{ type: 'function', function: tool }],
      tool_choice: { type: 'function', function: { name: 'weather' } },
      parallel_tool_calls: false,
    });
  });

  test('carries the key and the idempotency key, and nothing else of the machine it comes from', async () => {
    process.env.OPENAI_ORG_ID = 'org-of-somebody';
    process.env.OPENAI_CUSTOM_HEADERS = 'X-Secret: for another server';
    try {
      const { models, server } = await calling(['ok']);
      await models.call({ ...scope, idempotency_key: 'acme/s1#4.0' }, hello, { signal: never() });
      const { host: _, connection: __, 'user-agent': agent, ...headers } = server.requests[0]!.headers;
      expect(agent).toMatch(/openai/i);
      expect(headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'idempotency-key': 'acme/s1#4.0' });
      expect(Object.keys(headers).filter((name) => /org|secret|stainless/.test(name))).toEqual([]);
    } finally {
      delete process.env.OPENAI_ORG_ID;
      delete process.env.OPENAI_CUSTOM_HEADERS;
    }
  });

  test('goes without a key to an endpoint that needs none', async () => {
    const { call, server } = await calling(() => 'ok', { api_key: undefined });
    await expect(call()).rejects.toMatchObject({ code: 'model_refused_key' });
    expect(server.requests).toEqual([]);
    const models = new OpenAiModels({ settings: { founder: { base_url: server.url, model: 'm' } } });
    await expect(models.call(scope, hello, { signal: never() })).rejects.toMatchObject({
      message: expect.stringContaining('refused the API key (401)'),
    });
  });

  test('is not made when nothing says where to, or which model', async () => {
    const nowhere = new OpenAiModels({ settings: { founder: { model: 'm' } } });
    expect(await failureOf(nowhere.call(scope, hello, { signal: never() }))).toMatchObject({
      code: 'llm_not_configured',
      retryable: false,
      message: expect.stringContaining('OPENAI_API_KEY'),
    });
    const { call, server } = await calling(['ok'], { model: undefined });
    expect(await failureOf(call())).toMatchObject({ code: 'llm_not_configured', retryable: false });
    expect(server.requests).toEqual([]);
  });
});

describe('a failure', () => {
  test.each([
    [429, 'rate_limited', true],
    [500, 'model_failed', true],
    [502, 'model_failed', true],
    [503, 'model_failed', true],
    [408, 'model_failed', true],
    [409, 'model_failed', true],
    [401, 'model_refused_key', false],
    [403, 'model_refused_key', false],
    [400, 'bad_model_request', false],
    [404, 'bad_model_request', false],
    [413, 'bad_model_request', false],
    [422, 'bad_model_request', false],
    [302, 'bad_model_request', false],
  ])('of status %i is %s, worth another try: %s; it is asked once', async (status, code, retryable) => {
    const { call, server } = await calling([{ status, message: 'because of this' }, 'never said']);
    const failed = await failureOf(call());
    expect(failed).toMatchObject({ code, retryable, details: { status } });
    if (status !== 401) expect(failed.message).toContain('because of this');
    expect(server.requests).toHaveLength(1);
  });

  test('that says when to try again is told with the seconds, from a number or a date', async () => {
    const at = (retry_after: string | number, status = 429) => ({ status, retry_after });
    const answers = [at(7), at('0.2'), at('Thu, 01 Jan 2026 00:01:30 GMT'), at('soon'), at(3, 503)];
    const { call } = await calling(answers, {}, { clock: new SteppedClock(Date.parse('2026-01-01T00:00:00Z')) });
    expect((await failureOf(call())).details).toEqual({ status: 429, retry_after_s: 7 });
    expect((await failureOf(call())).details).toEqual({ status: 429, retry_after_s: 1 });
    expect((await failureOf(call())).details).toEqual({ status: 429, retry_after_s: 90 });
    expect((await failureOf(call())).details).toEqual({ status: 429 });
    expect((await failureOf(call())).details).toEqual({ status: 503, retry_after_s: 3 });
  });

  test('of an exhausted account is not worth another try', async () => {
    const { call } = await calling([{ status: 429, code: 'insufficient_quota', message: 'You exceeded your quota' }]);
    expect(await failureOf(call())).toMatchObject({ code: 'rate_limited', retryable: false });
  });

  test('that is a page of a proxy is told in its first words', async () => {
    const { call } = await calling([{ status: 502, body: `<html>Bad gateway${' '.repeat(400)}end</html>` }]);
    const { message } = await failureOf(call());
    expect(message).toMatch(/answered 502: <html>Bad gateway/);
    expect(message).not.toContain('end');
  });

  test('of a connection that breaks in the middle is model_cut_off', async () => {
    const { call, said } = await calling([{ text: 'one two three', cut: { after: 2, how: 'break' } }]);
    expect(await failureOf(call())).toMatchObject({ code: 'model_cut_off', retryable: true });
    expect(said).toEqual(['one ']);
  });

  test('of a stream that ends as if it were whole, without having said so, is model_cut_off', async () => {
    const { call } = await calling([{ text: 'one two three', cut: { after: 2, how: 'end' } }]);
    expect(await failureOf(call())).toMatchObject({ code: 'model_cut_off', retryable: true });
  });

  test('of a stream that is no JSON, or no stream, is not an answer', async () => {
    const { call } = await calling([{ raw: ['data: {"choices": oops\n\n'] }, { raw: ['{"choices":[]}'] }]);
    expect(await failureOf(call())).toMatchObject({ code: 'bad_model_answer', retryable: true });
    expect(await failureOf(call())).toMatchObject({ code: 'model_cut_off' });
  });

  test('told inside the stream is a failure', async () => {
    const error = (body: object) => ({ raw: [`data: ${JSON.stringify({ error: body })}\n\n`] });
    const { call } = await calling([
      error({ message: 'overloaded', type: 'server_error', code: null }),
      error({ message: 'too fast', code: 'rate_limit_exceeded' }),
      error({ message: 'too long', type: 'invalid_request_error' }),
    ]);
    expect(await failureOf(call())).toMatchObject({ code: 'model_failed', retryable: true });
    expect(await failureOf(call())).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(await failureOf(call())).toMatchObject({ code: 'bad_model_request', retryable: false });
  });

  test('to reach anybody is model_unreachable, and says where', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    const { port } = await new Promise<{ port: number }>((resolve) =>
      server.once('listening', () => resolve(server.address() as never)),
    );
    await new Promise((resolve) => server.close(resolve));
    const founder = { base_url: `http://127.0.0.1:${port}/v1`, api_key: KEY, model: 'm' };
    const models = new OpenAiModels({ settings: { founder } });
    expect(await failureOf(models.call(scope, hello, { signal: never() }))).toMatchObject({
      code: 'model_unreachable',
      retryable: true,
      message: `http://127.0.0.1:${port}/v1 cannot be reached (ECONNREFUSED)`,
    });
  });
});

describe('a call ends at once', () => {
  test.each([
    ['before the first byte', { text: 'x', pace_ms: 60_000 }],
    ['in the middle', { text: 'one two three', cut: { after: 2, how: 'hang' as const } }],
  ])('when it is aborted %s, and the server learns of it', async (_, answer) => {
    const { call, server, said } = await calling([answer]);
    const leaving = new AbortController();
    const reason = new Error('the run left');
    const asked = call({}, leaving.signal);
    asked.catch(() => {});
    await expect.poll(() => server.requests.length).toBe(1);
    if ('cut' in answer) await expect.poll(() => said).toEqual(['one ']);
    leaving.abort(reason);
    await expect(asked).rejects.toBe(reason);
    await expect.poll(() => server.left).toBe(1);
  });

  test('when it was aborted before it began: nothing is asked', async () => {
    const { call, server } = await calling(['x']);
    const reason = new Error('gone');
    await expect(call({}, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(server.requests).toEqual([]);
  });

  test('when it takes longer than the settings allow', async () => {
    const { call } = await calling([{ text: 'x', pace_ms: 60_000 }], { timeout_ms: 50 });
    expect(await failureOf(call())).toMatchObject({ code: 'timed_out', retryable: true });
  });
});

describe('no key gets into a message', () => {
  const forms: [string, string][] = [
    ['as it is', KEY],
    ['masked', `${KEY.slice(0, 8)}**********${KEY.slice(-4)}`],
    ['cut', KEY.slice(0, 30)],
    ['encoded', Buffer.from(KEY).toString('base64')],
  ];
  test.each(forms)('when the server repeats it %s', async (_, echoed) => {
    for (const status of [400, 401, 403, 404, 429, 500]) {
      const { call } = await calling([{ status, message: `You sent ${echoed}, which is wrong` }]);
      const { message, details } = await failureOf(call());
      expect(message).not.toContain(echoed);
      expect(JSON.stringify([message, details])).not.toContain(KEY.slice(8, 24));
    }
  });

  test('whatever stands around it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string({ minLength: 8 }), (before, after, key) => {
        expect(scrubbed(`${before} ${key} ${after}`, key).includes(key)).toBe(false);
      }),
    );
  });
});
