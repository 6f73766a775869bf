// A2A at the door: the shapes of the specification, in both versions that are spoken, and what becomes of a task.
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { scripted, streamed } from '../src/testing/scripted.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { type Door, openDoor } from './door.ts';

// The objects of version 1.0, strictly: what is not in the specification is not told.
const part = z.union([z.strictObject({ text: z.string() }), z.strictObject({ data: z.unknown() })]);
const message = z.strictObject({
  messageId: z.string().min(1),
  role: z.enum(['ROLE_USER', 'ROLE_AGENT']),
  parts: z.array(part).min(1),
  taskId: z.string(),
  contextId: z.string(),
});
const states = ['SUBMITTED', 'WORKING', 'COMPLETED', 'FAILED', 'CANCELED', 'INPUT_REQUIRED'] as const;
const status = z.strictObject({
  state: z.enum(states.map((state) => `TASK_STATE_${state}` as const)),
  message: message.optional(),
  timestamp: z.iso.datetime(),
});
const artifact = z.strictObject({ artifactId: z.string(), name: z.string(), parts: z.array(part).min(1) });
const task = z.strictObject({
  id: z.string(),
  contextId: z.string(),
  status,
  artifacts: z.array(artifact).optional(),
  history: z.array(message).optional(),
});
const of = { taskId: z.string(), contextId: z.string() };
const streamResponse = z.union([
  z.strictObject({ task }),
  z.strictObject({ statusUpdate: z.strictObject({ ...of, status }) }),
  z.strictObject({
    artifactUpdate: z.strictObject({ ...of, artifact, append: z.boolean(), lastChunk: z.boolean() }),
  }),
]);

// And of version 0.3, whose objects say by `kind` what they are.
const oldPart = z.union([
  z.strictObject({ kind: z.literal('text'), text: z.string() }),
  z.strictObject({ kind: z.literal('data'), data: z.unknown() }),
]);
const oldMessage = message.extend({
  kind: z.literal('message'),
  role: z.enum(['user', 'agent']),
  parts: z.array(oldPart).min(1),
});
const oldStatus = status.extend({
  state: z.enum(['submitted', 'working', 'completed', 'failed', 'canceled', 'input-required']),
  message: oldMessage.optional(),
});
const oldArtifact = artifact.extend({ parts: z.array(oldPart).min(1) });
const oldTask = task.extend({
  kind: z.literal('task'),
  status: oldStatus,
  artifacts: z.array(oldArtifact).optional(),
  history: z.array(oldMessage).optional(),
});
const oldEvent = z.union([
  oldTask,
  z.strictObject({ kind: z.literal('status-update'), ...of, status: oldStatus, final: z.boolean() }),
  z.strictObject({
    kind: z.literal('artifact-update'),
    ...of,
    artifact: oldArtifact,
    append: z.boolean(),
    lastChunk: z.boolean(),
  }),
]);

const echo: AgentDefinition = {
  id: 'echo',
  description: 'Says it again.',
  triggers: ['hello'],
  capabilities: ['talking'],
  run: (text) => `you said ${text}`,
};
const booking: AgentDefinition = {
  id: 'booking',
  triggers: ['book'],
  run: (said, { call }) => (call.task ? `Booked: ${said}.` : { type: 'input_required', prompt: 'Where?', task: 1 }),
};
const refunds: AgentDefinition = {
  id: 'refunds',
  triggers: ['refund'],
  run: (_, { call }) =>
    call.decision
      ? JSON.stringify(call.decision)
      : { type: 'approval_required', action: 'refund', summary: 'Refund 400 €?', details: { euros: 400 } },
};
const maps: AgentDefinition = {
  id: 'maps',
  triggers: ['where'],
  run: (_, { call }) =>
    call.decision ? JSON.stringify(call.decision) : { type: 'tool_required', name: 'locate', arguments: {} },
};
const broken: AgentDefinition = {
  id: 'broken',
  triggers: ['break'],
  run: () => {
    throw new Error('no disk');
  },
};

