// The OpenAI API of the service, asked by the openai package: conversations as models, and the models behind them.
import OpenAI from 'openai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Failed } from '../src/platform/errors.ts';
import type { ModelAnswer, ModelServer } from '../src/testing/model-server.ts';
import { scripted, streamed } from '../src/testing/scripted.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { type Door, openDoor } from './door.ts';
import { KEY, scriptedModel } from './llm.ts';

const client = (door: Door, headers: Record<string, string> = {}) =>
  new OpenAI({ baseURL: `${door.url}/v1`, apiKey: 'of-the-caller', maxRetries: 0, defaultHeaders: headers });

type Body = Partial<OpenAI.Chat.ChatCompletionCreateParamsNonStreaming>;

const ask = (door: Door, content: string, more: Body = {}) =>
  client(door)
    .chat.completions.create({ model: 'troupe', messages: [{ role: 'user', content }], ...more })
    .withResponse();

/** Everything a stream said, put together. */
async function streamedBy(
  door: Door,
  messages: OpenAI.Chat.ChatCompletionMessageParam[],
  more: Body = {},
  heard = () => {},
) {
  const { data, response } = await client(door)
    .chat.completions.create({
      model: 'troupe',
      messages,
      ...more,
      stream: true,
    } as OpenAI.Chat.ChatCompletionCreateParamsStreaming)
    .withResponse();
  const pieces: string[] = [];
  const calls: any[] = [];
  let finish_reason: string | null = null;
  let usage: unknown;
  for await (const { choices, usage: counted } of data) {
    usage = counted ?? usage;
    for (const { delta, finish_reason: told } of choices) {
      if (delta.content) {
        pieces.push(delta.content);
        heard();
      }
      calls.push(...(delta.tool_calls ?? []));
      finish_reason = told ?? finish_reason;
    }
  }
  return { pieces, text: pieces.join(''), calls, finish_reason, usage, session: response.headers.get('x-session-id')! };
}

const echo = { id: 'echo', triggers: ['hello'], run: (text: string) => `You said: ${text}` };
const sessions = async (door: Door) => (await door.get('/v1/sessions')).body.sessions.map((one: any) => one.session_id);

