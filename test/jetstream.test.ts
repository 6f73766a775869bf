// The journal on JetStream keeps the promises of every journal, on one server and on a cluster of three.

import type { NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, test } from 'vitest';
import { jetstreamJournal } from '../src/journal/jetstream.ts';
import { connectNats } from '../src/nats/connect.ts';
import { journalConformance } from './journal.ts';
import { type NatsServer, startNats, startNatsCluster } from './nats.ts';
import { type Binary, natsBinaries, natsBinary } from './nats-binaries.ts';

const replicable = natsBinary('2.10.27');

for (const binary of natsBinaries()) keepsThePromise(binary, 1);
if (replicable) keepsThePromise(replicable, 3);
else
  test.skip('jetstream journal, 3 replicas: there is no nats-server 2.10.27 or newer; `npm run pretest` fetches one', () => {});

function keepsThePromise(binary: Binary, replicas: number): void {
  const title = `jetstream (nats-server ${binary.version}, ${replicas === 1 ? 'one server' : `${replicas} replicas`})`;
  describe(title, () => {
    let servers: NatsServer[];
    let connection: NatsConnection;
    let journals = 0;
    beforeAll(async () => {
      servers = replicas === 1 ? [await startNats({ binary, jetstream: true })] : await startNatsCluster({ binary });
      connection = await connectNats({ servers: servers.map(({ url }) => url) });
    });
    afterAll(async () => {
      await connection.close();
      await Promise.all(servers.map((server) => server.stop()));
    });

    journalConformance(title, async () => {
      const name = `test${journals++}`;
      let journal = await jetstreamJournal({ connection, name, replicas });
      return {
        journal,
        async reopen() {
          await journal.close();
          journal = await jetstreamJournal({ connection, name, replicas });
          return journal;
        },
        async cleanup() {
          await journal.close();
          await connection.request(`$JS.API.STREAM.DELETE.${name}-journal`, '', { timeout: 10_000 });
        },
      };
    });
  });
}