class Client {
  readonly door: Door;
  readonly #headers: Record<string, string>;
  #serial = 0;
  path = '/a2a';

  constructor(door: Door, version: '1.0' | '0.3' | null) {
    this.door = door;
    this.#headers = version === null ? {} : { 'a2a-version': version };
  }

  async call(method: string, params?: object): Promise<any> {
    this.#serial += 1;
    const id = this.#serial;
    const request = { jsonrpc: '2.0', id, method, params };
    const { status: code, body } = await this.door.post(this.path, request, { headers: this.#headers });
    expect(code).toBe(200);
    expect(body).toMatchObject({ jsonrpc: '2.0', id });
    return body;
  }

  async stream(method: string, params: object, heard?: (event: any) => unknown): Promise<any[]> {
    const response = await fetch(this.door.url + this.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...this.#headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'x', method, params }),
    });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const events: any[] = [];
    let rest = '';
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + text).split('\n\n');
      rest = frames.pop()!;
      for (const frame of frames.filter((one) => !one.startsWith(':'))) {
        const told = JSON.parse(/^data: (.*)$/.exec(frame)![1]!);
        expect(told).toMatchObject({ jsonrpc: '2.0', id: 'x' });
        events.push(told.result ?? told);
        await heard?.(events.at(-1));
      }
    }
    return events;
  }

  says(text: string, more: object = {}, configuration?: object) {
    this.#serial += 1;
    const parts = [{ text }];
    return { message: { messageId: `m${this.#serial}`, role: 'ROLE_USER', parts, ...more }, configuration };
  }

  /** Sends words, and resolves to the task, checked against the specification. */
  async send(text: string, more?: object, configuration?: object): Promise<z.infer<typeof task>> {
    const { result, error } = await this.call('SendMessage', this.says(text, more, configuration));
    expect(error).toBeUndefined();
    return task.parse(result.task);
  }
}

const agents = [echo, booking, refunds, maps, broken];
const open = async (options: TroupeOptions = {}, version: '1.0' | '0.3' | null = '1.0') =>
  new Client(await openDoor({ agents, settings: { attempts: 1 }, ...options }), version);

const textIn = (parts: readonly any[]) => parts.map(({ text }) => text ?? '').join('');

describe('the agent card', () => {
  test('names every agent as a skill, and the versions that are spoken', async () => {
    const { door } = await open();
    const { body, headers } = await door.get('/.well-known/agent-card.json');
    const url = `${door.url}/a2a`;
    expect(body).toMatchObject({
      name: 'troupe',
      supportedInterfaces: [
        { url, protocolBinding: 'JSONRPC', protocolVersion: '1.0' },
        { url, protocolBinding: 'JSONRPC', protocolVersion: '0.3' },
      ],
      capabilities: { streaming: true, pushNotifications: false, extendedAgentCard: false },
      defaultInputModes: ['text/plain', 'application/json'],
      protocolVersion: '0.3.0',
      url,
      preferredTransport: 'JSONRPC',
    });
    expect(body.skills[0]).toEqual({
      id: 'echo',
      name: 'echo',
      description: 'Says it again.',
      tags: ['talking'],
      examples: ['hello'],
    });
    for (const skill of body.skills) expect(skill.tags.length).toBeGreaterThan(0);
    const etag = headers.get('etag')!;
    const again = await door.get('/.well-known/agent-card.json', { headers: { 'if-none-match': etag } });
    expect([again.status, headers.get('cache-control')]).toEqual([304, 'max-age=60']);
  });

  test('is there for one agent alone, whose address takes messages for it', async () => {
    const client = await open();
    const { body } = await client.door.get('/a2a/echo/.well-known/agent-card.json');
    expect(body).toMatchObject({ name: 'echo', skills: [{ id: 'echo' }], url: `${client.door.url}/a2a/echo` });
    client.path = '/a2a/echo';
    expect(textIn((await client.send('book')).artifacts![0]!.parts)).toBe('you said book');
    client.path = '/a2a/nobody';
    expect((await client.call('SendMessage', client.says('hi'))).error.code).toBe(-32602);
  });
});

