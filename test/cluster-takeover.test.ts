// A takeover holds on every node: once it is acknowledged, no listener anywhere hears another word of the AI.
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { feed } from '../src/sessions/feed.ts';
import { counter, type NodeOptions, sessionOn, settled, startNode, type TestNode } from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';
import { proxyTo } from './nats-proxy.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`a cluster${without}`, () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNats({ jetstream: true });
  });
  afterAll(() => server.stop());

  async function join(url: string, options: NodeOptions = { agents: [counter] }): Promise<TestNode> {
    const node = await startNode(url, options);
    onTestFinished(() => node.close());
    return node;
  }

  async function slowLine() {
    const proxy = await proxyTo(Number(new URL(server.url).port));
    onTestFinished(() => proxy.close());
    return proxy;
  }

  test.each(['takeOver', 'pause', 'cancel', 'close'] as const)(
    'a listener at a node that hears everything late hears no word after %s is acknowledged',
    async (verb) => {
      const line = await slowLine();
      const [near, far] = [await join(server.url), await join(line.url)];
      await settled(near, far);
      const session = sessionOn(near, verb.toLowerCase());
      const key = { tenant: 'default', session };
      await near.troupe.session(session).send('count to 1');
      let words = 0;
      const over = new AbortController();
      const listening = (async () => {
        for await (const { type } of feed(far.troupe.orchestrator, key, { signal: over.signal }))
          if (type === 'part') words += 1;
      })();
      line.delay(100);
      const answer = near.troupe.session(session).send('count to 1000');
      await expect.poll(() => words, { timeout: 10_000 }).toBeGreaterThan(5);
      await near.troupe.session(session)[verb]({ by: 'ann', ...(verb === 'pause' && { mode: 'interrupt' }) } as never);
      const acknowledged = words;
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect(words - acknowledged).toBe(0);
      over.abort();
      await listening;
      await answer;
    },
  );
});
