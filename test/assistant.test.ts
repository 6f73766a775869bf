// The example assistant as a service of its own, against a server that speaks the OpenAI API, killed in the middle of its work.
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../scripts/service.ts';
import { KEY, scriptedModel } from './llm.ts';

const config = fileURLToPath(new URL('../examples/assistant.ts', import.meta.url));

async function serving(script: Parameters<typeof scriptedModel>[0]) {
  const server = await scriptedModel(script);
  const ledger = join(tmpdir(), `ledger-${process.pid}-${Math.round(performance.now())}`);
  const env = { OPENAI_API_KEY: KEY, OPENAI_BASE_URL: server.url, LEDGER: ledger, NATS_PORT: 'off' };
  const service = await ServiceProcess.start({ config, env });
  onTestFinished(() => service[Symbol.asyncDispose]());
  const call = async (path: string, body?: object): Promise<any> => {
    const response = await fetch(`${service.url}/v1/sessions/s1${path}`, {
      ...(body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return response.json();
  };
  const turn = async () => (await call('')).turn;
  const lastSaid = async () => (await call('/messages?view=llm')).messages.at(-1).content;
  const paid = async () => (await readFile(ledger, 'utf8').catch(() => '')).trim().split('\n').filter(Boolean);
  return { server, service, call, turn, lastSaid, paid };
}

const looks = { calls: [{ id: 'l', name: 'find_order', arguments: { order: '1002' } }] };
const pays = (euros: number) => ({ calls: [{ id: 'p', name: 'refund', arguments: { order: '1002', euros } }] });

test('it looks an order up, asks a person about a large refund, pays what the person allows, and says so', async () => {
  const { call, turn, lastSaid, paid, server } = await serving([looks, pays(400), 'You get 300 € back.']);
  const asked = await call('/messages', { content: 'my order 1002 is lost, I want my money back' });
  expect(asked).toMatchObject({
    status: 'awaiting_approval',
    question: { action: 'refund', summary: 'Pay 400 € back for order 1002?' },
  });
  expect(await paid()).toEqual([]);
  const approval = encodeURIComponent(asked.question.approval);
  await call(`/approvals/${approval}`, { decision: 'approve', by: 'ann', arguments: { order: '1002', euros: 300 } });
  await expect.poll(turn).toBe('idle');
  expect([await lastSaid(), await paid()]).toEqual(['You get 300 € back.', ['s1-r1/assistant#p 1002 300']]);
  expect(server.requests.map(({ headers }) => headers.authorization)).toEqual(Array(3).fill(`Bearer ${KEY}`));
});

test('killed after a refund was paid and while the model speaks, it goes on by itself: paid once, asked once more', async () => {
  const { service, call, turn, lastSaid, paid, server } = await serving([
    looks,
    pays(20),
    { text: 'Twenty euros are on their way back to you.', pace_ms: 20, cut: { after: 4, how: 'hang' } },
  ]);
  call('/messages', { content: 'refund 20 for 1002' }).catch(() => {});
  await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBe(3);
  await service.kill();
  server.say('Twenty euros are on their way.');
  await service.start();
  await expect.poll(turn, { timeout: 10_000 }).toBe('idle');
  expect([await lastSaid(), await paid()]).toEqual(['Twenty euros are on their way.', ['s1-r1/assistant#p 1002 20']]);
  // Two replies were remembered; only the one that was cut off is asked for again, with the same messages.
  expect(server.requests).toHaveLength(4);
  expect(server.requests[3]!.body.messages).toEqual(server.requests[2]!.body.messages);
});

test('killed while a person thinks about it, it still waits, and pays once the person has said yes', async () => {
  const { service, call, turn, paid } = await serving([pays(400), 'Done.']);
  const { question } = await call('/messages', { content: 'refund 400 for 1002' });
  await service.kill();
  await service.start();
  expect(await call('')).toMatchObject({ turn: 'running.awaitingApproval' });
  await call(`/approvals/${encodeURIComponent(question.approval)}`, { decision: 'approve', by: 'ann' });
  await expect.poll(turn, { timeout: 10_000 }).toBe('idle');
  expect(await paid()).toEqual(['s1-r1/assistant#p 1002 400']);
});