describe('a message', () => {
  test('without a context begins one, and its task is done with the answer as its artifact', async () => {
    const client = await open();
    const done = await client.send('hello');
    expect(done).toMatchObject({
      contextId: expect.stringMatching(/^a2a-[0-9a-f]{32}$/),
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [{ artifactId: `${done.id}-answer`, parts: [{ text: 'you said hello' }] }],
      history: [{ messageId: 'm1', role: 'ROLE_USER', parts: [{ text: 'hello' }] }],
    });
    const next = await client.send('hello again', { contextId: done.contextId });
    expect([next.contextId, next.id]).toEqual([done.contextId, `${done.contextId}-r2`]);
  });

  test('that is sent again is the same task', async () => {
    const client = await open();
    const params = client.says('hello');
    const first = await client.call('SendMessage', params);
    const second = await client.call('SendMessage', params);
    expect(second.result).toEqual(first.result);
  });

  test('is not waited for when the client says so; the task is polled', async () => {
    const agent = scripted('slow', [streamed('One ', 'two.')], { triggers: ['count'] });
    const client = await open({ agents: [agent] });
    const begun = await client.send('count', {}, { returnImmediately: true });
    expect(begun.status.state).toBe('TASK_STATE_WORKING');
    await expect.poll(() => agent.calls.length).toBe(1);
    agent.step();
    await expect.poll(() => agent.step()).toBeUndefined();
    const state = async () => (await client.call('GetTask', { id: begun.id })).result.status.state;
    await expect.poll(state).toBe('TASK_STATE_COMPLETED');
  });

  test('to a task that asked its user is the answer', async () => {
    const client = await open();
    const asked = await client.send('book');
    expect(asked.status).toMatchObject({
      state: 'TASK_STATE_INPUT_REQUIRED',
      message: { role: 'ROLE_AGENT', parts: [{ text: 'Where?' }] },
    });
    const done = await client.send('Rome', { taskId: asked.id });
    expect(done).toMatchObject({
      id: asked.id,
      status: { state: 'TASK_STATE_COMPLETED' },
      artifacts: [{ parts: [{ text: 'Booked: Rome.' }] }],
    });
    expect(done.history!.map(({ role, parts }) => `${role} ${textIn(parts)}`)).toEqual([
      'ROLE_USER book',
      'ROLE_AGENT Where?',
      'ROLE_USER Rome',
    ]);
  });

  test('to a task that waits for an approval decides, by a word or by data', async () => {
    const client = await open();
    const asked = await client.send('refund');
    expect(asked.status).toMatchObject({
      state: 'TASK_STATE_INPUT_REQUIRED',
      message: {
        parts: [
          { text: 'Refund 400 €?' },
          { data: { approval: { id: `${asked.id}.1`, action: 'refund', details: { euros: 400 } } } },
        ],
      },
    });
    const unclear = await client.call('SendMessage', client.says('perhaps', { taskId: asked.id }));
    expect(unclear.error).toMatchObject({ code: -32602, message: expect.stringContaining('say yes or no') });
    const data = { decision: 'approve', by: 'ann', arguments: { euros: 200 } };
    const done = await client.send('', { taskId: asked.id, parts: [{ data }] });
    expect(JSON.parse(textIn(done.artifacts![0]!.parts))).toEqual({ kind: 'approval', ...data });
    const other = await client.send('refund');
    const rejected = await client.send('no', { taskId: other.id });
    expect(textIn(rejected.artifacts![0]!.parts)).toContain('"decision":"reject"');
  });

  test('to a task that asked for a tool is the tool’s result', async () => {
    const client = await open();
    const asked = await client.send('where am i');
    expect(asked.status.message!.parts[1]).toEqual({
      data: { tool: { id: `${asked.id}.1`, name: 'locate', arguments: {} } },
    });
    const done = await client.send('', { taskId: asked.id, parts: [{ data: { result: { city: 'Oslo' } } }] });
    expect(JSON.parse(textIn(done.artifacts![0]!.parts))).toEqual({ kind: 'tool', result: { city: 'Oslo' } });
  });

  test('that an agent fails at is a failed task which says why', async () => {
    const client = await open();
    expect((await client.send('break')).status).toMatchObject({
      state: 'TASK_STATE_FAILED',
      message: { parts: [{ text: 'no disk' }, { data: { error: { code: 'agent_failed' } } }] },
    });
  });

  test.each<[string, object, number]>([
    ['a file', { parts: [{ url: 'http://a/b.png', mediaType: 'image/png' }] }, -32005],
    ['no parts', { parts: [] }, -32602],
    ['the agent’s role', { role: 'ROLE_AGENT' }, -32602],
    ['a context that is no token', { contextId: 'Not A Token' }, -32602],
    ['a task that is not there', { taskId: 's1-r1' }, -32001],
    ['no task id at all', { taskId: 'nonsense' }, -32001],
  ])('with %s is refused with the protocol’s code', async (_, more, code) => {
    const client = await open();
    const { error } = await client.call('SendMessage', client.says('hello', more));
    expect(error.code).toBe(code);
    for (const detail of error.data) expect(detail['@type']).toMatch(/^type\.googleapis\.com\/google\.rpc\./);
  });

  test('to a task that has ended, or is of another context, is refused', async () => {
    const client = await open();
    const done = await client.send('hello');
    expect((await client.call('SendMessage', client.says('more', { taskId: done.id }))).error.code).toBe(-32004);
    const other = client.says('more', { taskId: done.id, contextId: 'other' });
    expect((await client.call('SendMessage', other)).error.code).toBe(-32602);
  });

  test('to a conversation that a person has is kept: the task waits', async () => {
    const client = await open();
    const { contextId } = await client.send('hello');
    await client.door.post(`/v1/sessions/${contextId}/takeover`, { by: 'ann' });
    expect((await client.send('hello', { contextId })).status.state).toBe('TASK_STATE_SUBMITTED');
  });
});

