// What only JetStream can break or must refuse: racing writers, servers that die, answers that are lost, limits and permissions.

import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, describe, expect, test } from 'vitest';
import { Conflict, JournalError } from '../src/errors.ts';
import { type JetstreamJournal, type JetstreamJournalOptions, jetstreamJournal } from '../src/journal/jetstream.ts';
import { type Journal, keyName, type Stored, type Version } from '../src/journal.ts';
import { connectNats } from '../src/nats/connect.ts';
import { entry, fill, key } from './journal.entries.ts';
import { type NatsServer, type ServerOptions, startNats, startNatsCluster } from './nats.ts';
import { compareVersions, natsBinaries, natsBinary } from './nats-binaries.ts';
import { proxyTo } from './nats-proxy.ts';

const replicable = natsBinary('2.10.27');
const withoutReplicas = replicable ? false : 'there is no nats-server 2.10.27 or newer; `npm run pretest` fetches one';

// What a test opens is closed after it, last first.
const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve(options: ServerOptions = {}): Promise<NatsServer> {
  const server = await startNats({ jetstream: true, ...options });
  opened.push(() => server.stop());
  return server;
}

async function serveCluster(): Promise<NatsServer[]> {
  const servers = await startNatsCluster({ binary: replicable });
  opened.push(() => Promise.all(servers.map((server) => server.stop())));
  return servers;
}

async function connect(...servers: (string | NatsServer)[]): Promise<NatsConnection> {
  const urls = servers.map((server) => (typeof server === 'string' ? server : server.url));
  const connection = await connectNats({ servers: urls });
  opened.push(() => connection.close());
  return connection;
}

async function open(
  connection: NatsConnection,
  options: Omit<JetstreamJournalOptions, 'connection'> = {},
): Promise<JetstreamJournal> {
  const journal = await jetstreamJournal({ connection, ...options });
  opened.push(() => journal.close());
  return journal;
}

const refusal = (work: Promise<unknown>): Promise<{ code: string; message: string }> =>
  work.then(
    () => expect.fail('it was not refused'),
    (error) => {
      expect(error).toBeInstanceOf(JournalError);
      return error;
    },
  );

const api = async (connection: NatsConnection, verb: string, body?: object) =>
  (await connection.request(`$JS.API.${verb}`, body && JSON.stringify(body), { timeout: 10_000 })).json<any>();

const numbers = (stored: Stored[]) => stored.map(({ entry }) => entry.n);
const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

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

/** Appends to sessions of its own until told to stop; `acknowledged` is how far each came. */
function keepWriting(journal: Journal, sessions: number, pause = 0) {
  const acknowledged = new Map<string, number>();
  let stopped = false;
  const writing = Promise.all(
    Array.from({ length: sessions }, async (_, i) => {
      let after: Version = 0;
      for (let n = 1; !stopped; n++) {
        after = await journal.append(key(`w${i}`), after, entry(n));
        acknowledged.set(`w${i}`, n);
        if (pause) await sleep(pause);
      }
    }),
  );
  const total = () => [...acknowledged.values()].reduce((sum, n) => sum + n, 0);
  return {
    acknowledged,
    /** Resolves when so many more were acknowledged. */
    async more(count: number): Promise<void> {
      const goal = total() + count;
      await expect.poll(total, { timeout: 50_000, interval: 20 }).toBeGreaterThanOrEqual(goal);
    },
    async stop(): Promise<void> {
      stopped = true;
      await writing;
    },
  };
}

/** Everything that was acknowledged is there, in order, without gaps; at most one more per session. */
async function expectAll(journal: Journal, acknowledged: Map<string, number>): Promise<void> {
  expect(acknowledged.size).toBeGreaterThan(0);
  for (const [session, n] of acknowledged) expect(numbers(await journal.read(key(session)))).toEqual(upTo(n));
}

/** Which entries of each session a follower hears, in the order in which it hears them. */
function hearAll(journal: Journal): Map<string, number[]> {
  const heard = new Map<string, number[]>();
  journal.follow('*', ({ session }, { entry }) => {
    heard.set(session, [...(heard.get(session) ?? []), entry.n]);
  });
  return heard;
}

async function expectHeard(heard: Map<string, number[]>, acknowledged: Map<string, number>): Promise<void> {
  for (const [session, n] of acknowledged) {
    await expect.poll(() => heard.get(session)?.length, { timeout: 20_000 }).toBe(n);
    expect(heard.get(session)).toEqual(upTo(n));
  }
}

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

