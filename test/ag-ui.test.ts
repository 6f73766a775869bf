// AG-UI at the door: what a frontend of the protocol sends, and that every stream keeps the protocol's rules.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { defineTool } from '../src/agents/define.ts';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { OpenAiModels } from '../src/llm/models.ts';
import { failing, Streamed, scripted, streamed } from '../src/testing/scripted.ts';
import type { TroupeOptions } from '../src/troupe.ts';
import { type Door, openDoor } from './door.ts';
import { KEY, scriptedModel } from './llm.ts';

const id = z.string().min(1);
const message = z.looseObject({ id, role: z.enum(['user', 'assistant', 'tool', 'system', 'developer']) });
const interrupt = z.strictObject({
  id,
  reason: z.enum(['tool_call', 'input_required', 'confirmation']),
  message: z.string().optional(),
  toolCallId: z.string().optional(),
  responseSchema: z.record(z.string(), z.unknown()).optional(),
  expiresAt: z.iso.datetime().optional(),
  metadata: z.record(z.string(), z.unknown()).optional(),
});
const usage = z.array(z.looseObject({ inputTokens: z.int().optional(), outputTokens: z.int().optional() })).optional();
/** The events as the protocol's own schemas have them. */
const schemas = {
  RUN_STARTED: z.object({ threadId: id, runId: id }),
  TEXT_MESSAGE_START: z.object({ messageId: id, role: z.literal('assistant'), name: z.string().optional() }),
  TEXT_MESSAGE_CONTENT: z.object({ messageId: id, delta: z.string().min(1) }),
  TEXT_MESSAGE_END: z.object({ messageId: id }),
  TOOL_CALL_START: z.object({ toolCallId: id, toolCallName: id }),
  TOOL_CALL_ARGS: z.object({ toolCallId: id, delta: z.string() }),
  TOOL_CALL_END: z.object({ toolCallId: id }),
  TOOL_CALL_RESULT: z.object({ messageId: id, toolCallId: id, content: z.string(), role: z.literal('tool') }),
  MESSAGES_SNAPSHOT: z.object({ messages: z.array(message) }),
  CUSTOM: z.object({ name: id, value: z.unknown() }),
  RUN_FINISHED: z.object({
    threadId: id,
    runId: id,
    result: z.unknown().optional(),
    outcome: z.discriminatedUnion('type', [
      z.strictObject({ type: z.literal('success') }),
      z.strictObject({ type: z.literal('interrupt'), interrupts: z.array(interrupt).min(1) }),
    ]),
    usage,
  }),
  RUN_ERROR: z.object({ message: z.string(), code: z.string().optional(), usage }),
} as const;

interface Told {
  readonly type: keyof typeof schemas;
  readonly [member: string]: any;
}

/** What the protocol's own verifier holds a stream to: each thing is begun before it is told of, and ended before the run is. */
function verify(events: readonly Told[]): void {
  const open = new Set<string>();
  for (const [at, event] of events.entries()) {
    expect(schemas[event.type].safeParse(event).error).toBeUndefined();
    const [, thing, step] = /^(TEXT_MESSAGE|TOOL_CALL)_(START|CONTENT|ARGS|END)$/.exec(event.type) ?? [];
    const name = `${thing} ${event.messageId ?? event.toolCallId}`;
    if (step === 'START') expect(open).not.toContain(name);
    if (step === 'START') open.add(name);
    else if (step) expect(open).toContain(name);
    if (step === 'END') open.delete(name);
    expect(event.type === 'RUN_STARTED').toBe(at === 0);
    expect(event.type === 'RUN_FINISHED' || event.type === 'RUN_ERROR').toBe(at === events.length - 1);
    if (event.type === 'RUN_FINISHED') expect([...open]).toEqual([]);
  }
}

/** A frontend with one thread: it keeps the messages as the events tell it to. */
class Frontend {
  readonly door: Door;
  readonly threadId: string;
  readonly path: string;
  messages: any[] = [];
  #runs = 0;

  constructor(door: Door, threadId = 'thread-1', path = '/v1/ag-ui') {
    this.door = door;
    this.threadId = threadId;
    this.path = path;
  }

  say(content: unknown): Promise<Told[]> {
    this.messages.push({ id: `u${this.messages.length}`, role: 'user', content });
    return this.run();
  }