describe('a conversation as a model', () => {
  test('answers the last message, and says which session has it', async () => {
    const door = await openDoor({ agents: [echo] });
    const { data, response } = await ask(door, 'hello there');
    expect(data.choices).toMatchObject([
      { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'You said: hello there' } },
    ]);
    expect(data).toMatchObject({ object: 'chat.completion', model: 'troupe' });
    expect(await sessions(door)).toEqual([response.headers.get('x-session-id')]);
  });

  test('goes on in the session that is named, by metadata, header or user, in this order', async () => {
    const door = await openDoor({ agents: [echo] });
    const named = async (body: Body, headers: Record<string, string> = {}) => {
      const { response } = await client(door, headers)
        .chat.completions.create({ model: 'troupe', messages: [{ role: 'user', content: 'hello' }], ...body })
        .withResponse();
      return response.headers.get('x-session-id');
    };
    expect(await named({ metadata: { session_id: 'm1' }, user: 'u1' }, { 'X-Session-Id': 'h1' })).toBe('m1');
    expect(await named({ user: 'u1' }, { 'X-Session-Id': 'h1' })).toBe('h1');
    expect(await named({ user: 'u1' })).toBe('u1');
    const hashed = await named({ user: 'ann@example.com' });
    expect(hashed).toMatch(/^u-[0-9a-f]{32}$/);
    expect(await named({ user: 'ann@example.com' })).toBe(hashed);
    expect((await door.get('/v1/sessions/m1/messages')).body.messages).toHaveLength(2);
    expect((await door.get(`/v1/sessions/${hashed}/messages`)).body.messages).toHaveLength(4);
  });

  test('is with one agent when the model names it', async () => {
    const door = await openDoor({ agents: [echo, { id: 'other', run: () => 'other here' }] });
    const { data } = await ask(door, 'hello', { model: 'troupe/other' });
    expect(data.choices[0]!.message.content).toBe('other here');
    await expect(ask(door, 'hello', { model: 'troupe/nobody' })).rejects.toMatchObject({
      status: 404,
      code: 'unknown_agent',
      type: 'not_found_error',
    });
  });

  test('belongs to a tenant', async () => {
    const door = await openDoor({ agents: [echo] });
    const acme = client(door, { 'X-Tenant-Id': 'acme', 'X-Session-Id': 's1' });
    await acme.chat.completions.create({ model: 'troupe', messages: [{ role: 'user', content: 'hello' }] });
    expect(await sessions(door)).toEqual([]);
    expect((await door.get('/v1/sessions', { headers: { 'x-tenant-id': 'acme' } })).body.sessions).toHaveLength(1);
  });

  test('streams its pieces as the agent says them', async () => {
    const agent = scripted('talker', [streamed('One ', 'two ', 'three.')], { triggers: ['count'] });
    const door = await openDoor({ agents: [agent] });
    const said = streamedBy(door, [{ role: 'user', content: 'count' }]);
    for (let piece = 0; piece < 3; piece += 1) {
      await expect.poll(() => agent.calls.length).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      agent.step();
    }
    expect(await said).toMatchObject({ pieces: ['One ', 'two ', 'three.'], finish_reason: 'stop' });
  });

  test('says the whole answer when an attempt failed in the middle and another one answered', async () => {
    const heard = Promise.withResolvers<void>();
    let tries = 0;
    const agent = {
      id: 'flaky',
      triggers: ['go'],
      async *run(): AsyncGenerator<string, void> {
        tries += 1;
        if (tries === 2) return yield 'Now I know.';
        yield 'First I thought ';
        await heard.promise;
        throw new Failed('gone', 'gone');
      },
    };
    const door = await openDoor({ agents: [agent], settings: { backoff_ms: 1 } });
    const { text } = await streamedBy(door, [{ role: 'user', content: 'go' }], {}, heard.resolve);
    expect(text).toBe('First I thought \n\nNow I know.');
  });

  test('reports what agents used, to those who ask for it', async () => {
    const answer = { type: 'answer' as const, final_message: 'ok', usage: { input_tokens: 7, output_tokens: 2 } };
    const door = await openDoor({ agents: [{ id: 'a', triggers: ['go'], run: () => answer }] });
    const count = { prompt_tokens: 7, completion_tokens: 2, total_tokens: 9 };
    expect((await ask(door, 'go')).data.usage).toEqual(count);
    const messages = [{ role: 'user' as const, content: 'go' }];
    const counted = { stream_options: { include_usage: true } } as Body;
    expect((await streamedBy(door, messages, counted)).usage).toEqual(count);
    expect((await streamedBy(door, messages)).usage).toBeUndefined();
  });

  test('takes parts of text, and refuses what is no text or nothing to answer', async () => {
    const door = await openDoor({ agents: [echo] });
    const parts = [
      { type: 'text' as const, text: 'hello' },
      { type: 'text' as const, text: 'there' },
    ];
    const { data } = await ask(door, '', { messages: [{ role: 'user', content: parts }] });
    expect(data.choices[0]!.message.content).toBe('You said: hello\nthere');
    const image = [{ type: 'image_url' as const, image_url: { url: 'http://x' } }];
    await expect(ask(door, '', { messages: [{ role: 'user', content: image }] })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_content',
    });
    await expect(ask(door, '', { messages: [{ role: 'assistant', content: 'hm' }] })).rejects.toMatchObject({
      status: 400,
      code: 'no_user_message',
      type: 'invalid_request_error',
    });
    await expect(ask(door, '', { messages: [] })).rejects.toMatchObject({ status: 400, code: 'bad_request' });
    await expect(ask(door, 'x', { metadata: { session_id: 'No Token' } })).rejects.toMatchObject({ status: 400 });
    expect(await sessions(door)).toHaveLength(1);
  });

  test('that fails is an error, also in a stream that has begun', async () => {
    const door = await openDoor({
      agents: [{ id: 'bad', triggers: ['go'], run: () => Promise.reject(new Failed('broken', 'it broke', false)) }],
    });
    await expect(ask(door, 'go')).rejects.toMatchObject({ status: 502, code: 'broken', type: 'server_error' });
    await expect(ask(door, 'what?')).rejects.toMatchObject({ status: 422, code: 'no_match' });
    await expect(streamedBy(door, [{ role: 'user', content: 'go' }])).rejects.toMatchObject({ code: 'broken' });
  });

  test('repeated with the same Idempotency-Key is said once', async () => {
    const door = await openDoor({ agents: [echo] });
    const again = () =>
      client(door, { 'Idempotency-Key': 'k1', 'X-Session-Id': 's1' }).chat.completions.create({
        model: 'troupe',
        messages: [{ role: 'user', content: 'hello' }],
      });
    expect((await again()).choices).toEqual((await again()).choices);
    expect((await door.get('/v1/sessions/s1/messages')).body.messages).toHaveLength(2);
  });
});

