// Nodes as processes, killed without a warning: what was acknowledged is kept, and what was being said is said elsewhere.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { connect } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Caller } from '../src/prove/caller.ts';
import { holds, proveFailover } from '../src/prove/failover.ts';
import { Ledger } from '../src/prove/ledger.ts';
import { Load } from '../src/prove/load.ts';
import { onPath } from '../src/prove/nats-binaries.ts';
import { NatsServer } from '../src/prove/nats-server.ts';
import type { Report } from '../src/prove/node.ts';
import { type Node, programIn, startNodes } from '../src/prove/nodes.ts';
import { answerTo } from '../src/prove/script.ts';
import { judge } from '../src/prove/transcripts.ts';
import { random } from '../src/testing/random.ts';

const without = onPath('nats-server')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`nodes that are killed${without}`, () => {
  let nats: NatsServer;
  let nodes: Node[];
  let caller: Caller;
  let invoked: { node: Node; session: string; key: string }[];
  beforeEach(async () => {
    invoked = [];
    nats = await NatsServer.start();
    nodes = await startNodes(nats.url, 3, (node, report: Report) => {
      if (report.type === 'invoked') invoked.push({ node, session: report.session, key: report.key });
    });
    caller = new Caller(
      nodes.map(({ url }) => url),
      random(1),
    );
  });
  afterEach(async () => {
    await Promise.all(nodes.map((node) => node.kill()));
    await nats[Symbol.asyncDispose]();
  });

  const say = (session: string, content: string) =>
    caller.post(`/v1/sessions/${session}/messages`, { content }, content);
  const lines = async (session: string) =>
    (await caller.get(`/v1/sessions/${session}/messages`)).body.messages.map(
      ({ content }: { content: string }) => content,
    );

  test('kill -9 in the middle of an answer: the run goes on elsewhere with the same idempotency key', async () => {
    await say('s1', 'message 1');
    const asked = say('s1', 'message 2');
    await expect.poll(() => invoked.length, { interval: 1 }).toBe(2);
    const { node, key } = invoked[1]!;
    await node.kill();
    expect((await asked).body).toMatchObject({ status: 'done', answer: answerTo('s1', 'message 2') });
    expect(invoked).toHaveLength(3);
    expect(invoked[2]!.key).toBe(key);
    expect(invoked[2]!.node).not.toBe(node);
    expect(await lines('s1')).toEqual([
      'message 1',
      answerTo('s1', 'message 1'),
      'message 2',
      answerTo('s1', 'message 2'),
    ]);
  });

  test('a node that was frozen for longer than the others wait wakes up to find that its session goes on elsewhere', async () => {
    await say('s1', 'message 1');
    const asked = say('s1', 'message 2');
    await expect.poll(() => invoked.length, { interval: 1 }).toBe(2);
    const { node, key } = invoked[1]!;
    node.freeze();
    expect((await asked).body).toMatchObject({ answer: answerTo('s1', 'message 2') });
    expect(invoked[2]).toMatchObject({ key });
    node.thaw();
    // It forwards like any other node, to wherever the session is by then.
    const zombie = new Caller([node.url], random(1));
    const { body } = await zombie.post('/v1/sessions/s1/messages', { content: 'message 3' }, 'message 3');
    expect(body.answer).toBe(answerTo('s1', 'message 3'));
    expect(await lines('s1')).toHaveLength(6);
  });

  test('a plain NATS client is answered though a node is frozen or killed in the middle of it, whichever session it asks', async () => {
    const client = await connect({ servers: nats.url });
    const ask = async (session: string, content: string): Promise<any> => {
      const subject = `troupe.default.session.${session}.message`;
      return (await client.request(subject, JSON.stringify({ content }), { timeout: 30_000 })).json();
    };
    const sessions = Array.from({ length: 24 }, (_, index) => `plain${index}`);
    const askAll = async (content: string, blow: (node: Node) => unknown) => {
      const before = invoked.length;
      const asked = sessions.map((session) => ask(session, content));
      // It is at work for some of them; the others come to it while it stands still.
      await expect.poll(() => invoked.length, { interval: 1 }).toBeGreaterThan(before);
      const { node } = invoked.at(-1)!;
      await blow(node);
      const late = sessions.map((session) => ask(`${session}-late`, content));
      const answers = (await Promise.all([...asked, ...late])).map(({ answer }) => answer);
      expect(answers).toEqual(
        [...sessions, ...sessions.map((name) => `${name}-late`)].map((s) => answerTo(s, content)),
      );
      return node;
    };
    const frozen = await askAll('message 1', (node) => node.freeze());
    frozen.thaw();
    await askAll('message 2', (node) => node.kill());
    for (const session of sessions) expect(await lines(session)).toHaveLength(4);
    await client.close();
  });
});