  returns(toolCallId: string, content: string, error?: string): Promise<Told[]> {
    this.messages.push({ id: `r${this.messages.length}`, role: 'tool', toolCallId, content, error });
    return this.run();
  }

  async run(more: object = {}, heard?: (event: Told) => unknown): Promise<Told[]> {
    this.#runs += 1;
    const { threadId, messages } = this;
    const input = { threadId, runId: `run-${this.#runs}`, state: {}, messages, tools: [], context: [], ...more };
    const response = await fetch(this.door.url + this.path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify(input),
    });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/event-stream; charset=utf-8']);
    const events: Told[] = [];
    let rest = '';
    for await (const text of response.body!.pipeThrough(new TextDecoderStream())) {
      const frames = (rest + text).split('\n\n');
      rest = frames.pop()!;
      for (const frame of frames) {
        if (frame.startsWith(':')) continue;
        const event: Told = JSON.parse(/^data: (.*)$/.exec(frame)![1]!);
        events.push(event);
        this.#apply(event);
        await heard?.(event);
      }
    }
    verify(events);
    return events;
  }

  #apply({ type, messageId, toolCallId, toolCallName, delta, content, messages, role, name }: Told): void {
    const found = this.messages.find((one) => one.id === (messageId ?? toolCallId));
    if (type === 'TEXT_MESSAGE_START') this.messages.push({ id: messageId, role, content: '', ...(name && { name }) });
    if (type === 'TEXT_MESSAGE_CONTENT') found.content += delta;
    if (type === 'TOOL_CALL_START') {
      const call = { id: toolCallId, type: 'function', function: { name: toolCallName, arguments: '' } };
      this.messages.push({ id: toolCallId, role: 'assistant', toolCalls: [call] });
    }
    if (type === 'TOOL_CALL_ARGS') found.toolCalls[0].function.arguments += delta;
    if (type === 'TOOL_CALL_RESULT') this.messages.push({ id: messageId, role: 'tool', toolCallId, content });
    if (type === 'MESSAGES_SNAPSHOT') this.messages = [...messages];
  }

  /** What the user reads. */
  get read(): string[] {
    const textOf = (content: any) => (Array.isArray(content) ? content.map(({ text }) => text).join('') : content);
    return this.messages.flatMap(({ role, content, name }) =>
      content && role !== 'tool' ? [`${name ?? role}: ${textOf(content)}`] : [],
    );
  }
}

const open = async (options: TroupeOptions, threadId?: string, path?: string) =>
  new Frontend(await openDoor({ settings: { backoff_ms: 1 }, ...options }), threadId, path);

const types = (events: readonly Told[]) => events.map(({ type }) => type);

test('an answer is streamed as one text message between the beginning and the end of its run', async () => {
  const agent: AgentDefinition = {
    id: 'a',
    triggers: ['hello'],
    async *run() {
      yield 'Good ';
      yield 'day.';
    },
  };
  const frontend = await open({ agents: [agent] });
  const events = await frontend.say('hello');
  expect(types(events).filter((type) => type !== 'TEXT_MESSAGE_CONTENT')).toEqual([
    'RUN_STARTED',
    'TEXT_MESSAGE_START',
    'TEXT_MESSAGE_END',
    'RUN_FINISHED',
  ]);
  expect(events[0]).toEqual({ type: 'RUN_STARTED', threadId: 'thread-1', runId: 'run-1' });
  expect(events.at(-1)).toEqual({
    type: 'RUN_FINISHED',
    threadId: 'thread-1',
    runId: 'run-1',
    outcome: { type: 'success' },
    result: { status: 'done', run_id: 'thread-1-r1' },
  });
  expect(frontend.read).toEqual(['user: hello', 'assistant: Good day.']);
});

test('a thread is a session: the conversation goes on in it, and a supervisor finds it', async () => {
  const history: AgentDefinition = {
    id: 'a',
    run: async (_, context) => `after ${(await context.history()).length}`,
  };
  const frontend = await open({ agents: [history] }, 'thread-1', '/v1/ag-ui/a');
  await frontend.say('one');
  await frontend.say([{ type: 'text', text: 'two' }]);
  expect(frontend.read).toEqual(['user: one', 'assistant: after 0', 'user: two', 'assistant: after 2']);
  const { messages } = (await frontend.door.get('/v1/sessions/thread-1/messages')).body;
  expect(messages.map(({ content }: any) => content)).toEqual(['one', 'after 0', 'two', 'after 2']);
});

