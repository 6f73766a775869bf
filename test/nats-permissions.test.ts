// The generated permissions on a real nats-server: every role can do its work, and nothing else.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { block } from '../scripts/permissions.ts';
import { type NatsNode, natsNode } from '../src/cluster/node.ts';
import { authorization, type Role, roles } from '../src/interfaces/nats/permissions.ts';
import { connectNats } from '../src/nats/connect.ts';
import { callerInbox } from '../src/nats/inboxes.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { natsTransport } from '../src/transport/nats.ts';
import type { Transport } from '../src/transport/transport.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinaries } from './nats-binaries.ts';

const TENANT = 'acme';

describe.each(natsBinaries())('on nats-server $version', (binary) => {
  let server: NatsServer;
  let nodes: { troupe: Troupe; nats: NatsNode }[];
  let agent: Transport;
  let client: Transport;
  let supervisor: Transport;
  const closing: (() => Promise<void>)[] = [];
  const warnings: string[] = [];
  const warned = ({ message }: Error) => void warnings.push(message);

  const addressOf = (role: Role) => server.url.replace('//', `//${role}:secret-of-${role}@`);
  const connectAs = async (role: Role, inboxPrefix?: string) => {
    const connection = await connectNats({ servers: addressOf(role), inboxPrefix });
    const onDenied = ({ message }: Error) => {
      // An agent asks nobody, so it needs no inbox.
      if (role !== 'agent' || !message.includes('"_INBOX.')) warnings.push(message);
    };
    const transport = natsTransport(connection, { onDenied });
    closing.push(async () => {
      await transport.close();
      await connection.close();
    });
    return transport;
  };
  const ask = async (transport: Transport, subject: string, body: object = {}) => {
    const { data } = await transport.request(subject, JSON.stringify(body), { timeout: 10_000 });
    return JSON.parse(new TextDecoder().decode(data));
  };

  beforeAll(async () => {
    process.on('warning', warned);
    for (const role of roles) process.env[`TROUPE_${role.toUpperCase()}_PASSWORD`] = `secret-of-${role}`;
    server = await startNats({
      binary,
      jetstream: true,
      config: authorization(roles, { tenant: TENANT, agent: 'desk' }),
    });
    nodes = [];
    for (const id of ['n1', 'n2']) {
      const nats = await natsNode({ url: addressOf('node'), id, shards: 4 });
      const { journal, transport, cluster } = nats;
      const agents = [{ id: 'desk', kind: 'nats', triggers: ['order'] } as const];
      nodes.push({ nats, troupe: await createTroupe({ agents, journal, transport, cluster }) });
    }
    agent = await connectAs('agent');
    client = await connectAs('client', callerInbox('client', TENANT));
    supervisor = await connectAs('supervisor', callerInbox('supervisor', TENANT));
    agent.subscribe(
      `troupe.${TENANT}.agent.desk.invoke`,
      ({ reply }) => {
        for (const text of ['It is ', 'on its way.']) agent.publish(reply!, JSON.stringify({ type: 'delta', text }));
        agent.publish(reply!, JSON.stringify({ type: 'done' }));
      },
      { queue: 'agents' },
    );
    await agent.flush();
  });

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    for (const { troupe, nats } of nodes) {
      await troupe.close();
      await nats.close();
    }
    await server.stop();
    for (const role of roles) delete process.env[`TROUPE_${role.toUpperCase()}_PASSWORD`];
    process.off('warning', warned);
  });

  test('a client talks to sessions on both nodes, an agent answers, and the client hears it word by word', async () => {
    const words: string[] = [];
    client.subscribe(`troupe.${TENANT}.session.*.event.agent_stream_delta`, ({ data }) => {
      words.push(JSON.parse(new TextDecoder().decode(data)).text);
    });
    await client.flush();
    for (const session of ['s1', 's2', 's3', 's4', 's5', 's6']) {
      const said = await ask(client, `troupe.${TENANT}.session.${session}.message`, { content: 'my order?' });
      expect(said).toMatchObject({ status: 'done', answer: 'It is on its way.' });
    }
    await expect.poll(() => words.length).toBe(12);
    expect(await ask(client, `troupe.${TENANT}.session.s1.get`)).toMatchObject({ control: 'automated' });
  });

  test('an agent tells how busy it is, and every node hears it', async () => {
    agent.publish(`troupe.${TENANT}.agent.desk.heartbeat`, JSON.stringify({ instance_id: 'i1', capacity: 7 }));
    for (const { troupe } of nodes)
      await expect.poll(() => troupe.pool.get(TENANT, 'desk')!.view().endpoints[0]!.capacity).toBe(7);
  });

  test('a supervisor takes a session over, speaks, and gives it back', async () => {
    const verb = (name: string, body: object) => ask(supervisor, `troupe.${TENANT}.session.s1.${name}`, body);
    expect(await verb('takeover', { by: 'ann' })).toMatchObject({ control: 'human', holder: 'ann' });
    expect(await verb('inject', { by: 'ann', content: 'Ann here.' })).toMatchObject({ control: 'human' });
    expect(await verb('release', { by: 'ann' })).toMatchObject({ control: 'automated' });
  });

  test('a node lists, removes and hands over, and all of it within its permissions', async () => {
    const [first, second] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
    const listed = await first.troupe.journal.rows({ tenant: TENANT });
    expect(listed.length).toBeGreaterThanOrEqual(6);
    await first.troupe.journal.remove({ tenant: TENANT, session: 's6' });
    await expect
      .poll(async () => (await second.troupe.journal.rows({ tenant: TENANT })).length)
      .toBe(listed.length - 1);
    await first.troupe.close();
    await first.nats.close();
    nodes.shift();
    const said = await ask(client, `troupe.${TENANT}.session.s2.message`, { content: 'my order?' });
    expect(said).toMatchObject({ status: 'done' });
    expect(warnings).toEqual([]);
  });

  const forbidden: [role: Role, what: string, subject: string][] = [
    ['client', 'take a session over', `troupe.${TENANT}.session.s1.takeover`],
    ['client', "talk to another tenant's session", 'troupe.other.session.s1.message'],
    ['client', 'call an agent past the session', `troupe.${TENANT}.agent.desk.invoke`],
    ['client', 'answer in place of an agent', `_INBOX.troupe.agent.${TENANT}.desk.any`],
    ['client', 'pass for an agent', `troupe.${TENANT}.agent.desk.heartbeat`],
    ['client', 'write events', `troupe.${TENANT}.session.s1.event.agent_stream_delta`],
    ['client', 'write the journal', `troupe.journal.0.${TENANT}.s1`],
    ['client', 'read the journal', '$JS.API.DIRECT.GET.troupe-journal'],
    ['client', 'command a node', 'troupe.node.n1.do'],
    ['agent', 'talk to a session', `troupe.${TENANT}.session.s1.message`],
    ['agent', 'answer in place of another agent', `_INBOX.troupe.agent.${TENANT}.other.any`],
    ['agent', 'answer to another tenant', '_INBOX.troupe.agent.other.desk.any'],
    ['agent', 'read the journal', '$JS.API.STREAM.MSG.GET.troupe-journal'],
    ['supervisor', "take another tenant's session over", 'troupe.other.session.s1.takeover'],
    ['supervisor', 'read the journal', '$JS.API.DIRECT.GET.troupe-journal'],
    ['supervisor', 'change who has which shard', '$KV.troupe-shards.assignment'],
    ['node', 'delete the journal', '$JS.API.STREAM.DELETE.troupe-journal'],
    ['node', 'read another stream', '$JS.API.DIRECT.GET.orders'],
  ];
  test.each(forbidden)('the %s may not %s', async (role, _, subject) => {
    const connection = await connectNats({ servers: addressOf(role), inboxPrefix: inboxOf(role) });
    closing.push(() => connection.close());
    const refused = refusalOf(connection, () => connection.publish(subject));
    expect(await refused).toMatch(
      new RegExp(`Permissions Violation for Publish to "${subject.replace(/[.$]/g, '\\$&')}"`, 'i'),
    );
  });

  const unheard: [role: Role, what: string, subject: string][] = [
    ['client', 'replies to others', '_INBOX.>'],
    ['client', "replies to another tenant's clients", `${callerInbox('client', 'other')}.>`],
    ['client', 'replies to supervisors', `${callerInbox('supervisor', TENANT)}.>`],
    ['client', "another tenant's events", 'troupe.other.session.*.event.>'],
    ['client', 'what others ask', `troupe.${TENANT}.session.*.message`],
    ['client', 'the journal as it is written', 'troupe.journal.>'],
    ['agent', 'calls of another agent', `troupe.${TENANT}.agent.other.invoke`],
    ['agent', "calls of another tenant's agent", 'troupe.other.agent.desk.invoke'],
    ['agent', 'what is said in sessions', `troupe.${TENANT}.session.*.event.>`],
    ['supervisor', "another tenant's events", 'troupe.other.session.*.event.>'],
    ['supervisor', 'everything', '>'],
    ['node', 'replies to clients', '_INBOX.>'],
  ];
  test.each(unheard)('the %s may not hear %s', async (role, _, subject) => {
    const connection = await connectNats({ servers: addressOf(role), inboxPrefix: inboxOf(role) });
    closing.push(() => connection.close());
    const refused = refusalOf(connection, () => void connection.subscribe(subject, { callback() {} }));
    expect(await refused).toMatch(/Permissions Violation for Subscription to /i);
  });
});

