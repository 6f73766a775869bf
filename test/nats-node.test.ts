// What a node says when NATS does not let it be one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import type { FunctionAgent } from '../src/agents/definition.ts';
import { natsNode } from '../src/cluster/node.ts';
import { connectNats } from '../src/nats/connect.ts';
import { natsTransport } from '../src/transport/nats.ts';
import { createTroupe } from '../src/troupe.ts';
import { sessionOn, settled, startNode } from './cluster.ts';
import { type ServerOptions, startNats } from './nats.ts';

async function serve(options: ServerOptions): Promise<string> {
  const server = await startNats(options);
  onTestFinished(() => server.stop());
  return server.url.replace('//', '//u:p@');
}

const refusal = async (url: string): Promise<{ name: string; code: string; message: string }> =>
  natsNode({ url }).then(
    () => expect.fail('it was not refused'),
    (error) => error,
  );

test('a user that may not create its buckets is refused at once, with the subject and the way out', async () => {
  const deny = '$JS.API.STREAM.CREATE.KV_troupe-nodes';
  const config = `authorization { users: [{ user: u, password: p, permissions: { publish: { deny: "${deny}" } } }] }`;
  expect(await refusal(await serve({ jetstream: true, config }))).toMatchObject({
    ...{ name: 'NatsError', code: 'nats_denied' },
    message: expect.stringMatching(
      /^The bucket troupe-nodes could not be opened: .*KV_troupe-nodes.*troupe permissions node/,
    ),
  });
});

test('an account that has no room for its streams is named as the reason', async () => {
  const config = 'accounts { A { jetstream { max_streams: 2 }, users: [{ user: u, password: p }] } }';
  expect(await refusal(await serve({ jetstream: true, config }))).toMatchObject({
    code: 'jetstream_full',
    message: expect.stringMatching(/^The bucket troupe-shards could not be opened: .*maximum number of streams/),
  });
});

test('a server without JetStream is refused in one line by the command as well', async () => {
  const url = await serve({});
  expect(await refusal(url)).toMatchObject({ code: 'jetstream_disabled' });
  const cwd = mkdtempSync(join(tmpdir(), 'troupe-test-'));
  onTestFinished(() => rmSync(cwd, { recursive: true }));
  for (const [NATS_URL, said] of [
    [url.replace('u:p@', ''), 'has no JetStream'],
    ['nats://127.0.0.1:1', 'No NATS server answers at nats://127.0.0.1:1'],
  ] as const) {
    const bin = fileURLToPath(new URL('../bin/troupe.js', import.meta.url));
    const env = { ...process.env, NATS_URL, HTTP_PORT: '0' };
    const { status, stderr } = spawnSync(process.execPath, [bin, 'start'], { encoding: 'utf8', env, cwd });
    expect({ status, stderr }).toMatchObject({ status: 1, stderr: expect.stringContaining(said) });
    expect(stderr).not.toContain('    at ');
  }
});

test('a call that is larger than the server takes fails the run with both sizes, and is not tried again', async () => {
  const url = await serve({ maxPayload: 10_000 });
  const connection = await connectNats({ servers: url.replace('u:p@', '') });
  const transport = natsTransport(connection);
  const troupe = await createTroupe({ transport, agents: [{ id: 'far', kind: 'nats', triggers: ['say'] }] });
  onTestFinished(async () => {
    await troupe.close();
    await connection.close();
  });
  transport.subscribe('troupe.default.agent.far.invoke', ({ reply }) => transport.publish(reply!, 'heard'));
  const { status, error, trace } = await troupe.session('s1').send(`say ${'x'.repeat(6_000)}`);
  expect({ status, error }).toMatchObject({
    status: 'failed',
    error: { code: 'call_too_large', message: expect.stringMatching(/1\d{4} bytes .* takes 10000/) },
  });
  expect(trace.filter(({ type }) => type === 'agent_invoke_started')).toHaveLength(1);
  expect(await troupe.session('s2').send('say less')).toMatchObject({ status: 'done', answer: 'heard' });
});

test('an outcome that is too large for the way to another node is refused there, and the node that has the session lives on', async () => {
  const url = (await serve({ jetstream: true, maxPayload: 20_000 })).replace('u:p@', '');
  let calls = 0;
  const agent: FunctionAgent = {
    id: 'moody',
    triggers: ['say'],
    run: () => {
      calls += 1;
      if (calls < 4) throw new Error('x'.repeat(5_000));
      return 'y'.repeat(4_000);
    },
  };
  const options = { agents: [agent], settings: { attempts: 4, backoff_ms: 1 } };
  const [here, there] = [await startNode(url, options), await startNode(url, options)];
  onTestFinished(async () => {
    await here.close();
    await there.close();
  });
  await settled(here, there);
  const session = sessionOn(there);
  await expect(here.troupe.session(session).send('say much')).rejects.toMatchObject({
    ...{ name: 'Refused', code: 'outcome_too_large' },
    message: expect.stringContaining('takes 20000'),
  });
  expect((await here.troupe.session(session).state()).control).toBe('automated');
  expect((await here.troupe.session(session).history()).at(-1)).toMatchObject({ content: 'y'.repeat(4_000) });
});
