// The service as a whole: it starts, says what is in its way, ends in order, and goes on where it was.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import type { AgentDefinition } from '../src/agents/definition.ts';
import { type Config, loadConfig } from '../src/config/config.ts';
import { type ServeOptions, serve } from '../src/serve.ts';
import { listen } from './door.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'troupe-serve-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

const echo: AgentDefinition = { id: 'echo', triggers: ['say'], run: (text) => `you said ${text}` };

async function configOf(agents: readonly AgentDefinition[], cwd?: string): Promise<Config> {
  const config = await loadConfig({
    env: { HTTP_PORT: '0', ...(!cwd && { DATABASE_URL: 'memory:' }) },
    cwd: cwd ?? '/',
  });
  return { ...config, troupe: { ...config.troupe, agents } };
}

async function start(config: Config, options: ServeOptions = {}) {
  const service = await serve(config, { log: pino({ level: 'silent' }), signals: false, ...options });
  onTestFinished(() => service.close());
  return service;
}

const say = (url: string, content = 'say hi', session = 's1') =>
  fetch(`${url}/v1/sessions/${session}/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ content }),
  });

test('it serves this machine, and goes on after a restart where it was', async () => {
  const cwd = await folder();
  const config = await configOf([echo], cwd);
  const first = await start(config);
  expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  expect((await say(first.url)).status).toBe(200);
  await first.close();
  await expect(say(first.url)).rejects.toThrow();
  const second = await start(config);
  expect(await (await say(second.url)).json()).toMatchObject({ run_id: 's1-r2', state: { entry: 4 } });
});

test('a port that is in use is said in a sentence, and nothing is left running', async () => {
  const cwd = await folder();
  const { url } = await start(await configOf([echo]));
  const port = Number(new URL(url).port);
  const config = await configOf([echo], cwd);
  const failed = serve({ ...config, port }, { log: pino({ level: 'silent' }), signals: false });
  await expect(failed).rejects.toMatchObject({
    code: 'port_in_use',
    message: `127.0.0.1:${port} is in use; stop what listens there, or set HTTP_PORT`,
  });
  // The journal was closed again: it can be opened.
  expect((await say((await start(config)).url)).status).toBe(200);
});

test('a bad declaration leaves nothing running', async () => {
  const cwd = await folder();
  await expect(serve(await configOf([echo, echo], cwd), { signals: false })).rejects.toMatchObject({
    code: 'duplicate_agent',
  });
  expect((await say((await start(await configOf([echo], cwd))).url)).status).toBe(200);
});

test('closing answers those who wait, ends the streams, and takes nobody new', async () => {
  const slow: AgentDefinition = { id: 'slow', triggers: ['say'], run: () => sleep(150, 'at last') };
  const service = await start(await configOf([slow]));
  const said = say(service.url);
  await sleep(50);
  const stream = await listen(`${service.url}/v1/sessions/s1/events`);
  const closed = service.close();
  await stream.ended;
  const response = await said;
  expect(await response.json()).toMatchObject({ status: 'done', answer: 'at last' });
  await closed;
});

test('closing does not wait for ever: what is owed is done after the next start', async () => {
  const cwd = await folder();
  let calls = 0;
  const stuck: AgentDefinition = {
    id: 'stuck',
    triggers: ['say'],
    run: () => {
      calls += 1;
      return calls === 1 ? new Promise(() => {}) : 'done after all';
    },
  };
  const config = await configOf([stuck], cwd);
  const first = await start(config, { grace_ms: 100 });
  const said = say(first.url);
  said.catch(() => {});
  await expect.poll(() => calls).toBe(1);
  const began = Date.now();
  await first.close();
  expect(Date.now() - began).toBeLessThan(2_000);
  await expect(said).rejects.toThrow();
  const { url } = await start(config);
  const run = async () => (await (await fetch(`${url}/v1/runs/s1-r1`)).json()) as { status: string };
  await expect.poll(async () => (await run()).status).toBe('DONE');
  expect(await run()).toMatchObject({ final_message: 'done after all' });
});

test.each(['SIGTERM', 'SIGINT'] as const)('%s ends the process in order', async (signal) => {
  const serving = `
    import { serve } from ${JSON.stringify(new URL('../src/serve.ts', import.meta.url).href)};
    import { loadConfig } from ${JSON.stringify(new URL('../src/config/config.ts', import.meta.url).href)};
    await serve(await loadConfig({ env: { HTTP_PORT: '0', DATABASE_URL: 'memory:' }, cwd: '/' }));
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', serving], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  child.stdout.on('data', (piece) => {
    said += piece;
  });
  await expect.poll(() => said).toContain('listening');
  child.kill(signal);
  const [code] = await once(child, 'exit');
  expect(code).toBe(0);
  expect(said).toContain('closing');
});
