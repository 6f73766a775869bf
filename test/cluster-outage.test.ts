// The NATS server goes away under a cluster and comes back: nothing acknowledged is lost, and nobody has to do anything.
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Refused } from '../src/platform/errors.ts';
import { counted, counter, Steered, sessionOn, settled, startNode, type TestNode } from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`a cluster whose server goes away${without}`, () => {
  let server: NatsServer;
  let nodes: TestNode[];
  const steered = new Steered();
  beforeEach(async () => {
    steered.calls.length = 0;
    server = await startNats({ jetstream: true });
    const agents = [counter, steered.agent];
    nodes = [await startNode(server.url, { agents }), await startNode(server.url, { agents })];
    await settled(...nodes);
  });
  afterEach(async () => {
    for (const node of nodes) await node.close();
    await server.stop();
  });

  const stateOf = ({ troupe }: TestNode) => troupe.orchestrator.actor.getSnapshot().value;
  const ready = ({ troupe }: TestNode) => troupe.orchestrator.actor.getSnapshot().hasTag('ready');

  /** A caller that repeats its request until it is taken. */
  async function persist(node: TestNode, session: string, content: string) {
    for (;;) {
      try {
        return await node.troupe.session(session).send(content, { idempotencyKey: content });
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 503) throw error;
        expect(error.details.retry_after_s).toBeGreaterThan(0);
        await pause(100);
      }
    }
  }

  test('for a moment: nobody is taken for dead, no shard moves, and an answer goes on', async () => {
    const [a, b] = nodes as [TestNode, TestNode];
    const session = sessionOn(a);
    const asked = persist(b, session, 'steer');
    const call = await steered.call(1);
    const before = b.troupe.cluster!.view().shards;
    await server.kill();
    call.say('before ');
    await pause(300);
    await server.start();
    call.say('and after');
    call.end();
    expect(await asked).toMatchObject({ status: 'done', answer: 'before and after' });
    expect(steered.calls).toHaveLength(1);
    expect(call.signal.aborted).toBe(false);
    expect(b.troupe.cluster!.view().shards).toEqual(before);
    expect(a.troupe.cluster!.view().nodes).toHaveLength(2);
  });

  test('for long: requests are told to try again, no node says it is ready, and all of it comes back by itself', async () => {
    const [a, b] = nodes as [TestNode, TestNode];
    const sessions = [sessionOn(a), sessionOn(b)];
    for (const session of sessions) await persist(a, session, 'count to 3');
    const open = persist(b, sessions[0]!, 'steer');
    const call = await steered.call(1);
    await server.kill();

    await expect.poll(() => nodes.map(ready), { timeout: 20_000 }).toEqual([false, false]);
    expect(nodes.map(stateOf)).toEqual([{ serving: 'degraded' }, { serving: 'degraded' }]);
    for (const node of nodes)
      for (const session of sessions)
        await expect(node.troupe.session(session).send('count to 2')).rejects.toMatchObject({
          status: 503,
          details: { retry_after_s: 1 },
        });
    // What the others may have taken by now is not gone on with.
    expect(call.signal.aborted).toBe(true);

    await server.start();
    await expect.poll(() => nodes.map(ready), { timeout: 20_000 }).toEqual([true, true]);
    await settled(...nodes);
    for (const { troupe } of nodes) expect(troupe.cluster!.view().nodes).toHaveLength(2);

    const again = await steered.call(2);
    expect(again.key).toBe(call.key);
    again.say('here I am again');
    again.end();
    expect(await open).toMatchObject({ status: 'done', answer: 'here I am again' });
    for (const session of sessions)
      for (const node of nodes) {
        const last = session === sessions[0] ? 4 : 5;
        expect(await persist(node, session, `count to ${last}`)).toMatchObject({ answer: counted(last) });
      }
    const lines = (await a.troupe.session(sessions[0]!).history()).map(({ content }) => content);
    expect(lines).toEqual(['count to 3', '1 2 3', 'steer', 'here I am again', 'count to 4', '1 2 3 4']);
  });
});
