// The official NATS client and nothing of ours: it talks to sessions, watches and steers them, and is an agent.
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { counted, counter, settled, startNode, type TestNode } from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`a plain NATS client${without}`, () => {
  let server: NatsServer;
  let nodes: TestNode[];
  let client: NatsConnection;
  beforeAll(async () => {
    server = await startNats({ jetstream: true });
    const agents = [counter, { id: 'elsewhere', kind: 'nats', triggers: ['elsewhere'] } as const];
    nodes = [await startNode(server.url, { agents }), await startNode(server.url, { agents })];
    await settled(...nodes);
    client = await connect({ servers: server.url });
  });
  afterAll(async () => {
    await client.close();
    for (const node of nodes) await node.close();
    await server.stop();
  });

  const ask = async (session: string, verb: string, body: object = {}): Promise<any> =>
    (
      await client.request(`troupe.default.session.${session}.${verb}`, JSON.stringify(body), { timeout: 20_000 })
    ).json();

  /** Everything that a session tells from now on. */
  function watch(session: string): { type: string; [member: string]: any }[] {
    const told: { type: string }[] = [];
    client.subscribe(`troupe.default.session.${session}.event.>`, {
      callback: (_, message) => void told.push(message.json()),
    });
    return told;
  }

  test('says something and is answered, whichever node took the request', async () => {
    const sessions = Array.from({ length: 12 }, (_, index) => `said${index}`);
    const answers = await Promise.all(sessions.map((session) => ask(session, 'message', { content: 'count to 3' })));
    for (const answer of answers) expect(answer).toMatchObject({ status: 'done', answer: '1 2 3' });
  });

  test('the same message twice, by its `Nats-Msg-Id`, is one message', async () => {
    const once = headers();
    once.set('Nats-Msg-Id', 'once');
    const body = JSON.stringify({ content: 'count to 3' });
    const say = () => client.request('troupe.default.session.twice.message', body, { headers: once, timeout: 20_000 });
    const [first, second] = [(await say()).json<any>(), (await say()).json<any>()];
    expect(second.run_id).toBe(first.run_id);
    expect(await ask('twice', 'get')).toMatchObject({ control: 'automated', turn: 'idle' });
  });

  test('hears every word of an answer, in order', async () => {
    const told = watch('watched');
    await client.flush();
    await ask('watched', 'message', { content: 'count to 20' });
    await expect.poll(() => told.at(-1)?.type).toBe('state_change');
    const words = told.filter(({ type }) => type === 'agent_stream_delta');
    expect(words.reduce((text, { offset, text: more }) => text.slice(0, offset) + more, '')).toBe(counted(20));
    expect(told.map(({ type }) => type)).toContain('run_done');
  });

  test('takes over in the middle of an answer, speaks, and gives the floor back', async () => {
    const told = watch('taken');
    await client.flush();
    const asked = ask('taken', 'message', { content: 'count to 200' });
    await expect.poll(() => told.some(({ type }) => type === 'agent_stream_delta')).toBe(true);
    expect(await ask('taken', 'takeover', { by: 'ann' })).toMatchObject({ control: 'human', holder: 'ann' });
    expect(await asked).toMatchObject({ status: 'suspended' });
    await client.flush();
    const words = told.filter(({ type }) => type === 'agent_stream_delta').length;
    await ask('taken', 'inject', { mode: 'speak', content: 'I am here.', by: 'ann' });
    expect(await ask('taken', 'release', { by: 'ann' })).toMatchObject({ holder: null });
    expect(await ask('taken', 'message', { content: 'count to 1' })).toMatchObject({ answer: '1' });
    expect(told.filter(({ type }) => type === 'agent_stream_delta').length).toBe(words + 1);
  });

  test('reads what is wrong from the headers of a service, and from the body', async () => {
    const reply = await client.request('troupe.default.session.nobody.takeover', '{"by":"ann"}', { timeout: 20_000 });
    expect(reply.headers?.get('Nats-Service-Error-Code')).toBe('404');
    expect(reply.json()).toMatchObject({ code: 'unknown_session' });
  });

  test('is an agent: it is invoked on its subject and answers in pieces', async () => {
    client.subscribe('troupe.default.agent.elsewhere.invoke', {
      queue: 'agents',
      callback: (_, message) => {
        const { input } = message.json<any>();
        const reply = (told: object) => message.respond(JSON.stringify(told));
        reply({ type: 'delta', text: 'You ' });
        reply({ type: 'delta', text: 'said: ' });
        reply({ type: 'done', final_message: `You said: ${input.at(-1).content}` });
      },
    });
    await client.flush();
    const told = watch('asked');
    await client.flush();
    const answer = await ask('asked', 'message', { content: 'elsewhere' });
    expect(answer).toMatchObject({ status: 'done', agent_id: 'elsewhere', answer: 'You said: elsewhere' });
    expect(
      told
        .filter(({ type }) => type === 'agent_stream_delta')
        .map(({ text }) => text)
        .join(''),
    ).toMatch(/^You said: /);
  });
});
