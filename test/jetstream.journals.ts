// Journals over real nats-servers for a test, closed after it; and writers that keep writing while servers come and go.

import { setTimeout as sleep } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, expect } from 'vitest';
import { type JetstreamJournal, type JetstreamJournalOptions, jetstreamJournal } from '../src/journal/jetstream.ts';
import type { Journal, Stored, Version } from '../src/journal/journal.ts';
import { connectNats } from '../src/nats/connect.ts';
import { JournalError } from '../src/platform/errors.ts';
import { entry, key } from './journal.entries.ts';
import { type NatsServer, type ServerOptions, startNats, startNatsCluster } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

export const replicable = natsBinary('2.10.27');
export const withoutReplicas = replicable
  ? false
  : 'there is no nats-server 2.10.27 or newer; `npm run pretest` fetches one';

// What a test opens is closed after it, last first.
export const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

export async function serve(options: ServerOptions = {}): Promise<NatsServer> {
  const server = await startNats({ jetstream: true, ...options });
  opened.push(() => server.stop());
  return server;
}

export async function serveCluster(): Promise<NatsServer[]> {
  const servers = await startNatsCluster({ binary: replicable });
  opened.push(() => Promise.all(servers.map((server) => server.stop())));
  return servers;
}

export async function connect(...servers: (string | NatsServer)[]): Promise<NatsConnection> {
  const urls = servers.map((server) => (typeof server === 'string' ? server : server.url));
  const connection = await connectNats({ servers: urls });
  opened.push(() => connection.close());
  return connection;
}

export async function open(
  connection: NatsConnection,
  options: Omit<JetstreamJournalOptions, 'connection'> = {},
): Promise<JetstreamJournal> {
  const journal = await jetstreamJournal({ connection, ...options });
  opened.push(() => journal.close());
  return journal;
}

export const refusal = (work: Promise<unknown>): Promise<{ code: string; message: string }> =>
  work.then(
    () => expect.fail('it was not refused'),
    (error) => {
      expect(error).toBeInstanceOf(JournalError);
      return error;
    },
  );

export const api = async (connection: NatsConnection, verb: string, body?: object) =>
  (await connection.request(`$JS.API.${verb}`, body && JSON.stringify(body), { timeout: 10_000 })).json<any>();

export const numbers = (stored: Stored[]) => stored.map(({ entry }) => entry.n);
export const upTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1);

/** Appends to sessions of its own until told to stop; `acknowledged` is how far each came. */
export function keepWriting(journal: Journal, sessions: number, pause = 0) {
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
export async function expectAll(journal: Journal, acknowledged: Map<string, number>): Promise<void> {
  expect(acknowledged.size).toBeGreaterThan(0);
  for (const [session, n] of acknowledged) expect(numbers(await journal.read(key(session)))).toEqual(upTo(n));
}

/** Which entries of each session a follower hears, in the order in which it hears them. */
export function hearAll(journal: Journal): Map<string, number[]> {
  const heard = new Map<string, number[]>();
  journal.follow('*', ({ session }, { entry }) => {
    heard.set(session, [...(heard.get(session) ?? []), entry.n]);
  });
  return heard;
}

export async function expectHeard(heard: Map<string, number[]>, acknowledged: Map<string, number>): Promise<void> {
  for (const [session, n] of acknowledged) {
    await expect.poll(() => heard.get(session)?.length, { timeout: 20_000 }).toBe(n);
    expect(heard.get(session)).toEqual(upTo(n));
  }
}