describe('a request that is forbidden', () => {
  test('is refused to its caller, with the subject', async () => {
    const config = `authorization { users: [{ user: u, password: p, permissions: { publish: { deny: "secret" } } }] }`;
    const server = await startNats({ config });
    const connection = await connectNats({ servers: server.url.replace('//', '//u:p@') });
    const transport = natsTransport(connection, { onDenied: () => {} });
    await expect(transport.request('secret', '')).rejects.toMatchObject({
      name: 'Denied',
      message: expect.stringMatching(/Publish to "secret"/i),
    });
    await transport.close();
    await connection.close();
    await server.stop();
  });
});

test('the permissions in docs/nats.md are those that the program prints; node scripts/permissions.ts writes them', () => {
  expect(readFileSync(new URL('../docs/nats.md', import.meta.url), 'utf8')).toContain(block());
});

const inboxOf = (role: Role): string | undefined =>
  role === 'client' || role === 'supervisor'
    ? callerInbox(role, TENANT)
    : role === 'node'
      ? '_INBOX.troupe.node'
      : undefined;

/** What the server says to something that it forbids. */
async function refusalOf(connection: Awaited<ReturnType<typeof connectNats>>, go: () => void): Promise<string> {
  const statuses = connection.status();
  go();
  for await (const status of statuses) if (status.type === 'error') return status.error.message;
  return 'nothing was said';
}

test('a client cannot make a node write where it may not write itself, by naming that place for the reply', async () => {
  const transport = memoryTransport();
  const troupe = await createTroupe({ transport, agents: [{ id: 'echo', triggers: ['hello'], run: (text) => text }] });
  const heard: string[] = [];
  for (const subject of ['$KV.>', 'troupe.other.>', 'elsewhere'])
    transport.subscribe(subject, (message) => void heard.push(message.subject));
  for (const reply of ['$KV.troupe-shards.assignment', 'troupe.other.agent.a.heartbeat', 'elsewhere'])
    transport.publish('troupe.default.session.s1.get', '', { reply });
  await expect.poll(() => heard).toEqual(['elsewhere']);
  await troupe.close();
});