describe.skipIf(without !== '')(`the proof of failover${without}`, () => {
  test('holds over a few blows', async () => {
    const options = { nodes: 3, kills: 2, sessions: 40, callers: 6, seed: 11 };
    let read = 0;
    const count = () => {
      read += 1;
    };
    const proof = await proveFailover(options, { struck() {}, reading() {}, read: count });
    expect(proof).toMatchObject({ lost: [], duplicated: [], disordered: [], failed: [], spoken: 0 });
    expect(holds(proof)).toBe(true);
    expect(read).toBe(proof.sessions);
    expect(proof.blows).toEqual({ SIGKILL: 2, SIGSTOP: 0 });
  });

  test('holds while every node is upgraded, and the new ones go on with all that the old ones wrote', async () => {
    const from = fileURLToPath(new URL('..', import.meta.url));
    const options = { nodes: 3, kills: 0, sessions: 20, callers: 4, seed: 5, from };
    const proof = await proveFailover(options, { struck() {}, reading() {}, read() {} });
    expect(proof).toMatchObject({ refused: [], lost: [], duplicated: [], disordered: [], failed: [], spoken: 0 });
    expect(holds(proof)).toBe(true);
    const { restarts, written, woken } = proof.upgrade!;
    expect([restarts, woken]).toEqual([3, written]);
    expect(written).toBeGreaterThan(0);
    // It would not hold if one of them had been left asleep, or one request had been refused.
    expect(holds({ ...proof, upgrade: { restarts, written, woken: woken - 1 } })).toBe(false);
    expect(holds({ ...proof, refused: ['409 machine_version'] })).toBe(false);
  });

  test('sees a request that a node refuses', async () => {
    const node = createServer((_, response) =>
      response.writeHead(409).end(JSON.stringify({ code: 'machine_version' })),
    );
    await once(node.listen(0, '127.0.0.1'), 'listening');
    const caller = new Caller([`http://127.0.0.1:${(node.address() as AddressInfo).port}`], random(1));
    const ledger = new Ledger();
    const load = new Load(caller, ledger, random(1), { sessions: 1, callers: 0 });
    await load.say('s1');
    expect(caller.refused).toEqual([expect.stringContaining('409 machine_version')]);
    expect([ledger.said[0]!.acknowledged, ledger.failed]).toEqual([undefined, []]);
    await once(node.close(), 'close');
  });

  test('needs an older version that is there', () => {
    expect(() => programIn(tmpdir())).toThrow(`there is no troupe in ${tmpdir()}`);
  });

  test('sees what is lost, doubled and out of order', () => {
    const said = (content: string, began: number) => ({ session: 's', content, began, acknowledged: began + 1 });
    const user = (content: string) => ({ role: 'user', content });
    const assistant = (content: string) => ({ role: 'assistant', content: answerTo('s', content) });
    const both = [said('m1', 1), said('m2', 3)];
    const whole = [user('m1'), assistant('m1'), user('m2'), assistant('m2')];
    expect(judge('s', whole, both)).toEqual({ lost: [], duplicated: [], disordered: [] });
    expect(judge('s', whole.slice(0, 2), both).lost).toEqual(['"m2" in s', 'the answer to "m2" in s']);
    expect(judge('s', [...whole, assistant('m2')], both).duplicated).toEqual(['the answer to "m2" in s']);
    expect(judge('s', [...whole.slice(2), ...whole.slice(0, 2)], both).disordered).toEqual(['"m1" in s']);
    const swapped = [user('m1'), user('m2'), assistant('m2'), assistant('m1')];
    expect(judge('s', swapped, both).disordered).toEqual(['the answer to "m2" in s']);
  });
});
