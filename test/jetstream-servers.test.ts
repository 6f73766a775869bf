// What the journal on JetStream must survive or refuse: servers that die, answers that are lost, limits and permissions.

import { describe, expect, test } from 'vitest';
import type { Version } from '../src/journal/journal.ts';
import { connectNats } from '../src/nats/connect.ts';
import { Conflict } from '../src/platform/errors.ts';
import {
  api,
  connect,
  expectAll,
  expectHeard,
  hearAll,
  keepWriting,
  numbers,
  open,
  opened,
  refusal,
  replicable,
  serve,
  serveCluster,
  upTo,
  withoutReplicas,
} from './jetstream.journals.ts';
import { entry, fill, key } from './journal.entries.ts';
import { compareVersions, natsBinaries } from './nats-binaries.ts';
import { proxyTo } from './nats-proxy.ts';

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

  /** A journal whose line can be cut, with one entry, and another that is connected directly. */
  async function behindProxy(binary: (typeof versions)[number]) {
    const server = await serve({ binary });
    const proxy = await proxyTo(server.port);
    opened.push(() => proxy.close());
    const journal = await open(await connect(proxy.url));
    const other = await open(await connect(server));
    return { proxy, journal, other, first: await fill(journal, key('a'), 1) };
  }

  test.each(versions)('on nats-server $version the append is recognized as its own', async (binary) => {
    const { proxy, journal, other, first } = await behindProxy(binary);

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
    const { proxy, journal, other, first } = await behindProxy(binary);

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

  test('with replicas on a server that is alone', async ({ skip }) => {
    if (withoutReplicas) skip(withoutReplicas);
    const { message } = await refusal(open(await connect(await serve({ binary: replicable })), { replicas: 3 }));
    expect(message).toContain('Replicas need as many servers with JetStream in one cluster.');
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
