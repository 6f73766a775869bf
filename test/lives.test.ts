// A session's other lives at a live service: forked at any entry, with another agent, or taken along as a test.
import { expect, test } from 'vitest';
import { bodies } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { AgentFunction } from '../src/agents/definition.ts';
import { AnotherLife, held, replay, scripted } from '../src/testing.ts';
import { sessionOn, settled, startNode } from './cluster.ts';
import { type Door, openDoor } from './door.ts';
import { startNats } from './nats.ts';

const asking: AgentFunction = (_, { call }) =>
  call.decision
    ? `it was ${call.decision.kind === 'approval' ? call.decision.decision : 'a tool'}`
    : { type: 'approval_required', action: 'refund', summary: 'Pay 20 back?' };
const agents = [
  { id: 'asking', triggers: ['refund'], run: asking },
  { id: 'echo', triggers: ['echo'], run: (message: string) => message },
  { id: 'shout', run: (message: string) => message.toUpperCase() },
];

/** A session that wants a refund, is allowed it, and goes on. */
async function lived(door: Door, id = 's1'): Promise<void> {
  const say = (content: string) => door.post(`/v1/sessions/${id}/messages`, { content });
  const { body } = await say('refund');
  await door.post(`/v1/sessions/${id}/approvals/${body.question.approval}`, { decision: 'approve', by: 'ann' });
  await say('echo hello');
}

const contents = async (door: Door, id: string) =>
  (await door.get(`/v1/sessions/${id}/messages`)).body.messages.map(({ content }: { content: string }) => content);

test('a session is forked at an entry and goes another way', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  const { status, body } = await door.post('/v1/sessions/s1/fork', { entry: 2, session: 's2' });
  expect(status).toBe(201);
  expect(body).toMatchObject({ session_id: 's2', turn: 'running.awaitingApproval', entry: 2 });
  expect(body.forked_from).toEqual({ session_id: 's1', entry: 2 });
  expect(body.allowed).toContain('approve');
  const rejected = { decision: 'reject', by: 'bo' };
  await door.post(`/v1/sessions/s2/approvals/${body.run.question}`, rejected);
  await expect.poll(() => contents(door, 's2')).toEqual(['refund', 'it was reject']);
  expect(await contents(door, 's1')).toEqual(['refund', 'it was approve', 'echo hello', 'echo hello']);
});

test('a fork with another agent ends with the last message up to there, which that agent answers', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  const { entries } = (await door.get('/v1/sessions/s1/journal')).body;
  const { status, body } = await door.post('/v1/sessions/s1/fork', { agent_id: 'shout' });
  expect(status).toBe(201);
  expect(body.forked_from.entry).toBe(entries.findLast(({ event }: any) => event.type === 'message').n);
  await expect
    .poll(() => contents(door, body.session_id))
    .toEqual(['refund', 'it was approve', 'echo hello', 'ECHO HELLO']);
});

test('a message that nobody was found for is answered in its fork', async () => {
  const door = await openDoor({ agents });
  await door.post('/v1/sessions/s1/messages', { content: 'hm' });
  const { body } = await door.post('/v1/sessions/s1/fork', { entry: 1, agent_id: 'shout', session: 's2' });
  expect(body).toMatchObject({ session_id: 's2' });
  await expect.poll(() => contents(door, 's2')).toEqual(['hm', 'HM']);
});

test('what cannot be forked is refused by name', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  await door.post('/v1/sessions', { session_id: 'silent' });
  const refusal = async (id: string, wish: object) => {
    const { status, body } = await door.post(`/v1/sessions/${id}/fork`, wish);
    return [status, body.code];
  };
  expect(await refusal('nobody', {})).toEqual([404, 'unknown_session']);
  expect(await refusal('s1', { entry: 99 })).toEqual([404, 'unknown_entry']);
  expect(await refusal('s1', { session: 's1' })).toEqual([409, 'session_exists']);
  expect(await refusal('s1', { agent_id: 'nobody' })).toEqual([404, 'unknown_agent']);
  expect(await refusal('silent', { agent_id: 'echo' })).toEqual([409, 'no_message']);
  expect(await refusal('s1', { session: 'No Token' })).toEqual([400, 'bad_request']);
  expect((await door.post('/v1/sessions/s1/fork', {}, { headers: { 'x-tenant-id': 'other' } })).status).toBe(404);
});

test('asking for a fork again with the same key finds it', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  const ask = () => door.post('/v1/sessions/s1/fork', { entry: 3 }, { headers: { 'idempotency-key': 'k1' } });
  const first = await ask();
  expect((await ask()).body.session_id).toBe(first.body.session_id);
});

test('a fork is counted in the fleet', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  await door.get('/v1/fleet');
  await door.post('/v1/sessions/s1/fork', { entry: 2, session: 's2' });
  expect((await door.get('/v1/fleet')).body).toMatchObject({
    sessions: 2,
    states: { 'automated/idle': 1, 'automated/running.awaitingApproval': 1 },
  });
});

