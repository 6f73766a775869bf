// Jobs in a service that is killed: every one is done, and no step of any is done twice.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceProcess } from '../scripts/service.ts';
import { random } from './random.ts';

const config = fileURLToPath(new URL('data/jobs.config.ts', import.meta.url));
const SEED = Number(process.env.SEED ?? 20_261_121);
const JOBS = 60;

let service: ServiceProcess;
beforeEach(async () => {
  service = await ServiceProcess.start({ config });
});
afterEach(() => service[Symbol.asyncDispose]());

const post = (path: string, body: unknown, key?: string): Promise<Response> =>
  fetch(service.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
    body: JSON.stringify(body),
  });

async function jobs(): Promise<any[]> {
  const { jobs } = (await (await fetch(`${service.url}/v1/jobs?limit=1000`)).json()) as { jobs: any[] };
  return jobs;
}

/** What the steps wrote when they were done: outside of everything that the service remembers. */
function ledger(): string[] {
  const path = join(service.folder, 'ledger');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
}

test(`60 jobs of three steps, and kill -9 in the middle of them five times (seed ${SEED})`, async () => {
  const chance = random(SEED);
  for (let n = 0; n < JOBS; n += 1)
    expect((await post('/v1/orchestrators/deliver/jobs', { n }, `order-${n}`)).status).toBe(202);
  const done = async () => (await jobs()).filter(({ state }) => state === 'done').length;

  for (let kill = 1; kill <= 5; kill += 1) {
    await expect.poll(() => ledger().length, { interval: 5 }).toBeGreaterThan(kill * 20 + chance.below(10));
    await service.kill();
    await service.start();
    // A caller that did not hear of its job asks again, and it is the same job.
    expect((await post('/v1/orchestrators/deliver/jobs', { n: 0 }, 'order-0')).status).toBe(202);
  }
  expect(await done()).toBeLessThan(JOBS);
  await expect.poll(done).toBe(JOBS);

  const all = await jobs();
  expect(all).toHaveLength(JOBS);
  expect(all.every(({ steps, progress, attempts }) => steps === 3 && progress === 1 && attempts === 1)).toBe(true);
  // A step that was done when the process died, and not remembered yet, is the only one that may come again: at most one per
  // worker and kill. It comes with the key that it had, so that whoever is called can tell.
  const lines = ledger();
  const again = lines.length - new Set(lines).size;
  console.log(`${JOBS} jobs, ${lines.length} steps done, ${again} of them again with the same key (seed ${SEED})`);
  expect(new Set(lines).size).toBe(3 * JOBS);
  expect(again).toBeLessThanOrEqual(5 * 4);
  const envelopes = await Promise.all(
    all.map(async ({ job_id }) => (await (await fetch(`${service.url}/v1/jobs/${job_id}`)).json()) as any),
  );
  const numbers = envelopes.map(({ result }) => result.records[0].data.n).sort((a: number, b: number) => a - b);
  expect(numbers).toEqual(Array.from({ length: JOBS }, (_, n) => n));
});