describe('what a run waits for', () => {
  test('its user: the question is the answer', async () => {
    const agent = scripted('asker', [{ type: 'input_required', prompt: 'Which city?' }, 'Done.'], { triggers: ['go'] });
    const door = await openDoor({ agents: [agent] });
    const metadata = { session_id: 's1' };
    expect((await ask(door, 'go', { metadata })).data.choices[0]!.message.content).toBe('Which city?');
    expect((await ask(door, 'Oslo', { metadata })).data.choices[0]!.message.content).toBe('Done.');
  });

  test('a person’s approval: a sentence says so', async () => {
    const approval = { type: 'approval_required' as const, action: 'refund', summary: 'Refund $100' };
    const door = await openDoor({ agents: [scripted('careful', [approval, 'Refunded.'], { triggers: ['go'] })] });
    const { data, response } = await ask(door, 'go');
    expect(data.choices[0]).toMatchObject({ finish_reason: 'stop' });
    expect(data.choices[0]!.message.content).toMatch(
      /^This waits for a person's approval: Refund \$100 \(refund; approval .+-r1\.1\)\.$/,
    );
    expect(data).toMatchObject({ troupe: { status: 'awaiting_approval' } });
    const session_id = response.headers.get('x-session-id')!;
    const more = await streamedBy(door, [{ role: 'user', content: 'and now?' }], { metadata: { session_id } });
    expect(more.text).toBe("The conversation waits for a person's approval first; your message is kept.");
    const approval_id = /approval (\S+)\)/.exec(data.choices[0]!.message.content!)![1];
    await door.post(`/v1/sessions/${session_id}/approvals/${approval_id}`, { decision: 'approve', by: 'ann' });
    const full = async () => (await door.get(`/v1/sessions/${session_id}/messages`)).body.messages;
    await expect.poll(async () => (await full()).map(({ content }: any) => content)).toContain('Refunded.');
  });

  test('a person who has taken over, or a pause: a sentence says so, and the message is kept', async () => {
    const door = await openDoor({ agents: [echo] });
    const metadata = { session_id: 's1' };
    await ask(door, 'hello', { metadata });
    await door.post('/v1/sessions/s1/pause', {});
    expect((await ask(door, 'hello', { metadata })).data.choices[0]!.message.content).toMatch(
      /paused; your message is kept/,
    );
    await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
    const { text, finish_reason } = await streamedBy(door, [{ role: 'user', content: 'hello' }], { metadata });
    expect([text, finish_reason]).toEqual([
      'ann has this conversation now and will answer; your message is kept.',
      'stop',
    ]);
  });

  const needsTool = () =>
    scripted(
      'weather',
      [
        { type: 'tool_required', name: 'locate', arguments: { precise: true }, task: { step: 1 } },
        (_, { call }) => `You are in ${JSON.stringify((call.decision as any).result)}.`,
      ],
      { triggers: ['weather'] },
    );

  test.each([true, false])(
    'a tool of the caller: it is called, and its result goes on with the run (streamed: %s)',
    async (stream) => {
      const door = await openDoor({ agents: [needsTool()] });
      const question = { role: 'user' as const, content: 'weather' };
      const first = stream
        ? await streamedBy(door, [question])
        : await ask(door, 'weather').then(({ data: { choices } }) => ({
            calls: choices[0]!.message.tool_calls!,
            finish_reason: choices[0]!.finish_reason,
          }));
      expect(first.finish_reason).toBe('tool_calls');
      const [{ id, function: called }] = first.calls as [OpenAI.Chat.ChatCompletionMessageFunctionToolCall];
      expect(called).toEqual({ name: 'locate', arguments: '{"precise":true}' });
      // As every client of the API does it: the whole conversation again, with the result at its end.
      const messages = [
        question,
        {
          role: 'assistant' as const,
          content: null,
          tool_calls: [{ id, type: 'function' as const, function: called }],
        },
        { role: 'tool' as const, tool_call_id: id, content: '{"city":"Oslo"}' },
      ];
      const answer = stream
        ? (await streamedBy(door, messages)).text
        : (await ask(door, '', { messages })).data.choices[0]!.message.content;
      expect(answer).toBe('You are in {"city":"Oslo"}.');
      expect(await sessions(door)).toHaveLength(1);
    },
  );

  test('a tool of the caller, while a person has the floor: the result is kept, and used afterwards', async () => {
    const door = await openDoor({ agents: [needsTool()] });
    const { data } = await ask(door, 'weather', { metadata: { session_id: 's1' } });
    const [{ id }] = data.choices[0]!.message.tool_calls as [OpenAI.Chat.ChatCompletionMessageToolCall];
    await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
    const messages = [{ role: 'tool' as const, tool_call_id: id, content: '"Oslo"' }];
    const { choices } = (await ask(door, '', { messages })).data;
    expect(choices[0]!.message.content).toMatch(/^ann has this conversation now/);
    await door.post('/v1/sessions/s1/release', {});
    const said = async () =>
      (await door.get('/v1/sessions/s1/messages')).body.messages.map(({ content }: any) => content);
    await expect.poll(said).toContain('You are in "Oslo".');
  });

  test('no tool: a result that nobody waits for is refused', async () => {
    const door = await openDoor({ agents: [needsTool(), echo] });
    const result = (tool_call_id: string) => [{ role: 'tool' as const, tool_call_id, content: 'x' }];
    await expect(ask(door, '', { messages: result('s9-r1.1') })).rejects.toMatchObject({ status: 404 });
    await ask(door, 'hello', { metadata: { session_id: 's1' } });
    await expect(ask(door, '', { messages: result('s1-r1.1') })).rejects.toMatchObject({
      status: 409,
      code: 'illegal_in_state',
      type: 'conflict_error',
    });
  });
});