test('a thread whose name is no token has a session of its own all the same', async () => {
  const frontend = await open({ agents: [{ id: 'a', run: () => 'yes' }] }, 'Thread/Ä 1', '/v1/ag-ui/a');
  await frontend.say('one');
  const { sessions } = (await frontend.door.get('/v1/sessions')).body;
  expect(sessions.map(({ session_id }: any) => session_id)).toEqual([expect.stringMatching(/^t-[0-9a-f]{32}$/)]);
});

test('a request that is repeated gets the same answer and asks the agent once', async () => {
  const agent = scripted('a', ['one', 'two'], { triggers: ['hello'] });
  const frontend = await open({ agents: [agent] });
  frontend.messages = [{ id: 'u1', role: 'user', content: 'hello' }];
  for (let n = 0; n < 2; n += 1) {
    const events = await frontend.run({ runId: 'same', messages: frontend.messages.slice(0, 1) });
    expect(events.at(-1)!.result).toEqual({ status: 'done', run_id: 'thread-1-r1' });
  }
  expect(agent.calls.length).toBe(1);
});

test('an answer that was begun by an attempt that failed is taken back', async () => {
  const begun = new Streamed(['Bad be', ''], failing('lost'));
  const agent = scripted('a', [begun, 'Good day.'], { triggers: ['hello'] });
  const frontend = await open({ agents: [agent] });
  frontend.messages = [{ id: 'u1', role: 'user', content: 'hello' }];
  const running = frontend.run({}, ({ delta }) => delta === 'Bad be' && agent.step());
  await expect.poll(() => agent.calls.length).toBe(1);
  agent.step();
  expect(types(await running)).toContain('MESSAGES_SNAPSHOT');
  expect(frontend.read).toEqual(['user: hello', 'assistant: Good day.']);
});

test('after a takeover nothing of the AI’s answer is left, and what the person says is', async () => {
  const agent = scripted('a', [streamed('One ', 'two ', 'three.')], { triggers: ['count'] });
  const frontend = await open({ agents: [agent] });
  const { door } = frontend;
  frontend.messages = [{ id: 'u1', role: 'user', content: 'count' }];
  const running = frontend.run({}, async ({ type, delta }) => {
    if (type === 'TEXT_MESSAGE_CONTENT' && delta === 'One ')
      await door.post('/v1/sessions/thread-1/takeover', { by: 'ann' });
  });
  await expect.poll(() => agent.calls.length).toBe(1);
  agent.step();
  const events = await running;
  expect(frontend.read).toEqual(['user: count']);
  expect(types(events)).toContain('CUSTOM');
  await door.post('/v1/sessions/thread-1/inject', { by: 'ann', content: 'Ann here.' });
  const later = await frontend.say('who is there?');
  expect(later.at(-1)).toMatchObject({ type: 'RUN_FINISHED', result: { status: 'accepted' } });
});

test('a question of an agent is its message; the user’s next message answers it', async () => {
  const agent: AgentDefinition = {
    id: 'a',
    triggers: ['book'],
    run: (said, { call }) => (call.task ? `Booked: ${said}.` : { type: 'input_required', prompt: 'Where?', task: 1 }),
  };
  const frontend = await open({ agents: [agent] });
  const asked = await frontend.say('book');
  expect(asked.at(-1)).toMatchObject({ outcome: { type: 'success' }, result: { status: 'awaiting_input' } });
  await frontend.say('Rome');
  expect(frontend.read).toEqual(['user: book', 'assistant: Where?', 'user: Rome', 'assistant: Booked: Rome.']);
});

test('what a function did with tools is told', async () => {
  const look = defineTool({
    name: 'look',
    description: 'Looks.',
    input: z.object({ n: z.number() }),
    execute: ({ n }) => ({ seen: n }),
  });
  const agent: AgentDefinition = {
    id: 'a',
    triggers: ['look'],
    tools: [look],
    run: async (_, { tool }) => `I saw ${JSON.stringify(await tool('look', { n: 7 }))}`,
  };
  const frontend = await open({ agents: [agent] });
  const events = await frontend.say('look');
  expect(events.find(({ type }) => type === 'TOOL_CALL_START')).toMatchObject({ toolCallName: 'look' });
  expect(events.find(({ type }) => type === 'TOOL_CALL_ARGS')).toMatchObject({ delta: '{"n":7}' });
  expect(events.find(({ type }) => type === 'TOOL_CALL_RESULT')).toMatchObject({ content: '{"seen":7}' });
});

