// What an agent asks of somebody outside, at every door: who decides sees what it is about, and may change it.
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { WebSocket } from 'ws';
import { z } from 'zod';
import { defineTool } from '../src/agents/define.ts';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { sessionList, sessionView } from '../src/interfaces/http/shapes.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { Running, troupe } from './cli.ts';
import { type Door, openDoor } from './door.ts';

const details = { tool: 'refund', arguments: { order: '1002', euros: 400 } };
const refunds: AgentDefinition = {
  id: 'refunds',
  triggers: ['refund'],
  run: (_, { call }) =>
    call.decision
      ? JSON.stringify(call.decision)
      : { type: 'approval_required', action: 'refund', summary: 'Refund 400 € for order 1002?', details },
};
const maps: AgentDefinition = {
  id: 'maps',
  triggers: ['where am i'],
  run: (_, { call }) =>
    call.decision
      ? JSON.stringify(call.decision)
      : { type: 'tool_required', name: 'locate', arguments: { precision: 'city' } },
};

let door: Door;
afterEach(() => door.close());

/** A session `s1` that waits for a person's yes, and `s2` that waits for a tool. */
async function asking() {
  door = await openDoor({ agents: [refunds, maps], transport: memoryTransport() });
  await door.post('/v1/sessions/s1/messages', { content: 'refund please' });
  await door.post('/v1/sessions/s2/messages', { content: 'where am i' });
  return door;
}

/** What the agent was told, when its run has ended. */
async function decisionOf(session: string): Promise<any> {
  await expect.poll(async () => (await door.get(`/v1/runs/${session}-r1`)).body.status).toBe('DONE');
  return JSON.parse((await door.get(`/v1/runs/${session}-r1`)).body.final_message);
}

const amended = { decision: 'approve', by: 'ann', reason: 'half', arguments: { order: '1002', euros: 200 } };

test('a session says what it asks for, until that is decided', async () => {
  const { get, post } = await asking();
  const approval = { kind: 'approval', action: 'refund', summary: 'Refund 400 € for order 1002?', details };
  const { body } = await get('/v1/sessions/s1');
  expect(body.run).toMatchObject({ question: 's1-r1.1', asks: approval });
  expect(sessionView.parse(body)).toEqual(body);
  const tool = { kind: 'tool', name: 'locate', arguments: { precision: 'city' } };
  expect((await get('/v1/sessions/s2')).body.run).toMatchObject({ question: 's2-r1.1', asks: tool });
  await post('/v1/sessions/s1/approvals/s1-r1.1', { decision: 'approve', by: 'ann' });
  await decisionOf('s1');
  expect((await get('/v1/sessions/s1')).body.run).toBe(null);
});

test('a list of those that wait says what each asks for', async () => {
  const { get, post } = await asking();
  await post('/v1/sessions/s3/messages', { content: 'hello' });
  const waiting = (await get('/v1/sessions?state=running.awaitingApproval')).body;
  expect(waiting.sessions).toMatchObject([
    { session_id: 's1', question: 's1-r1.1', asks: { kind: 'approval', action: 'refund', details } },
  ]);
  const all = (await get('/v1/sessions')).body;
  expect(sessionList.parse(all)).toEqual(all);
  expect(all.sessions.map(({ asks }: any) => asks?.kind)).toEqual(['approval', 'tool', undefined]);
});

test('what is asked survives a restart', async () => {
  const { troupe } = await asking();
  const row = await troupe.journal.last({ tenant: 'default', session: 's1' });
  expect(row!.entry.snapshot.context).toMatchObject({ run: { question: { action: 'refund', details } } });
});

test('over HTTP: a person approves with other arguments', async () => {
  const { post } = await asking();
  expect((await post('/v1/sessions/s1/approvals/s1-r1.1', amended)).status).toBe(200);
  expect(await decisionOf('s1')).toEqual({ kind: 'approval', ...amended });
});

test('over HTTP: arguments of what is rejected are refused, and the question stays open', async () => {
  const { post, get } = await asking();
  const refused = await post('/v1/sessions/s1/approvals/s1-r1.1', { ...amended, decision: 'reject' });
  expect(refused).toMatchObject({
    status: 400,
    body: { code: 'bad_request', detail: 'body.arguments: go only with "approve": what is rejected is not done' },
  });
  expect((await get('/v1/sessions/s1')).body.run.asks.kind).toBe('approval');
});

test('over HTTP: the caller hands in what its tool returned, or why it could not', async () => {
  const { post } = await asking();
  await post('/v1/sessions/s2/tool-results/s2-r1.1', { error: 'no position' });
  expect(await decisionOf('s2')).toEqual({ kind: 'tool', error: 'no position' });
});