describe('a stream', () => {
  test('begins with the task, tells the answer as it is written, and ends with the state', async () => {
    const agent = scripted('slow', [streamed('One ', 'two ', 'three.')], { triggers: ['count'] });
    const client = await open({ agents: [agent] });
    const running = client.stream('SendStreamingMessage', client.says('count'), (event) => {
      if (/^(One|two) $/.test(textIn(event.artifactUpdate?.artifact.parts ?? []))) agent.step();
    });
    await expect.poll(() => agent.calls.length).toBe(1);
    agent.step();
    const events = await running;
    for (const event of events) streamResponse.parse(event);
    expect(events[0].task.status.state).toMatch(/SUBMITTED|WORKING/);
    const pieces = events.filter((event) => 'artifactUpdate' in event).map(({ artifactUpdate }) => artifactUpdate);
    expect(pieces.map(({ append }) => append)).toEqual([false, ...pieces.slice(1).map(() => true)]);
    expect(pieces.map((piece) => textIn(piece.artifact.parts)).join('')).toBe('One two three.');
    expect(pieces.length).toBeGreaterThan(1);
    expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED');
  });

  test('of an answer ends with it, and so does one of a task that asks', async () => {
    const client = await open();
    const asked = await client.stream('SendStreamingMessage', client.says('refund'));
    const { status: told, taskId } = asked.at(-1).statusUpdate;
    expect([told.state, textIn(told.message.parts)]).toEqual(['TASK_STATE_INPUT_REQUIRED', 'Refund 400 €?']);
    const done = await client.stream('SendStreamingMessage', client.says('yes', { taskId }));
    for (const event of done) streamResponse.parse(event);
    expect(done.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED');
    expect(done.some((event) => event.artifactUpdate?.lastChunk)).toBe(true);
  });

  test('of a task is joined in the middle, and refused when it has ended', async () => {
    const agent = scripted('slow', [streamed('One ', 'two.')], { triggers: ['count'] });
    const client = await open({ agents: [agent] });
    const { id } = await client.send('count', {}, { returnImmediately: true });
    await expect.poll(() => agent.calls.length).toBe(1);
    agent.step();
    const events = await client.stream('SubscribeToTask', { id }, (event) => {
      if (/^(One|two) $/.test(textIn(event.artifactUpdate?.artifact.parts ?? []))) agent.step();
    });
    for (const event of events) streamResponse.parse(event);
    expect(events[0].task).toMatchObject({ id, status: { state: 'TASK_STATE_WORKING' } });
    expect(events.at(-1).statusUpdate.status.state).toBe('TASK_STATE_COMPLETED');
    expect((await client.call('SubscribeToTask', { id })).error.code).toBe(-32004);
  });

  test('that is refused is a plain error', async () => {
    const client = await open();
    const { error } = await client.call('SendStreamingMessage', client.says('x', { taskId: 's1-r1' }));
    expect(error).toMatchObject({ code: -32001, data: [{ reason: 'TASK_NOT_FOUND', domain: 'a2a-protocol.org' }] });
  });
});

describe('a task', () => {
  test('is got with as much of its history as is wanted', async () => {
    const client = await open();
    const { id } = await client.send('book');
    const got = async (historyLength?: number) =>
      task.parse((await client.call('GetTask', { id, historyLength })).result);
    expect((await got()).history!.length).toBe(2);
    expect((await got(1)).history!.map(({ role }) => role)).toEqual(['ROLE_AGENT']);
    expect((await got(0)).history).toBeUndefined();
    expect((await client.call('GetTask', { id: 's1-r1' })).error.code).toBe(-32001);
  });

  test('is cancelled while it is open, and not afterwards', async () => {
    const client = await open();
    const { id } = await client.send('book');
    expect((await client.call('CancelTask', { id })).result.status.state).toBe('TASK_STATE_CANCELED');
    expect((await client.call('CancelTask', { id })).error.code).toBe(-32002);
  });

  test('is listed with the others of its context, the newest first, in pages', async () => {
    const client = await open();
    const { contextId } = await client.send('hello');
    for (let n = 0; n < 2; n += 1) await client.send('hello', { contextId });
    const first = (await client.call('ListTasks', { contextId, pageSize: 2, historyLength: 0 })).result;
    expect(first).toMatchObject({ nextPageToken: '2', pageSize: 2, totalSize: 3 });
    const page = { contextId, pageSize: 2, pageToken: '2', includeArtifacts: true };
    const second = (await client.call('ListTasks', page)).result;
    expect(second).toMatchObject({ nextPageToken: '', tasks: [{ artifacts: [{}] }] });
    for (const one of [...first.tasks, ...second.tasks]) task.parse(one);
    expect(first.tasks[0].artifacts).toBeUndefined();
    expect((await client.call('ListTasks', {})).error.code).toBe(-32004);
  });

  test('of another tenant is not there', async () => {
    const client = await open();
    const { id } = await client.send('hello');
    const request = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id } };
    const { body } = await client.door.post('/a2a', request, {
      headers: { 'x-tenant-id': 'other', 'a2a-version': '1.0' },
    });
    expect(body.error.code).toBe(-32001);
  });
});