const refund = {
  type: 'approval_required',
  action: 'refund',
  summary: 'Refund 400 €?',
  details: { euros: 400 },
} as const;
const careful: AgentDefinition = {
  id: 'careful',
  triggers: ['refund'],
  run: (_, { call }) => (call.decision ? JSON.stringify(call.decision) : refund),
};

test('an approval is an interrupt; the run goes on with what was decided and edited', async () => {
  const frontend = await open({ agents: [careful] });
  const [interrupt] = (await frontend.say('refund')).at(-1)!.outcome.interrupts;
  expect(interrupt).toMatchObject({
    id: 'thread-1-r1.1',
    reason: 'confirmation',
    message: 'Refund 400 €?',
    responseSchema: { required: ['approved'], properties: { editedArgs: { type: 'object' } } },
    metadata: { action: 'refund', details: { euros: 400 } },
  });
  expect(Date.parse(interrupt.expiresAt)).toBeGreaterThan(Date.now());
  const payload = { approved: true, editedArgs: { euros: 200 }, by: 'ann' };
  const resume = [{ interruptId: interrupt.id, status: 'resolved', payload }];
  const events = await frontend.run({ resume });
  expect(events.at(-1)).toMatchObject({ outcome: { type: 'success' }, result: { status: 'done' } });
  expect(JSON.parse(frontend.messages.at(-1).content)).toEqual({
    kind: 'approval',
    decision: 'approve',
    by: 'ann',
    arguments: { euros: 200 },
  });
});

test.each([
  ['a denial', { status: 'resolved', payload: { approved: false, reason: 'too much' } }, 'too much'],
  ['a bare no', { status: 'resolved', payload: false }, undefined],
  ['a cancellation', { status: 'cancelled' }, 'cancelled'],
])('%s of an interrupt rejects', async (_, answer, reason) => {
  const frontend = await open({ agents: [careful] });
  await frontend.say('refund');
  await frontend.run({ resume: [{ interruptId: 'thread-1-r1.1', ...answer }] });
  const decision = { kind: 'approval', decision: 'reject', by: 'user', ...(reason && { reason }) };
  expect(JSON.parse(frontend.messages.at(-1).content)).toEqual(decision);
});

test('a resumption that is repeated is safe', async () => {
  const frontend = await open({ agents: [careful] });
  await frontend.say('refund');
  const resume = [{ interruptId: 'thread-1-r1.1', status: 'resolved', payload: { approved: true } }];
  const messages = [...frontend.messages];
  const first = await frontend.run({ runId: 'again', resume, messages });
  const second = await frontend.run({ runId: 'again', resume, messages });
  expect(second).toEqual(first);
});

test.each<[string, object, string]>([
  ['no resumption', {}, 'interrupt_open'],
  ['one of another interrupt', { resume: [{ interruptId: 'x', status: 'cancelled' }] }, 'unknown_interrupt'],
  [
    'one of more than there are',
    { resume: ['thread-1-r1.1', 'x'].map((interruptId) => ({ interruptId, status: 'cancelled' })) },
    'unknown_interrupt',
  ],
  [
    'a payload that does not fit',
    { resume: [{ interruptId: 'thread-1-r1.1', status: 'resolved', payload: { ok: true } }] },
    'bad_resume',
  ],
])('while an interrupt is open, a run with %s is an error', async (_, more, code) => {
  const frontend = await open({ agents: [careful] });
  await frontend.say('refund');
  frontend.messages.push({ id: 'u9', role: 'user', content: 'well?' });
  const events = await frontend.run(more);
  expect(events.map(({ type, code: told }) => told ?? type)).toEqual(['RUN_STARTED', code]);
});

