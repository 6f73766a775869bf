// Jobs in a cluster: they are spread over the nodes with the shards, and those of a node that is gone are done by the others.
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineOrchestrator } from '../src/index.ts';
import { settled, startNode, type TestNode } from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`jobs in a cluster${without}`, () => {
  let server: NatsServer;
  const nodes: TestNode[] = [];
  beforeAll(async () => {
    server = await startNats({ jetstream: true });
  });
  afterEach(async () => {
    for (const node of nodes.splice(0)) await node.close().catch(() => {});
  });
  afterAll(() => server.stop());

  /** Every step that was done, and by which node. */
  const done: { node: string; n: number; step: string }[] = [];

  async function join(): Promise<TestNode> {
    const helper = defineAgent({ id: 'helper', run: (message) => message });
    let id = '';
    const count = defineOrchestrator({
      name: 'count',
      version: '1',
      payload: z.object({ n: z.number() }),
      async run({ n }, { step, call, record }) {
        for (const name of ['one', 'two', 'three'])
          await step(name, async () => {
            await pause(20);
            done.push({ node: id, n, step: name });
          });
        return [record(n, await call('helper', String(n)))];
      },
    });
    const node = await startNode(server.url, { agents: [helper], orchestrators: [count], jobs: { workers: 2 } });
    id = node.id;
    nodes.push(node);
    return node;
  }

  test('any node takes them, all nodes do them, and a node that is gone leaves none behind', async () => {
    const [a, b, c] = [await join(), await join(), await join()];
    await settled(a, b, c);
    const ids: string[] = [];
    for (let n = 0; n < 60; n += 1) ids.push((await a.troupe.enqueue('count', { n }, { key: `k${n}` })).job_id);
    // The same key at another node is the same job.
    expect(await b.troupe.enqueue('count', { n: 7 }, { key: 'k7' })).toMatchObject({ job_id: ids[7], duplicate: true });
    await expect.poll(() => new Set(done.map(({ node }) => node)).size).toBe(3);
    expect((await c.troupe.jobs.list({ limit: 1_000 })).jobs).toHaveLength(60);

    // One dies without a word; another leaves in order.
    c.troupe.jobs.queue.close();
    c.troupe.cluster!.stop();
    await c.troupe.orchestrator.stop();
    await b.close();
    const jobs = await Promise.all(ids.map((id) => a.troupe.jobs.ended(id)));
    expect(jobs.map(({ state }) => state)).toEqual(ids.map(() => 'done'));
    expect(jobs.map(({ result }) => result!.records[0]!.data)).toEqual(ids.map((_, n) => n));
    expect(new Set(done.map(({ n, step }) => `${n} ${step}`)).size).toBe(180);
    // Only what was not remembered yet when its node ended is done again.
    expect(done.length).toBeLessThanOrEqual(180 + 4);
    await expect.poll(() => a.troupe.jobs.queue.counts).toEqual({ waiting: 0, running: 0 });
  });
});
