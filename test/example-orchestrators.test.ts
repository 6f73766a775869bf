// The orchestrators that users copy, each as it is.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { campaign } from '../examples/campaign.ts';
import { delivery, deliveryAgents, reserve } from '../examples/delivery.ts';
import { lead, leadAgents } from '../examples/lead.ts';
import { createTroupe, envelope } from '../src/index.ts';

const run = async (name: string): Promise<string> =>
  (await promisify(execFile)(process.execPath, [fileURLToPath(new URL(`../examples/${name}`, import.meta.url))]))
    .stdout;

async function open() {
  const troupe = await createTroupe({
    agents: [...leadAgents, ...deliveryAgents],
    tools: [reserve],
    orchestrators: [lead, delivery, campaign],
    jobs: { workers: 2 },
  });
  onTestFinished(() => troupe.close());
  return troupe;
}

test('a lead run finds, judges and returns what is worth a call', async () => {
  const troupe = await open();
  const made = await troupe.run('lead', { city: 'Kiel', trade: 'Bakery' });
  expect(envelope.parse(made).records.map(({ id }) => id)).toEqual(['Bakery Kiel Süd', 'Bakery Kiel West']);
  const none = await troupe.run('lead', { city: 'Kiel', trade: 'Bakery', least_score: 2 });
  expect(none.metadata.warnings).toEqual(['nobody in Kiel scores 2 or more']);
});

test('a delivery reserves, plans with whoever is able to, and is dead when the goods are out', async () => {
  const troupe = await open();
  const items = [{ item: 'chair', count: 2 }];
  const { job_id } = await troupe.enqueue('delivery', { address: 'Island of Hiddensee', items });
  const { result, steps } = await troupe.jobs.ended(job_id);
  expect(steps).toBe(2);
  expect(result!.records).toMatchObject([
    { data: { kind: 'reservation', item: 'chair', count: 2 }, provenance: { tool: 'reserve' } },
    { data: { kind: 'way', via: 'post', hours: 72 }, provenance: { agent: 'post' } },
  ]);
  const more = await troupe.enqueue('delivery', { address: 'Main Street 1', items });
  expect(await troupe.jobs.ended(more.job_id)).toMatchObject({
    state: 'dead',
    attempts: 1,
    error: { code: 'out_of_stock', message: '1 of "chair" are left, 2 are wanted' },
  });
});

test('a campaign enqueues a run for every city, and all of them are done', async () => {
  const troupe = await open();
  const cities = Array.from({ length: 40 }, (_, n) => `City ${n}`);
  const { job_id } = await troupe.enqueue('campaign', { trade: 'Bakery', cities });
  const { result } = await troupe.jobs.ended(job_id);
  expect(result!.records).toHaveLength(40);
  for (const { data, provenance } of result!.records) {
    expect(provenance).toMatchObject({ orchestrator: 'lead', orchestrator_version: '1.0', run: job_id });
    const job = await troupe.jobs.ended((data as { job_id: string }).job_id);
    expect(job).toMatchObject({ state: 'done', parent: job_id, steps: 4 });
    expect(job.result!.records).toHaveLength(2);
  }
});

test('the campaign is a program that says what it found', async () => {
  expect(await run('campaign.ts')).toContain(
    'Bremen: Bakery Bremen Süd, Bakery Bremen West\nLübeck: Bakery Lübeck Süd',
  );
});

test('an orchestrator is one file, one registration and one test', async () => {
  expect(await run('lead.test.ts')).toMatch(/pass 2/);
});