describe('when servers die', () => {
  test('after kill -9 and restart every acknowledged entry is there, writers go on, followers miss nothing', async () => {
    const server = await serve();
    const connection = await connect(server);
    const journal = await open(connection, { patience: 30_000 });
    const follower = await open(await connect(server), { patience: 30_000, onTrouble: () => {} });
    const heard = hearAll(follower);
    await follower.last(key('w0'));
    const writer = keepWriting(journal, 8);
    for (let kills = 0; kills < 3; kills++) {
      await writer.more(500);
      await server.kill('SIGKILL');
      await server.start();
      await writer.more(100);
    }
    await writer.stop();
    await expectAll(journal, writer.acknowledged);
    await expectHeard(heard, writer.acknowledged);
  });

  test('a server that stays away is an error after the patience; when it is back everything works again', async () => {
    const server = await serve();
    const journal = await open(await connect(server), { patience: 500, onTrouble: () => {} });
    const version = await fill(journal, key('a'), 3);
    await journal.rows();
    await server.kill();
    const [append, read, scan] = await Promise.all([
      refusal(journal.append(key('a'), version, entry(4))),
      refusal(journal.last(key('a'))),
      refusal(journal.scan(0)),
    ]);
    expect([append.code, read.code, scan.code]).toEqual(new Array(3).fill('journal_unreachable'));
    expect(append.message).toMatch(/It may have been stored all the same: read before you go on\.$/);
    await server.start();
    await expect.poll(() => journal.last(key('a')).catch(() => undefined), { timeout: 20_000 }).toBeDefined();
    const last = (await journal.last(key('a')))!;
    expect(last.entry.n).toBe(3);
    await journal.append(key('a'), last.version, entry(4));
    await expect.poll(async () => (await journal.rows()).map(({ n }) => n), { timeout: 20_000 }).toEqual([4]);
  });

  test('when the leader of three dies, appends go on at the others and nothing is lost', async ({ skip }) => {
    if (withoutReplicas) skip(withoutReplicas);
    const servers = await serveCluster();
    const patient = { replicas: 3, patience: 40_000, onTrouble: () => {} };
    const journal = await open(await connect(...servers), patient);
    const follower = await open(await connect(...servers), patient);
    const heard = hearAll(follower);
    await follower.last(key('w0'));
    const writer = keepWriting(journal, 8);
    await writer.more(500);
    const { cluster } = await api(await connect(...servers), 'STREAM.INFO.troupe-journal');
    const leader = servers[Number(cluster.leader.slice(1)) - 1]!;
    await leader.kill('SIGKILL');
    await writer.more(500);
    await leader.start();
    await writer.more(100);
    await writer.stop();
    await expectAll(journal, writer.acknowledged);
    await expectHeard(heard, writer.acknowledged);
  });
});

describe('when an answer is lost', () => {
  const versions = natsBinaries();

  test.each(versions)('on nats-server $version the append is recognized as its own', async (binary) => {
    const server = await serve({ binary });
    const proxy = await proxyTo(server.port);
    opened.push(() => proxy.close());
    const journal = await open(await connect(proxy.url));
    const other = await open(await connect(server));
    const first = await fill(journal, key('a'), 1);

    proxy.deafen();
    const appended = journal.append(key('a'), first, entry(2));
    await expect.poll(async () => (await other.last(key('a')))?.entry.n).toBe(2);
    // Others may have gone on from it before it is known here.
    const { version } = (await other.last(key('a')))!;
    await other.append(key('a'), version, entry(3));
    proxy.reset();
    expect(await appended).toBe(version);
    expect(numbers(await other.read(key('a')))).toEqual([1, 2, 3]);
  });

  test.each(versions)('on nats-server $version the append of somebody else is not taken for it', async (binary) => {
    const server = await serve({ binary });
    const proxy = await proxyTo(server.port);
    opened.push(() => proxy.close());
    const journal = await open(await connect(proxy.url));
    const other = await open(await connect(server));
    const first = await fill(journal, key('a'), 1);

    proxy.mute();
    const appended = journal.append(key('a'), first, entry(2));
    const lost = expect(appended).rejects.toBeInstanceOf(Conflict);
    await other.append(key('a'), first, entry(2));
    proxy.reset();
    await lost;
    expect(numbers(await other.read(key('a')))).toEqual([1, 2]);
  });
});

