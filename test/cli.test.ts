// The commands that talk to a running service, as real processes.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ServiceProcess } from '../scripts/service.ts';
import { Running, troupe } from './cli.ts';

let service: ServiceProcess;
beforeEach(async () => {
  service = await ServiceProcess.start();
});
afterEach(() => service[Symbol.asyncDispose]());

const at = () => ['--url', service.url];
const chat = (id: string, ...lines: string[]) => troupe(['chat', '--session', id, ...at()], lines);
const ORDER = 'answer: Your order 1234 is with the courier. Anything else I can look up for you?\n';

/** What the command has said, when it has said this. */
const says = (running: Running, text: string) => expect.poll(() => running.stdout, { timeout: 20_000 }).toContain(text);

test('npm start prints where it listens and what to try', async () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const args = ['start', '--', '--port', '0', '--db', `${service.folder}/other.db`];
  const child = spawn('npm', args, { cwd: root, detached: true, env: { ...process.env, NO_COLOR: '1' } });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  try {
    await expect.poll(() => said, { timeout: 30_000 }).toContain('npx troupe chat --url');
    const url = /Troupe listens at (\S+)/.exec(said)![1]!;
    expect((await fetch(`${url}/health`)).status).toBe(200);
  } finally {
    process.kill(-child.pid!, 'SIGKILL');
  }
});

test('a chat is written as it is spoken, and goes on another time', async () => {
  const first = await chat('s1', 'hello', 'where is my order?', '1234');
  expect(first).toMatchObject({ code: 0, stderr: '' });
  expect(first.stdout).toContain('no-match: I can book a table');
  expect(first.stdout).toContain('order-status: What is the number of your order?\n');
  expect(first.stdout).toContain(ORDER);
  const second = await chat('s1', 'book a table for 2');
  expect(second.stdout).toContain('you: 1234\n');
  expect(second.stdout).toContain('booking: Which restaurant would you like?\n');
});

test('a chat goes on over a restart of the service, and nothing is written twice', async () => {
  const talk = new Running(['chat', '--session', 's1', ...at()]);
  talk.type('where is my order 1234?');
  await says(talk, 'answer: Your');
  await service.kill();
  await says(talk, '(the connection is lost; trying again …)');
  await service.start();
  await says(talk, 'look up for you?\n');
  talk.type('hello');
  await says(talk, 'no-match: I can book');
  const { stdout, code } = await talk.end();
  expect(code).toBe(0);
  expect(stdout.split('is with the courier').length).toBeLessThanOrEqual(3);
  expect(stdout.split('look up for you?\n').length).toBe(2);
  expect(stdout).toContain('(the service had stopped; the answer begins again)');
});

test('a paused conversation keeps what is said, and answers it when it is resumed', async () => {
  const { stdout } = await chat('s1', '/pause', 'where is my order 1234?', '/resume');
  expect(stdout).toMatch(/• paused by tester\n\(kept; nobody answers it yet\)\n• the AI has the floor again\n/);
  expect(stdout).toContain(ORDER);
});

test('a supervisor takes over, speaks and gives back; the user reads it as it happens', async () => {
  const user = new Running(['chat', '--session', 's1', ...at()]);
  user.type('hello');
  await says(user, 'no-match:');
  const staff = new Running(['supervise', 's1', '--as', 'ana', ...at()]);
  staff.type('takeover');
  await says(user, '• taken over by ana\n');
  user.type('is somebody there?');
  await says(staff, 'user (waits): is somebody there?\n');
  for (const line of ['note a quiet one', 'say I am here', 'release']) staff.type(line);
  await says(user, '• the AI has the floor again\n');
  const { stdout: seen } = await user.end();
  expect(seen).toContain('ana: I am here\n');
  expect(seen).not.toContain('a quiet one');
  const { stdout: told, code } = await staff.end();
  expect(code).toBe(0);
  expect(told).toContain('user: hello\n');
  expect(told).toContain('[note by ana] a quiet one\n');
});

test('what a state does not allow is told in a line with its code', async () => {
  const { stdout } = await chat('s1', '/release', '/dance', '/say');
  expect(stdout).toContain('(illegal_in_state)');
  expect(stdout).toContain('there is no /dance');
  expect(stdout).toContain('/say takes <text>');
});

test('sessions and agents are tables for people and JSON for programs', async () => {
  expect((await troupe(['sessions', ...at()])).stdout).toBe('No session yet.\n');
  await chat('s1', 'hello', '/pause');
  await chat('s2', 'hello');
  const table = (await troupe(['sessions', ...at()])).stdout;
  expect(table).toMatch(/SESSION +CONTROL +TURN +ENTRIES +LAST\ns1 +paused +idle/);
  const paused = JSON.parse((await troupe(['sessions', '--state', 'paused', '--json', ...at()])).stdout);
  expect(paused).toMatchObject([{ session_id: 's1', control: 'paused' }]);
  expect((await troupe(['agents', ...at()])).stdout).toMatch(/AGENT +KIND.*booking +form.*order-status +function/s);
  const agents = JSON.parse((await troupe(['agents', '--json', ...at()])).stdout);
  expect(agents.map(({ agent_id }: any) => agent_id)).toContain('human-handoff');
});

test('tenants see their own sessions', async () => {
  await troupe(['chat', '--session', 's1', '--tenant', 'acme', ...at()], ['hello']);
  const list = async (tenant: string) =>
    JSON.parse((await troupe(['sessions', '--json', '--tenant', tenant, ...at()])).stdout);
  expect(await list('acme')).toMatchObject([{ session_id: 's1' }]);
  expect(await list('other')).toEqual([]);
});

test('without a service every command says how to start one', async () => {
  await service.stop();
  for (const args of [['sessions'], ['agents'], ['chat'], ['supervise', 's1']]) {
    const { code, stderr } = await troupe([...args, ...at()]);
    expect([code, stderr]).toEqual([
      1,
      `✗ nothing answers at ${service.url}. Start the service with: npx troupe start (unreachable)\n`,
    ]);
  }
});

test('a command line that is wrong exits with 2', async () => {
  expect((await troupe(['nope'])).code).toBe(2);
  expect((await troupe(['supervise'])).code).toBe(2);
  expect((await troupe(['--help'])).code).toBe(0);
});