describe('version 0.3', () => {
  const said = (text: string, more: object = {}) => ({
    message: { kind: 'message', messageId: `m-${text}`, role: 'user', parts: [{ kind: 'text', text }], ...more },
  });

  test.each([null, '0.3'] as const)('is spoken where the client names %s', async (version) => {
    const client = await open({}, version);
    const { result } = await client.call('message/send', said('hello'));
    expect(oldTask.parse(result)).toMatchObject({
      status: { state: 'completed' },
      artifacts: [{ parts: [{ kind: 'text', text: 'you said hello' }] }],
    });
    expect(oldTask.parse((await client.call('tasks/get', { id: result.id })).result)).toEqual(result);
    expect((await client.call('tasks/cancel', { id: result.id })).error.code).toBe(-32002);
  });

  test('streams its own events, the last of them final', async () => {
    const client = await open({}, '0.3');
    const events = await client.stream('message/stream', said('book'));
    for (const event of events) oldEvent.parse(event);
    expect(events.at(-1)).toMatchObject({ kind: 'status-update', final: true, status: { state: 'input-required' } });
    const { id } = events[0];
    const { result } = await client.call('message/send', said('Rome', { taskId: id }));
    expect(oldTask.parse(result)).toMatchObject({ id, status: { state: 'completed' } });
  });

  test('a call that does not block is answered at once', async () => {
    const client = await open(
      { agents: [scripted('slow', [streamed('One ', 'two.')], { triggers: ['count'] })] },
      '0.3',
    );
    const { result } = await client.call('message/send', { ...said('count'), configuration: { blocking: false } });
    expect(oldTask.parse(result).status.state).toBe('working');
  });

  test('a file is not taken', async () => {
    const client = await open({}, '0.3');
    const parts = [{ kind: 'file', file: { uri: 'http://a/b.png' } }];
    expect((await client.call('message/send', said('x', { parts }))).error.code).toBe(-32005);
  });
});