describe('a model behind the service', () => {
  async function proxy(
    answers: readonly ModelAnswer[] | (() => ModelAnswer),
    founder: NonNullable<TroupeOptions['llm']>['founder'] = {},
    more: TroupeOptions = {},
  ): Promise<{ door: Door; server: ModelServer }> {
    const server = await scriptedModel(answers);
    const llm = { founder: { base_url: server.url, api_key: KEY, model: 'small', ...founder } };
    return { door: await openDoor({ llm, ...more }), server };
  }

  test('is asked with the key of the settings, not the caller’s, and with everything the caller says', async () => {
    const { door, server } = await proxy([{ text: 'Good day.', usage: { input: 5, output: 2 } }]);
    const { data } = await ask(door, 'hi', {
      model: 'gpt-x',
      seed: 7,
      stop: ['.'],
      metadata: { session_id: 's1', a: 'b' },
    });
    expect(data).toMatchObject({ choices: [{ message: { content: 'Good day.' } }], usage: { total_tokens: 7 } });
    const { headers, body } = server.requests[0]!;
    expect(headers.authorization).toBe(`Bearer ${KEY}`);
    expect(body).toEqual({
      model: 'gpt-x',
      messages: [{ role: 'user', content: 'hi' }],
      seed: 7,
      stop: ['.'],
      metadata: { a: 'b' },
      stream: false,
    });
  });

  test('streams chunk by chunk, tool calls too, with the count for those who ask', async () => {
    const calls = [{ name: 'weather', arguments: { city: 'Oslo' } }];
    const { door } = await proxy([
      { text: ['Let ', 'me ', 'see.'], calls },
      { text: 'ok', usage: { input: 1, output: 1 } },
    ]);
    const messages = [{ role: 'user' as const, content: 'hi' }];
    const said = await streamedBy(door, messages, { model: 'm' });
    expect(said).toMatchObject({ pieces: ['Let ', 'me ', 'see.'], finish_reason: 'tool_calls', usage: undefined });
    expect(said.calls.map((call) => call.function.arguments).join('')).toBe('{"city":"Oslo"}');
    const counted = await streamedBy(door, messages, { model: 'm', stream_options: { include_usage: true } } as Body);
    expect(counted.usage).toMatchObject({ total_tokens: 2 });
  });

  test.each([
    [{ status: 429, retry_after: 9 }, 429, 'rate_limited', 'rate_limit_error'],
    [{ status: 500 }, 502, 'model_failed', 'server_error'],
    [{ status: 401 }, 502, 'model_refused_key', 'server_error'],
    [{ status: 400, message: 'no such parameter' }, 400, 'bad_model_request', 'invalid_request_error'],
    [{ status: 404, message: 'no such model' }, 404, 'bad_model_request', 'not_found_error'],
  ])('that answers %j is an error of the API: %i %s', async (answer, status, code, type) => {
    for (const stream of [false, true]) {
      const { door } = await proxy([answer]);
      const asked = client(door).chat.completions.create({
        model: 'm',
        stream,
        messages: [{ role: 'user', content: 'x' }],
      });
      const error = await asked.then(
        () => undefined,
        (thrown) => thrown,
      );
      expect(error).toMatchObject({ status, code, type });
      if (status === 429) expect(error.headers.get('retry-after')).toBe('9');
      expect(JSON.stringify([error.message, error.error])).not.toContain(KEY);
    }
  });

  test('that answers with something else is an error, and what it said goes no further', async () => {
    const pages: ModelAnswer[] = [
      { raw: ['data: {"error":{"message":"a secret"}}\n\n'] },
      { raw: ['<html>a secret</html>'], content_type: 'text/html' },
      { raw: ['{"error":{"message":"a secret"}}'], content_type: 'application/json' },
    ];
    const { door } = await proxy(pages);
    for (const _ of pages) {
      const error = await ask(door, 'x', { model: 'm' }).catch((thrown) => thrown);
      expect(error).toMatchObject({ status: 502, code: 'bad_model_answer' });
      expect(JSON.stringify([error.message, error.error])).not.toContain('a secret');
    }
  });

  test('that breaks off in the middle ends the stream with an error', async () => {
    const { door } = await proxy([{ text: 'one two three', cut: { after: 3, how: 'break' } }]);
    const said = streamedBy(door, [{ role: 'user', content: 'x' }], { model: 'm' });
    await expect(said).rejects.toMatchObject({ code: 'model_cut_off' });
  });

  test('is left when the caller leaves', async () => {
    const { door, server } = await proxy([{ text: 'one two', cut: { after: 2, how: 'hang' } }]);
    const leaving = new AbortController();
    const stream = await client(door).chat.completions.create(
      { model: 'm', stream: true, messages: [{ role: 'user', content: 'x' }] },
      { signal: leaving.signal },
    );
    for await (const { choices } of stream) if (choices[0]?.delta.content) break;
    leaving.abort();
    await expect.poll(() => server.left).toBe(1);
  });

  test('over budget is not asked, and the budget is shown', async () => {
    const { door, server } = await proxy(() => 'ok', { budgets: { tenant: { calls: 1, window_s: 100 } } });
    await ask(door, 'x', { model: 'm' });
    const refused = await ask(door, 'x', { model: 'm' }).catch((error) => error);
    expect(refused).toMatchObject({ status: 429, code: 'budget_exceeded' });
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(100);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(server.requests).toHaveLength(1);
    const { budgets } = (await door.get('/v1/budgets')).body;
    expect(budgets).toMatchObject([{ scope: 'tenant', tenant: 'default', state: 'spent', spent: { calls: 1 } }]);
    expect((await door.get('/v1/budgets', { headers: { 'x-tenant-id': 'acme' } })).body).toEqual({ budgets: [] });
  });

  test('that failed five times is left alone for a while', async () => {
    const { door, server } = await proxy(() => ({ status: 500 }));
    for (let times = 0; times < 5; times += 1) await ask(door, 'x', { model: 'm' }).catch(() => {});
    const refused = await ask(door, 'x', { model: 'm' }).catch((error) => error);
    expect(refused).toMatchObject({ status: 503, code: 'model_unavailable' });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50);
    expect(server.requests).toHaveLength(5);
  });

  test('that is switched off, or not configured, is not asked', async () => {
    const off = await proxy([], { llm_enabled: false });
    await expect(ask(off.door, 'x', { model: 'm' })).rejects.toMatchObject({ status: 403, code: 'llm_disabled' });
    const bare = await proxy([], { base_url: undefined, api_key: undefined });
    await expect(ask(bare.door, 'x', { model: 'm' })).rejects.toMatchObject({
      status: 503,
      code: 'llm_not_configured',
    });
  });

  test('is asked only for those who may', async () => {
    const authorize = ({ action, tenant }: { action: string; tenant: string }) =>
      action !== 'model' || tenant === 'acme' || { allow: false, reason: 'models are for acme' };
    const { door, server } = await proxy(() => 'ok', {}, { agents: [echo], authorize });
    await expect(ask(door, 'x', { model: 'm' })).rejects.toMatchObject({
      status: 403,
      code: 'forbidden',
      type: 'permission_error',
      message: expect.stringContaining('models are for acme'),
    });
    expect(server.requests).toEqual([]);
    const acme = client(door, { 'X-Tenant-Id': 'acme' });
    await acme.chat.completions.create({ model: 'm', messages: [{ role: 'user', content: 'x' }] });
    expect((await ask(door, 'hello')).data.choices[0]!.message.content).toBe('You said: hello');
  });

  test('is listed with the conversations', async () => {
    const { door } = await proxy([], {}, { agents: [echo] });
    const { data } = await client(door).models.list();
    expect(data.map(({ id }) => id)).toEqual(['troupe', 'troupe/echo', 'small']);
  });
});

test('what is no JSON, or no request, is an error of the API too', async () => {
  const door = await openDoor({ agents: [echo] });
  onTestFinished(() => door.close());
  const { status, body } = await door.request('POST', '/v1/chat/completions', {
    headers: { 'content-type': 'application/json' },
    body: '{',
  });
  expect([status, body.error.code]).toEqual([400, 'bad_json']);
  const wrong = await door.post('/v1/chat/completions', { model: 'troupe', messages: [{ role: 'ghost' }] });
  expect(wrong.body.error).toMatchObject({
    type: 'invalid_request_error',
    message: expect.stringContaining('messages.0.role'),
  });
});
