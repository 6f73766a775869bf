// The ingress: every event of every session, in order, tried until it is taken, and nobody waits for it.
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { type IngressOptions, startIngress } from '../src/interfaces/ingress.ts';
import { silent } from '../src/platform/log.ts';
import { createTroupe } from '../src/troupe.ts';

interface Push {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: any;
}

/** A real HTTP server that plays the ingress; `answer` decides the status of every push, and may keep it waiting. */
async function gateway(answer: (push: Push, count: number) => number | Promise<number>) {
  const taken: Push[] = [];
  let count = 0;
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const push = { path: request.url!, headers: request.headers, body: JSON.parse(text) };
    count += 1;
    const status = await answer(push, count);
    if (status >= 200 && status < 300) taken.push(push);
    if (status === 0) response.destroy();
    else response.writeHead(status).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken };
}

const talking: AgentDefinition = {
  id: 'talking',
  triggers: ['say'],
  async *run() {
    yield 'one ';
    await sleep(60);
    yield 'two';
  },
};
const echo: AgentDefinition = { id: 'echo', run: (text) => text };

async function pushing(url: string, options: Partial<IngressOptions> = {}) {
  const troupe = await createTroupe({ agents: [talking, echo] });
  const ingress = startIngress({ troupe, url, log: silent, backoff_ms: 5, ...options });
  onTestFinished(async () => {
    ingress.close();
    await troupe.close();
  });
  return { troupe, ingress, delivered: () => expect.poll(() => ingress.behind, { timeout: 10_000 }).toBe(0) };
}

test('every event of a run is pushed as the run’s events have it, in order', async () => {
  const { url, taken } = await gateway(() => 200);
  const { troupe, delivered } = await pushing(`${url}/base/`);
  const { run_id } = await troupe.session('s1', { tenant: 'acme' }).send('say hi');
  await delivered();
  const { events } = await troupe.conversations.run('acme', run_id);
  expect(events.map(({ type }) => type)).toContain('agent_stream_delta');
  const same = { tenant: 'acme', session_id: 's1' };
  // What waits in no memory has been through the journal, where what is undefined is not.
  expect(taken.map(({ body }) => body)).toEqual(
    events.map((event) => ({ ...same, ...JSON.parse(JSON.stringify(event)) })),
  );
  for (const { path, headers, body } of taken) {
    expect(path).toBe('/base/internal/send');
    expect(headers['idempotency-key']).toBe(`acme/s1#${body.id}`);
    expect(headers['content-type']).toBe('application/json');
  }
});

test('an ingress that fails at first gets everything all the same, and no session waits for it', async () => {
  // Refused connections, errors and silence, then well.
  const { url, taken } = await gateway((_, count) => (count > 12 ? 204 : [500, 503, 429, 0][count % 4]!));
  const { troupe, ingress, delivered } = await pushing(url);
  const sessions = ['a', 'b', 'c'];
  for (const id of sessions)
    for (const text of ['1', '2', '3'])
      expect(await troupe.session(id).send(text, { agent_id: 'echo' })).toMatchObject({ status: 'done', answer: text });
  await delivered();
  for (const id of sessions) {
    const ids = taken.filter(({ body }) => body.session_id === id).map(({ body }) => body.id);
    const all = (await troupe.conversations.journal({ tenant: 'default', session: id })).flatMap(({ n, emitted }) =>
      emitted.map((_, k) => `${n}.${k}`),
    );
    expect(ids).toEqual(all);
  }
  expect(ingress.counts).toMatchObject({ retried: 12, refused: 0 });
});

test('an ingress that hangs keeps nobody waiting: it is asked again after its time', async () => {
  const { url, taken } = await gateway((_, count) => (count === 1 ? sleep(5_000, 200) : 200));
  const { troupe, delivered } = await pushing(url, { timeout_ms: 50 });
  await troupe.session('s1').send('hi', { agent_id: 'echo' });
  await delivered();
  expect(taken.map(({ body }) => body.type)).toContain('run_done');
});

test('while an ingress is down nothing but the place of each session is kept', async () => {
  const { troupe, ingress } = await pushing('http://127.0.0.1:1', { concurrency: 2 });
  for (let i = 0; i < 10; i++)
    for (let turn = 0; turn < 5; turn++) await troupe.session(`s${i}`).send('hi', { agent_id: 'echo' });
  expect(ingress.behind).toBe(10);
  expect(ingress.counts.sent).toBe(0);
});

test('an event that the ingress refuses for good is skipped and counted', async () => {
  const { url, taken } = await gateway(({ body }) => (body.type === 'user_input' ? 422 : 200));
  const { troupe, ingress, delivered } = await pushing(url);
  await troupe.session('s1').send('hi', { agent_id: 'echo' });
  await delivered();
  expect(ingress.counts.refused).toBe(1);
  expect(taken.map(({ body }) => body.type)).toEqual([
    ...['message_accepted', 'run_started', 'run_routed', 'agent_invoke_started', 'agent_invoke_done', 'run_done'],
  ]);
});

test('a slow session does not hold up the others', async () => {
  const opened = Promise.withResolvers<void>();
  const { url, taken } = await gateway(async ({ body }) => {
    if (body.session_id === 'slow') await opened.promise;
    return 200;
  });
  const { troupe, delivered } = await pushing(url);
  await troupe.session('slow').send('hi', { agent_id: 'echo' });
  await troupe.session('quick').send('hi', { agent_id: 'echo' });
  await expect.poll(() => taken.map(({ body }) => `${body.session_id} ${body.type}`)).toContain('quick run_done');
  expect(taken.some(({ body }) => body.session_id === 'slow')).toBe(false);
  opened.resolve();
  await delivered();
});

test('a closed one pushes no more', async () => {
  const { url, taken } = await gateway(() => 200);
  const { troupe, ingress } = await pushing(url);
  ingress.close();
  await troupe.session('s1').send('hi', { agent_id: 'echo' });
  await sleep(30);
  expect(taken).toEqual([]);
});
