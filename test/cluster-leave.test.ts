// A service of a cluster that is told to stop while it is asked: whoever asked it is answered, and no agent is called twice.

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Service, serve } from '../src/serve.ts';
import { Steered } from './cluster.ts';
import { type NatsServer, startNats } from './nats.ts';
import { natsBinary } from './nats-binaries.ts';

const without = natsBinary('2.9.0')
  ? ''
  : ': there is no nats-server on the path; `npm run pretest` says how to get one';

describe.skipIf(without !== '')(`a service that leaves${without}`, () => {
  let server: NatsServer;
  let services: Service[];
  const steered = new Steered();
  beforeEach(async () => {
    steered.calls.length = 0;
    server = await startNats({ jetstream: true });
    services = [await start(), await start()];
    await expect.poll(() => services.map(({ troupe }) => ownedBy(troupe))).not.toContain(0);
    await expect.poll(() => services.reduce((sum, { troupe }) => sum + ownedBy(troupe), 0)).toBe(16);
  });
  afterEach(async () => {
    for (const service of services) await service.close();
    await server.stop();
  });

  const start = () =>
    serve(
      {
        ...{ host: '127.0.0.1', port: 0, database: { kind: 'memory' }, log_level: 'silent' },
        nats: { url: server.url, shards: 16 },
        troupe: { agents: [steered.agent] },
      },
      { log: pino({ level: 'silent' }), signals: false },
    );
  const ownedBy = ({ cluster }: Service['troupe']) =>
    cluster!.view().shards.filter(({ state }) => state === 'owned').length;
  const sessionOn = ({ troupe: { cluster } }: Service, name: string): string =>
    Array.from({ length: 100 }, (_, index) => `${name}${index}`).find(
      (session) => cluster!.assigned({ tenant: 'default', session }) === cluster!.id,
    )!;
  const say = async ({ url }: Service, session: string): Promise<any> => {
    const body = JSON.stringify({ content: 'steer' });
    const headers = { 'content-type': 'application/json' };
    return (await fetch(`${url}/v1/sessions/${session}/messages`, { method: 'POST', headers, body })).json();
  };

  test('answers what it was asked, for its own sessions and for those of another node', async () => {
    const [a, b] = services as [Service, Service];
    const asked = [say(a, sessionOn(a, 'own')), say(a, sessionOn(b, 'other')), say(b, sessionOn(a, 'through'))];
    await steered.call(3);
    const closed = a.close();
    await expect.poll(() => ownedBy(b.troupe)).toBe(16);
    for (const call of steered.calls) {
      call.say('in time');
      call.end();
    }
    for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ status: 'done', answer: 'in time' });
    await closed;
    expect(steered.calls).toHaveLength(3);
  });
});