test('on subjects: with other arguments, and as the result of a tool', async () => {
  const { troupe } = await asking();
  const ask = async (subject: string, body: object) => {
    const { data } = await troupe.transport.request(`troupe.default.session.${subject}`, JSON.stringify(body));
    return JSON.parse(new TextDecoder().decode(data));
  };
  expect((await ask('s1.get', {})).run.asks).toMatchObject({ kind: 'approval', details });
  const reject = { ...amended, decision: 'reject', approval: 's1-r1.1' };
  expect(await ask('s1.approve', reject)).toMatchObject({ status: 400, code: 'bad_request' });
  await ask('s1.approve', { ...amended, approval: 's1-r1.1' });
  expect(await decisionOf('s1')).toEqual({ kind: 'approval', ...amended });
  await ask('s2.tool_result', { call: 's2-r1.1', result: { city: 'Oslo' } });
  expect(await decisionOf('s2')).toEqual({ kind: 'tool', result: { city: 'Oslo' } });
});

test('over the WebSocket: with other arguments, and as the result of a tool', async () => {
  await asking();
  const socket = new WebSocket(`${door.url.replace('http', 'ws')}/v1/supervise`);
  onTestFinished(() => socket.terminate());
  await new Promise((resolve) => socket.once('open', resolve));
  const ask = (frame: object): Promise<any> => {
    const reply = new Promise<any>((resolve) => socket.once('message', (data) => resolve(JSON.parse(data.toString()))));
    socket.send(JSON.stringify(frame));
    return reply;
  };
  const approve = { session: 's1', verb: 'approve', approval: 's1-r1.1', ...amended };
  expect(await ask({ ...approve, decision: 'reject' })).toMatchObject({ error: { code: 'bad_request' } });
  expect(await ask(approve)).toMatchObject({ ok: true });
  expect(await decisionOf('s1')).toEqual({ kind: 'approval', ...amended });
  const result = { session: 's2', verb: 'tool_result', call: 's2-r1.1', result: { city: 'Oslo' } };
  expect(await ask(result)).toMatchObject({ ok: true });
  expect(await decisionOf('s2')).toEqual({ kind: 'tool', result: { city: 'Oslo' } });
});

test('in the library: with other arguments', async () => {
  const { troupe } = await asking();
  const session = troupe.session('s1');
  const { run } = await session.state();
  expect(run!.asks).toMatchObject({ action: 'refund' });
  await session.approve({ ...amended, decision: 'approve', approval: run!.question! });
  expect(await decisionOf('s1')).toEqual({ kind: 'approval', ...amended });
});

test('in the terminal: who comes later sees what is asked and may change it', async () => {
  await asking();
  const terminal = new Running(['supervise', 's1', '--as', 'ann', '--url', door.url]);
  const says = (text: string) => expect.poll(() => terminal.stdout, { timeout: 20_000 }).toContain(text);
  await says('a person must decide: Refund 400 € for order 1002? (approval s1-r1.1)\n');
  await says('refund: {"tool":"refund","arguments":{"order":"1002","euros":400}}\n');
  terminal.type('/amend s1-r1.1 euros=200');
  await says('/amend takes <approval> <arguments as JSON>: euros=200 is no JSON\n');
  terminal.type('/amend s1-r1.1 {"order":"1002","euros":200}');
  await says('refunds: {"kind":"approval"');
  expect(await decisionOf('s1')).toEqual({
    kind: 'approval',
    decision: 'approve',
    by: 'ann',
    arguments: amended.arguments,
  });
  expect((await terminal.end()).code).toBe(0);
});

test('in the terminal: the list says what each session asks', async () => {
  await asking();
  const { stdout } = await troupe(['sessions', '--url', door.url]);
  expect(stdout).toMatch(/^SESSION .* ASKS$/m);
  expect(stdout).toMatch(/^s1 .* Refund 400 € for order 1002\?$/m);
  expect(stdout).toMatch(/^s2 .* the tool locate$/m);
});

test('a tool that runs at the caller cannot be called here: the agent is told to ask for it', async () => {
  const locate = defineTool({ name: 'locate', description: 'Where the user is.', input: z.object({}), client: true });
  door = await openDoor({
    agents: [
      { id: 'a', tools: [locate], run: (_, { tool }) => tool('locate', {}).catch((error) => error.code) as never },
    ],
  });
  expect((await door.post('/v1/sessions/s1/messages', { content: 'hi', agent_id: 'a' })).body.answer).toBe(
    'client_tool',
  );
});
