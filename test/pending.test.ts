// The server's count of what a consumer is still to deliver may stay one too high, as nats-server 2.9.10 leaves it when something is
// stored while the consumer is made. Nothing may wait for it to come to zero.
import { expect, test } from 'vitest';
import { startNode } from './cluster.ts';
import { connect, open, opened, serve, upTo } from './jetstream.journals.ts';
import { fill, key } from './journal.entries.ts';
import { proxyTo } from './nats-proxy.ts';

/** A server, and the way to it on which its counts are one too high. */
async function miscounting() {
  const server = await serve();
  const proxy = await proxyTo(server.port);
  opened.push(() => proxy.close());
  proxy.miscount();
  return { server, url: proxy.url };
}

test('a node joins, and knows the others when it has', async () => {
  const { server, url } = await miscounting();
  const first = await startNode(server.url, { id: 'first' });
  opened.push(first.close);
  const second = await startNode(url, { id: 'second' });
  opened.push(second.close);
  expect(second.troupe.cluster!.members.live()).toEqual(['first', 'second']);
});

test('sessions are listed, all of them and those of a shard; so are none', async () => {
  const { server, url } = await miscounting();
  const writer = await open(await connect(server), { shards: 4 });
  const journal = await open(await connect(url));
  expect([await journal.rows(), await journal.scan(0)]).toEqual([[], []]);
  for (const n of upTo(5)) await fill(writer, key(`s${n}`), n);
  const all = await journal.scan([0, 1, 2, 3]);
  expect(all.map(({ n }) => n).sort()).toEqual(upTo(5));
  const shard = journal.shardOf(key('s1'));
  expect((await journal.scan(shard)).map(({ key }) => key.session)).toContain('s1');
});
