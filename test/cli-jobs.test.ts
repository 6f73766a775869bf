// `troupe jobs`, as a person at a terminal uses it.
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { ServiceProcess } from '../scripts/service.ts';
import { troupe } from './cli.ts';

const config = fileURLToPath(new URL('data/jobs.config.ts', import.meta.url));

test('jobs are listed, shown, cancelled and tried again', async () => {
  const service = await ServiceProcess.start({ config });
  onTestFinished(() => service[Symbol.asyncDispose]());
  const jobs = (...args: string[]) => troupe(['jobs', ...args, '--url', service.url]);
  const enqueue = async (n: number, query = '') => {
    const response = await fetch(`${service.url}/v1/orchestrators/deliver/jobs${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ n }),
    });
    return ((await response.json()) as { job_id: string }).job_id;
  };

  const isDone = async (id: string) => {
    const response = await fetch(`${service.url}/v1/jobs/${id}`);
    return ((await response.json()) as { state: string }).state === 'done';
  };

  expect((await jobs()).stdout).toBe('No job yet.\n');
  const done = await enqueue(1);
  const later = await enqueue(2, '?delay_ms=600000');
  await expect.poll(() => isDone(done)).toBe(true);
  expect((await jobs('--state', 'delayed')).stdout).not.toContain(done);
  expect((await jobs()).stdout).toMatch(new RegExp(`${later} +deliver +delayed +0 % +0 `));
  expect(JSON.parse((await jobs('show', done)).stdout)).toMatchObject({ state: 'done', result: { records: [{}] } });

  expect(await jobs('cancel', later)).toMatchObject({ code: 0, stdout: `${later} is cancelled\n` });
  expect((await jobs('retry', later)).stdout).toMatch(/is (waiting|running)/);
  await expect.poll(() => isDone(later)).toBe(true);

  const again = await jobs('retry', done);
  expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('(session_ended)') });
  expect(await jobs('cancel', 'none')).toMatchObject({ code: 1, stderr: expect.stringContaining('(unknown_job)') });
  expect(await jobs('cancel')).toMatchObject({ code: 1, stderr: expect.stringContaining('cancel which job?') });
  expect((await jobs('eat', done)).code).toBe(2);
});