describe('a journal is refused', () => {
  test('where the server has no JetStream', async () => {
    const server = await serve({ jetstream: false });
    const { code, message } = await refusal(open(await connect(server)));
    expect(code).toBe('jetstream_disabled');
    expect(message).toContain(`127.0.0.1:${server.port} has no JetStream`);
  });

  test('with replicas on servers whose fence does not hold', async ({ skip }) => {
    const old = natsBinaries().find(({ version }) => compareVersions(version, '2.10.27') < 0);
    if (!old) return skip('every nats-server here is new enough');
    const { code, message } = await refusal(open(await connect(await serve({ binary: old })), { replicas: 3 }));
    expect(code).toBe('nats_too_old');
    expect(message).toContain(`is version ${old.version}. 3 replicas need nats-server 2.10.27 or newer`);
  });

  test('with another number of shards or replicas than it has; without a number it keeps its own', async () => {
    const connection = await connect(await serve());
    await open(connection, { shards: 7 });
    expect((await open(connection)).shards).toBe(7);
    const { code, message } = await refusal(open(connection, { shards: 8 }));
    expect([code, message]).toEqual(['journal_mismatch', expect.stringContaining('created for 7 shards, not 8')]);
  });

  test('where the stream is not its own, or was changed so that entries may be lost', async () => {
    const connection = await connect(await serve());
    await api(connection, 'STREAM.CREATE.other-journal', {
      name: 'other-journal',
      subjects: ['other.>'],
      storage: 'file',
    });
    expect((await refusal(open(connection, { name: 'other' }))).code).toBe('journal_foreign');
    await open(connection);
    const { config } = await api(connection, 'STREAM.INFO.troupe-journal');
    await api(connection, 'STREAM.UPDATE.troupe-journal', { ...config, max_msgs_per_subject: 10 });
    const { code, message } = await refusal(open(connection));
    expect([code, message]).toEqual(['journal_mismatch', expect.stringContaining('max_msgs_per_subject must be -1')]);
  });

  test('to a user without the permissions, with what is missing', async () => {
    const server = await serve({
      config: `authorization { users = [
        { user: reader, password: pw, permissions: { publish: { deny: "troupe.journal.>" } } }
        { user: nobody, password: pw, permissions: { publish: { deny: "$JS.API.>" } } }
        { user: deaf, password: pw, permissions: { subscribe: { deny: "_INBOX.>" } } } ] }`,
    });
    const as = (user: string) => connect(`nats://${user}:pw@127.0.0.1:${server.port}`);
    for (const user of ['nobody', 'deaf']) expect((await refusal(open(await as(user)))).code).toBe('journal_denied');
    const journal = await open(await as('reader'));
    const { code, message } = await refusal(journal.append(key('a'), 0, entry(1)));
    expect(code).toBe('journal_denied');
    expect(message).toMatch(/append entry 1 of default\/a: .*Publish to "troupe\.journal\.\d+\.default\.a"/i);
    expect(await journal.last(key('a'))).toBeUndefined();
  });

  test('after its connection was closed', async () => {
    const connection = await connectNats({ servers: (await serve()).url });
    const journal = await open(connection);
    await connection.close();
    expect((await refusal(journal.append(key('a'), 0, entry(1)))).code).toBe('journal_unreachable');
    expect((await refusal(journal.last(key('a')))).code).toBe('journal_unreachable');
  });
});

describe('limits', () => {
  test('an entry larger than the server takes is refused with both sizes, and the next goes through', async () => {
    const journal = await open(await connect(await serve({ maxPayload: 10_000 })));
    const { code, message } = await refusal(journal.append(key('a'), 0, entry(1, { init: 'x'.repeat(10_000) })));
    expect(code).toBe('entry_too_large');
    expect(message).toMatch(/^Entry 1 of default\/a has 10\d{3} bytes; the NATS server takes 10000\./);
    await fill(journal, key('a'), 2);
  });

  test('a stream that is full refuses appends, keeps what it has, and goes on when there is room', async () => {
    const connection = await connect(await serve());
    const journal = await open(connection);
    const after = await fill(journal, key('a'), 5);
    const { config } = await api(connection, 'STREAM.INFO.troupe-journal');
    await api(connection, 'STREAM.UPDATE.troupe-journal', { ...config, max_msgs: 5 });
    expect((await refusal(journal.append(key('a'), after, entry(6)))).code).toBe('journal_full');
    expect(numbers(await journal.read(key('a')))).toEqual(upTo(5));
    await api(connection, 'STREAM.UPDATE.troupe-journal', config);
    await journal.append(key('a'), after, entry(6));
  });

  test('a server whose store is full refuses appends', async () => {
    const journal = await open(await connect(await serve({ limits: 'max_file_store: 1MB' })));
    const filling = async () => {
      let after: Version = 0;
      for (let n = 1; n < 100; n++)
        after = await journal.append(key('a'), after, entry(n, { init: 'x'.repeat(50_000) }));
    };
    expect((await refusal(filling())).code).toBe('journal_full');
    expect((await journal.last(key('a')))!.entry.n).toBeGreaterThan(5);
  });
});
