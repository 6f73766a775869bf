// One journal on JetStream, many processes: who wins, who hears, who knows.

import { describe, expect, test } from 'vitest';
import { NODES_BUCKET, natsNode, SHARDS_BUCKET } from '../src/cluster/node.ts';
import type { JetstreamJournal } from '../src/journal/jetstream.ts';
import { type Journal, keyName, type Version } from '../src/journal/journal.ts';
import { Conflict } from '../src/platform/errors.ts';
import {
  api,
  connect,
  keepWriting,
  numbers,
  open,
  serve,
  serveCluster,
  upTo,
  withoutReplicas,
} from './jetstream.journals.ts';
import { entry, fill, key } from './journal.entries.ts';
import { natsBinaries } from './nats-binaries.ts';

describe('a journal that processes share', () => {
  test('of writers that race on one server exactly one wins every round, on every version', async () => {
    for (const binary of natsBinaries()) {
      const server = await serve({ binary });
      const writers = await Promise.all(upTo(6).map(async () => open(await connect(server))));
      const wins = await race(writers, 200);
      expect(wins.filter((count) => count > 0).length).toBeGreaterThan(1);
    }
  });

  test('of writers that race on three replicas exactly one wins, also while the leader steps down', async ({
    skip,
  }) => {
    if (withoutReplicas) skip(withoutReplicas);
    const servers = await serveCluster();
    const writers: JetstreamJournal[] = [];
    // One after the other: the first creates the stream.
    for (let i = 0; i < 6; i++) writers.push(await open(await connect(servers[i % 3]!), { replicas: 3 }));
    const operator = await connect(...servers);
    let stepDowns = 0;
    const stepDown = () =>
      api(operator, 'STREAM.LEADER.STEPDOWN.troupe-journal').then(({ success }) => {
        if (success) stepDowns += 1;
      });
    const stepping = setInterval(() => stepDown().catch(() => {}), 1000);
    try {
      for (let rounds = 50; stepDowns < 3; rounds += 50) await race(writers, rounds);
    } finally {
      clearInterval(stepping);
    }
  });

  test('processes that start together open one journal, whoever creates it', async () => {
    for (const binary of natsBinaries()) {
      const server = await serve({ binary });
      const connections = await Promise.all(upTo(8).map(() => connect(server)));
      for (const name of ['one', 'two', 'three', 'four']) {
        const journals = await Promise.all(connections.map((connection) => open(connection, { name })));
        await journals[0]!.append(key('a'), 0, entry(1));
        expect(await journals[7]!.last(key('a'))).toBeDefined();
      }
    }
  });

  test('nodes that start together have the same buckets, whichever creates them', async () => {
    const [binary] = natsBinaries();
    const server = await serve({ binary });
    const operator = await connect(server);
    for (let rounds = 0; rounds < 100; rounds += 1) {
      const nodes = await Promise.all(upTo(8).map(() => natsNode({ url: server.url })));
      await nodes[0]!.cluster.buckets.shards.put('1', 'here');
      expect((await nodes[7]!.cluster.buckets.shards.get('1'))!.string()).toBe('here');
      await Promise.all(nodes.map((node) => node.close()));
      for (const bucket of [NODES_BUCKET, SHARDS_BUCKET]) await api(operator, `STREAM.DELETE.KV_${bucket}`);
    }
  });

  test('followers hear the entries of every process, each once and in order, before an own append resolves', async () => {
    const server = await serve();
    const [one, two] = [await open(await connect(server)), await open(await connect(server))];
    const heard = { one: [] as string[], two: [] as string[] };
    one.follow('*', ({ session }, { entry }) => heard.one.push(`${session} ${entry.n}`));
    two.follow(key('s3'), ({ session }, { entry }) => heard.two.push(`${session} ${entry.n}`));
    await Promise.all([one.last(key('s0')), two.last(key('s0'))]);
    // Ten sessions, each written by both in turn.
    await Promise.all(
      Array.from({ length: 10 }, async (_, s) => {
        let after: Version = 0;
        for (let n = 1; n <= 40; n++) {
          const writer = (n + s) % 3 === 0 ? two : one;
          after = await writer.append(key(`s${s}`), after, entry(n));
          if (writer === one) expect(heard.one).toContain(`s${s} ${n}`);
        }
      }),
    );
    await expect.poll(() => heard.one.length).toBe(400);
    await expect.poll(() => heard.two.length).toBe(40);
    for (let s = 0; s < 10; s++) {
      const session = heard.one.filter((line) => line.startsWith(`s${s} `));
      expect(session).toEqual(upTo(40).map((n) => `s${s} ${n}`));
    }
    expect(heard.two).toEqual(upTo(40).map((n) => `s3 ${n}`));
  });

  test('what is read after following meets what is heard, without a gap', async () => {
    const server = await serve();
    const writer = keepWriting(await open(await connect(server)), 1, 1);
    const reader = await open(await connect(server));
    for (let i = 0; i < 20; i++) {
      await writer.more(1);
      const heard: number[] = [];
      const stop = reader.follow(key('w0'), (_, { entry }) => heard.push(entry.n));
      const read = numbers(await reader.read(key('w0')));
      await writer.more(5);
      await expect.poll(() => heard.length).toBeGreaterThan(0);
      stop();
      expect(heard.find((n) => n > read.at(-1)!) ?? read.at(-1)! + 1).toBe(read.at(-1)! + 1);
      const from = heard.indexOf(read.at(-1)! + 1);
      if (from >= 0) expect(heard.slice(from)).toEqual(upTo(heard.length - from).map((n) => read.at(-1)! + n));
    }
    await writer.stop();
  });

  test('rows and the census know what other processes wrote and removed', async () => {
    const server = await serve();
    const [one, two] = [await open(await connect(server)), await open(await connect(server))];
    await fill(one, key('early'), 3);
    expect((await two.rows()).map(({ key, n }) => [key.session, n])).toEqual([['early', 3]]);
    await fill(one, key('late'), 2);
    await expect
      .poll(async () => (await two.rows()).map(({ key, n }) => [key.session, n]))
      .toEqual([
        ['early', 3],
        ['late', 2],
      ]);
    await one.remove(key('early'));
    await expect.poll(async () => (await two.rows()).map(({ key }) => key.session)).toEqual(['late']);
    await one.append(key('early'), 0, entry(1, { state: 'human/idle' }));
    await expect
      .poll(() => two.census())
      .toEqual(
        new Map([
          ['automated/idle', 1],
          ['human/idle', 1],
        ]),
      );
  });

  test('each shard is scanned by itself, or with others', async () => {
    for (const binary of natsBinaries()) {
      const journal = await open(await connect(await serve({ binary })), { shards: 4 });
      const keys = Array.from({ length: 60 }, (_, i) => key(`s${i}`));
      await Promise.all(keys.map((key, i) => fill(journal, key, (i % 3) + 1)));
      const names = (rows: { key: { tenant: string; session: string } }[]) =>
        rows.map(({ key }) => keyName(key)).sort();
      const all = await journal.rows({ limit: 100 });
      for (const shard of [0, 1, 2, 3]) {
        const mine = all.filter(({ key }) => journal.shardOf(key) === shard);
        expect(mine.length).toBeGreaterThan(0);
        const scanned = await journal.scan(shard);
        expect(names(scanned)).toEqual(names(mine));
        expect(scanned).toEqual(expect.arrayContaining(mine));
      }
      expect(names(await journal.scan([1, 3]))).toEqual(names(all.filter(({ key }) => journal.shardOf(key) % 2 === 1)));
      expect(await journal.scan([])).toEqual([]);
    }
  });

  test('reading costs requests for what is read, not for what the session is long', async () => {
    const connection = await connect(await serve());
    const journal = await open(connection);
    await fill(journal, key('long'), 400);
    const requests = async (work: () => Promise<unknown>) => {
      const before = connection.stats().outMsgs;
      await work();
      return connection.stats().outMsgs - before;
    };
    expect(await requests(() => journal.last(key('long')))).toBe(1);
    expect(await requests(() => journal.tail(key('long'), 5))).toBe(5);
    expect(await requests(() => journal.read(key('long'), 1, 1))).toBe(2);
    expect(await requests(() => journal.read(key('long'), 390))).toBe(11);
    // Pages from the start: what one page learned the next one uses.
    const paging = await requests(async () => {
      for (let from = 1; from <= 400; from += 50) expect(await journal.read(key('long'), from, 50)).toHaveLength(50);
    });
    expect(paging).toBeLessThan(2 * 400);
  });

  test('a session that was removed and began anew is read anew', async () => {
    const server = await serve();
    const [one, two] = [await open(await connect(server)), await open(await connect(server))];
    for (const [before, after] of [
      [3, 5],
      [5, 3],
      [4, 4],
    ] as const) {
      await fill(one, key('a'), before);
      expect(numbers(await two.read(key('a')))).toEqual(upTo(before));
      await one.remove(key('a'));
      expect(await two.read(key('a'))).toEqual([]);
      await fill(one, key('a'), after);
      expect(numbers(await two.read(key('a')))).toEqual(upTo(after));
      await one.remove(key('a'));
    }
  });
});

/** Every writer tries each entry after the same version, from where the session is to `rounds`. Returns how often each won. */
async function race(writers: Journal[], rounds: number): Promise<number[]> {
  const wins = writers.map(() => 0);
  const last = await writers[0]!.last(key('raced'));
  let after: Version = last?.version ?? 0;
  for (let n = (last?.entry.n ?? 0) + 1; n <= rounds; n++) {
    const outcomes = await Promise.allSettled(
      writers.map((journal, writer) => journal.append(key('raced'), after, entry(n, { cause: `writer-${writer}` }))),
    );
    const winners = [...outcomes.keys()].filter((i) => outcomes[i]!.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(Conflict);
    wins[winners[0]!]! += 1;
    after = (outcomes[winners[0]!] as PromiseFulfilledResult<Version>).value;
    expect((await writers[n % writers.length]!.last(key('raced')))?.entry.cause).toBe(`writer-${winners[0]}`);
  }
  expect(numbers(await writers[0]!.read(key('raced')))).toEqual(upTo(rounds));
  return wins;
}