test.each<[string, unknown, number]>([
  ['no JSON', '{"jsonrpc":', -32700],
  ['no request', { id: 1, method: 'GetTask' }, -32600],
  ['a batch', [{ jsonrpc: '2.0', id: 1, method: 'GetTask' }], -32600],
  ['a method that is not there', { jsonrpc: '2.0', id: 1, method: 'GetTusk' }, -32601],
  ['a method of the other version', { jsonrpc: '2.0', id: 1, method: 'message/send' }, -32601],
  ['no parameters', { jsonrpc: '2.0', id: 1, method: 'GetTask' }, -32602],
  ['push notifications', { jsonrpc: '2.0', id: 1, method: 'CreateTaskPushNotificationConfig', params: {} }, -32003],
  ['the extended card', { jsonrpc: '2.0', id: 1, method: 'GetExtendedAgentCard' }, -32007],
])('%s is told as an error of JSON-RPC', async (_, request, code) => {
  const { door } = await open();
  const body = typeof request === 'string' ? request : JSON.stringify(request);
  const headers = { 'content-type': 'application/json', 'a2a-version': '1.0' };
  const reply = await door.request('POST', '/a2a', { body, headers });
  expect([reply.status, reply.body.jsonrpc, reply.body.error.code]).toEqual([200, '2.0', code]);
});

test('what is not permitted is refused with its reason, and nothing is done', async () => {
  const client = await open({ authorize: ({ action }) => action !== 'message' });
  const { error } = await client.call('SendMessage', client.says('hello'));
  expect(error).toMatchObject({ code: -32000, data: [{ reason: 'FORBIDDEN' }] });
  expect((await client.door.get('/v1/sessions')).body.sessions).toEqual([]);
});

test('a version that is not spoken is refused, naming those that are', async () => {
  const { door } = await open();
  const request = { jsonrpc: '2.0', id: 1, method: 'GetTask', params: { id: 'x' } };
  const { body } = await door.post('/a2a', request, { headers: { 'a2a-version': '0.5' } });
  expect(body.error).toMatchObject({ code: -32009, message: 'A2A 0.5 is not spoken here: 1.0 and 0.3 are' });
});