test('a session of a live service is replayed as a test, which goes on where it stood', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  const { headers, body } = await door.get('/v1/sessions/s1/fixture?to=2');
  expect(headers.get('content-disposition')).toBe('attachment; filename="s1.json"');
  const s = replay(body);
  expect(s.state).toBe('automated/running.awaitingApproval');
  s.send({ type: 'takeover', by: 'ann' });
  expect(s.state).toBe('human.held/running.awaitingApproval');
  expect(replay((await door.get('/v1/sessions/s1/fixture')).body).state).toBe('automated/idle');
});

test('a fixture that a chart does not live through is refused with the entry that differs', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  const { body } = await door.get('/v1/sessions/s1/fixture');
  body.entries[2].snapshot.context.epoch = 7;
  const again = () => replay(body, sessionMachine);
  expect(again).toThrow(AnotherLife);
  expect(again).toThrow(/entry 3 comes out otherwise: another snapshot.*-.*"epoch": 7/s);
  expect(() => replay({ hello: 1 })).toThrow(/fixture.format/);
  expect((await door.get('/v1/sessions/s1/fixture?to=99')).body.code).toBe('unknown_entry');
});

test('what is allowed is what is accepted, in every state that a session goes through', async () => {
  const door = await openDoor({ agents: [...agents, scripted('slow', [held('Well')])] });
  const probes: Record<string, object> = {
    message: { content: 'echo', agent_id: 'slow' },
    takeover: { by: 'zoe' },
    inject: { content: 'x', by: 'zoe' },
  };
  /** Tries each verb on a fork of its own, so that the session stays as it is. */
  const accepted = async (id: string): Promise<string[]> => {
    const { body: view } = await door.get(`/v1/sessions/${id}`);
    const verbs = await Promise.all(
      Object.keys(bodies).map(async (verb) => {
        const { body } = await door.post(`/v1/sessions/${id}/fork`, {});
        const question = body.run?.question ?? 'none';
        const path =
          verb === 'message'
            ? 'messages'
            : verb === 'approve'
              ? `approvals/${question}`
              : verb === 'tool_result'
                ? `tool-results/${question}`
                : verb;
        const probe = verb === 'approve' ? { decision: 'approve', by: 'zoe' } : (probes[verb] ?? {});
        const leave = AbortSignal.timeout(verb === 'message' ? 300 : 5_000);
        const reply = await door
          .post(`/v1/sessions/${body.session_id}/${path}`, probe, { signal: leave })
          .catch(() => undefined);
        return (reply?.status ?? 200) < 300 ? [verb] : [];
      }),
    );
    expect([...view.allowed].sort(), JSON.stringify(view)).toEqual(verbs.flat().sort());
    return view.allowed;
  };
  await door.post('/v1/sessions/s1/messages', { content: 'echo hi' });
  expect(await accepted('s1')).toEqual(['message', 'pause', 'takeover', 'inject', 'close']);
  await door.post('/v1/sessions/s1/messages', { content: 'refund' });
  expect(await accepted('s1')).toContain('approve');
  await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
  expect(await accepted('s1')).toContain('release');
  await door.post('/v1/sessions/s1/pause', {});
  expect(await accepted('s1')).toContain('resume');
  await door.post('/v1/sessions/s1/close', {});
  expect((await door.get('/v1/sessions/s1')).body.allowed).toEqual([]);
});

test('every change of state says what is allowed then', async () => {
  const door = await openDoor({ agents });
  await lived(door);
  await door.post('/v1/sessions/s1/takeover', { by: 'ann' });
  const listener = await door.listen('/v1/sessions/s1/events');
  const { data } = await listener.until(({ event, data }) => event === 'state_change' && data.control === 'human');
  expect(data.allowed).toEqual((await door.get('/v1/sessions/s1')).body.allowed);
  expect(data.allowed).toContain('release');
});

test('in a cluster the node that shall have the fork makes it', async () => {
  const nats = await startNats({ jetstream: true });
  const a = await startNode(nats.url, { id: 'a', agents });
  const b = await startNode(nats.url, { id: 'b', agents });
  try {
    await settled(a, b);
    const from = sessionOn(a, 'from');
    const as = sessionOn(b, 'as');
    await a.troupe.session(from).send('echo hi');
    const key = { tenant: 'default', session: as };
    const view = await a.troupe.conversations.fork(key, from, { agent_id: 'shout' });
    expect(view).toMatchObject({ session_id: as, forked_from: { session_id: from, entry: 1 } });
    await expect
      .poll(async () => (await b.troupe.session(as).history()).map(({ content }) => content))
      .toEqual(['echo hi', 'ECHO HI']);
    expect((await a.troupe.fleet.view('default')).sessions).toBe(2);
  } finally {
    await a.close();
    await b.close();
    await nats.stop();
  }
});