test('a tool of the frontend is called by it: its result goes on with the run', async () => {
  const agent: AgentDefinition = {
    id: 'maps',
    triggers: ['where'],
    run: (_, { call }) =>
      call.decision
        ? JSON.stringify(call.decision)
        : { type: 'tool_required', name: 'locate', arguments: { exact: true } },
  };
  const frontend = await open({ agents: [agent] });
  const asked = await frontend.say('where am i');
  expect(types(asked)).toEqual(['RUN_STARTED', 'TOOL_CALL_START', 'TOOL_CALL_ARGS', 'TOOL_CALL_END', 'RUN_FINISHED']);
  const { toolCallId, toolCallName } = asked[1]!;
  expect([toolCallName, asked[2]!.delta]).toEqual(['locate', '{"exact":true}']);
  frontend.messages.push({ id: 'u9', role: 'user', content: 'well?' });
  expect((await frontend.run()).at(-1)).toMatchObject({ type: 'RUN_ERROR', code: 'tool_result_missing' });
  frontend.messages.pop();
  await frontend.returns(toolCallId, '{"city":"Oslo"}');
  expect(JSON.parse(frontend.messages.at(-1).content)).toEqual({ kind: 'tool', result: { city: 'Oslo' } });
});

test.each<[string, object[], string]>([
  ['no message', [], 'no_message'],
  ['the assistant’s own last', [{ id: 'a', role: 'assistant', content: 'hi' }], 'no_message'],
  ['an image', [{ id: 'u', role: 'user', content: [{ type: 'image', source: {} }] }], 'unsupported_content'],
  ['the result of no call', [{ id: 't', role: 'tool', toolCallId: 'x', content: '1' }], 'unknown_tool_call'],
  ['nobody who could answer', [{ id: 'u', role: 'user', content: 'qwertz' }], 'no_match'],
])('%s is an error of the run', async (_, messages, code) => {
  const frontend = await open({ agents: [careful] });
  expect((await frontend.run({ messages })).at(-1)).toMatchObject({ type: 'RUN_ERROR', code });
});

test('what is not permitted is an error of the run', async () => {
  const frontend = await open({ agents: [careful], authorize: () => ({ allow: false, reason: 'not on Sundays' }) });
  expect((await frontend.say('refund')).at(-1)).toEqual({
    type: 'RUN_ERROR',
    message: 'not on Sundays',
    code: 'forbidden',
  });
});

test('what is no RunAgentInput is a problem, and so is an agent that is not there', async () => {
  const { door } = await open({ agents: [careful] });
  expect((await door.post('/v1/ag-ui', { threadId: 't' })).body).toMatchObject({ status: 400, code: 'bad_request' });
  const input = {
    threadId: 't',
    runId: 'r',
    messages: [{ id: 'u', role: 'user', content: 'hi' }],
    tools: [],
    context: [],
  };
  const { body } = await door.post('/v1/ag-ui/nobody', input);
  expect(body).toContain('"code":"unknown_agent"');
});

test('an agent that calls a model: its tools, its approval and its usage', async () => {
  const pay = defineTool({
    name: 'pay',
    description: 'Pays.',
    input: z.object({ euros: z.number() }),
    approval: true,
    execute: ({ euros }) => `paid ${euros}`,
  });
  const server = await scriptedModel([
    { text: 'One moment.', calls: [{ name: 'pay', arguments: { euros: 50 } }] },
    'Paid.',
  ]);
  const founder = { base_url: server.url, api_key: KEY, model: 'test-model' };
  const clerk: AgentDefinition = { id: 'clerk', kind: 'llm', tools: [pay] };
  const pool = { models: new OpenAiModels({ settings: { founder } }) };
  const frontend = await open({ agents: [clerk], pool }, 'thread-1', '/v1/ag-ui/clerk');
  const asked = await frontend.say('pay 50');
  const [interrupt] = asked.at(-1)!.outcome.interrupts;
  const call = asked.find(({ type }) => type === 'TOOL_CALL_START')!;
  expect(interrupt).toMatchObject({ reason: 'tool_call', toolCallId: call.toolCallId });
  const resume = [
    { interruptId: interrupt.id, status: 'resolved', payload: { approved: true, editedArgs: { euros: 20 } } },
  ];
  const events = await frontend.run({ resume });
  expect(types(events)).not.toContain('TOOL_CALL_START');
  expect(events.find(({ type }) => type === 'TOOL_CALL_RESULT')).toMatchObject({
    toolCallId: call.toolCallId,
    content: 'paid 20',
  });
  expect(frontend.read).toEqual(['user: pay 50', 'assistant: One moment.', 'assistant: Paid.']);
});
