// The runtime as a NATS micro service: tools find it, see its endpoints, and how many requests went well.
import { describe, expect, it } from 'vitest';
import { microService } from '../src/interfaces/nats/micro.ts';
import { version } from '../src/platform/version.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import type { Transport } from '../src/transport/transport.ts';
import { createTroupe } from '../src/troupe.ts';

const ask = async (transport: Transport, subject: string, body = '') =>
  JSON.parse(new TextDecoder().decode((await transport.request(subject, body)).data));

describe('a micro service', () => {
  const endpoint = { name: 'add', subject: 'math.add', queue_group: 'q' };
  const self = { name: 'math', version: '1.2.3', metadata: { region: 'here' } };

  it('answers each verb for all services, for its name and for its id', async () => {
    const transport = memoryTransport();
    const { id, stop } = microService(transport, { ...self, description: 'sums', endpoints: [endpoint] });
    const answers = {
      PING: { type: 'io.nats.micro.v1.ping_response', id, ...self },
      INFO: {
        ...{ type: 'io.nats.micro.v1.info_response', id, ...self, description: 'sums' },
        endpoints: [{ ...endpoint, metadata: {} }],
      },
      STATS: {
        ...{ type: 'io.nats.micro.v1.stats_response', id, ...self, started: expect.stringMatching(/^\d{4}-.*Z$/) },
        endpoints: [
          {
            ...endpoint,
            num_requests: 0,
            num_errors: 0,
            last_error: '',
            processing_time: 0,
            average_processing_time: 0,
          },
        ],
      },
    };
    for (const [verb, answer] of Object.entries(answers))
      for (const subject of [`$SRV.${verb}`, `$SRV.${verb}.math`, `$SRV.${verb}.math.${id}`])
        expect(await ask(transport, subject), subject).toEqual(answer);
    stop();
    expect(transport.hears!('$SRV.PING')).toBe(false);
  });

  it('counts requests, errors and time, in nanoseconds', async () => {
    const transport = memoryTransport();
    const service = microService(transport, { ...self, endpoints: [endpoint] });
    service.note('add', 2);
    service.note('add', 1, { code: 400, message: 'no number' });
    service.note('subtract', 5);
    expect((await ask(transport, '$SRV.STATS')).endpoints).toEqual([
      {
        ...{ ...endpoint, num_requests: 2, num_errors: 1, last_error: '400:no number' },
        ...{ processing_time: 3_000_000, average_processing_time: 1_500_000 },
      },
    ]);
  });
});

describe('the runtime', () => {
  it('is one, with an endpoint for each verb of a session', async () => {
    const transport = memoryTransport();
    const troupe = await createTroupe({
      transport,
      agents: [{ id: 'echo', triggers: ['hello'], run: (text) => text }],
    });
    expect(await ask(transport, '$SRV.PING.troupe')).toMatchObject({ name: 'troupe', version });
    const { endpoints } = await ask(transport, '$SRV.INFO.troupe');
    expect(endpoints).toContainEqual({
      name: 'takeover',
      subject: 'troupe.*.session.*.takeover',
      queue_group: 'troupe',
      metadata: {},
    });
    await ask(transport, 'troupe.default.session.s1.message', '{"content":"hello"}');
    await ask(transport, 'troupe.default.session.nobody.get');
    await ask(transport, 'troupe.default.session.s1.toString');
    const stats = await ask(transport, '$SRV.STATS.troupe');
    const of = (wanted: string) => stats.endpoints.find(({ name }: { name: string }) => name === wanted);
    expect(of('message')).toMatchObject({ num_requests: 1, num_errors: 0, last_error: '' });
    expect(of('get')).toMatchObject({ num_requests: 1, num_errors: 1, last_error: expect.stringMatching(/^404:/) });
    expect(of('pause')).toMatchObject({ num_requests: 0 });
    await troupe.close();
  });
});
