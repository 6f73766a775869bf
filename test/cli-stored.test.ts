// The commands that look at stored sessions and at the machine they run on: replay, check, fork, doctor.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import frontDesk from '../examples/front-desk.ts';
import { ServiceProcess } from '../scripts/service.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { createTroupe } from '../src/troupe.ts';
import { type Ran, troupe } from './cli.ts';

const changed = fileURLToPath(new URL('data/changed.machine.ts', import.meta.url));

let folder: string;
let db: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'troupe-'));
  db = join(folder, 'troupe.db');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const run = (...args: string[]): Promise<Ran> => troupe(args, [], { cwd: folder });
const json = async (...args: string[]) => JSON.parse((await run(...args, '--json')).stdout);

/** A database that two sessions were written into: one at rest, one that waits for a name. */
async function lived(): Promise<void> {
  const desk = await createTroupe({ ...frontDesk, journal: sqliteJournal({ path: db }) });
  await desk.session('s1').send('hello');
  await desk.session('s1').send('hello again');
  await desk.session('s2', { tenant: 'acme' }).send('book a table for 2');
  await desk.close();
}

/** Somebody writes an entry that no chart would. */
async function forge(): Promise<void> {
  const journal = sqliteJournal({ path: db });
  const key = { tenant: 'default', session: 's1' };
  const { entry, version } = (await journal.last(key))!;
  const context = { ...(entry.snapshot.context as object), epoch: 9 };
  await journal.append(key, version, { ...entry, n: entry.n + 1, snapshot: { ...entry.snapshot, context } });
  await journal.close();
}

test('replay refolds every session of a database to what is stored', async () => {
  await lived();
  const { code, stdout } = await run('replay', '--all', '--db', db);
  expect([code, stdout]).toEqual([0, '2 sessions, 6 entries: all identical\n']);
  expect(await json('replay', 's2', '--tenant', 'acme', '--db', db)).toEqual({
    sessions: 1,
    entries: 2,
    differing: [],
  });
});

test('replay names the entry that comes out otherwise, and exits with 1', async () => {
  await lived();
  await forge();
  const { code, stdout } = await run('replay', '--all', '--db', db);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^✗ default\/s1, entry 5: the chart does not accept xstate\.done\.actor\.agent here\n/);
  expect(stdout).toMatch(/2 sessions, 7 entries: 1 differ\n$/);
});

test('replay reads a running service over HTTP; its database is its own', async () => {
  await using service = await ServiceProcess.start();
  await troupe(['chat', '--session', 's1', '--url', service.url], ['hello', 'where is my order 77?']);
  expect(await json('replay', '--all', '--url', service.url)).toMatchObject({ sessions: 1, differing: [] });
  const { code, stderr } = await run('replay', '--all', '--db', service.database);
  expect(code).toBe(1);
  expect(stderr).toContain('is in use by another process');
});

test('check lets an unchanged program go on, and says which sessions a changed chart would leave stuck', async () => {
  await lived();
  expect(await run('check', '--db', db)).toMatchObject({ code: 0, stdout: '2 sessions: 2 identical\n' });
  const { code, stdout } = await run('check', '--db', db, '--machine', changed);
  expect(code).toBe(1);
  expect(stdout).toMatch(
    /✗ acme\/s2 stuck: it was written by session@\d+, and this is session@99: its migration failed: .+\n/,
  );
  expect(await json('check', '--db', db, '--machine', changed)).toMatchObject({ sessions: 2, identical: 0, stuck: 2 });
});

test('a session that nobody here can read is a finding, and the others are checked all the same', async () => {
  await lived();
  const journal = sqliteJournal({ path: db });
  const { entry } = (await journal.last({ tenant: 'acme', session: 's2' }))!;
  await journal.append({ tenant: 'acme', session: 's9' }, 0, { ...entry, n: 1, machine: 'ghost@1' });
  await journal.close();
  const { code, stdout } = await run('check', '--db', db);
  expect(code).toBe(1);
  expect(stdout).toContain('✗ acme/s9 unreadable: there is no chart "ghost" here\n');
  expect(stdout).toContain('3 sessions: 2 identical, 1 unreadable\n');
  expect((await run('replay', '--all', '--db', db)).stdout).toContain('3 sessions, 6 entries: 1 differ\n');
});

test('a fork lives on beside the session that it comes from', async () => {
  await lived();
  const fork = ['fork', 's1', '--at', '2', '--as', 's3', '--db', db];
  expect(await run(...fork)).toMatchObject({ code: 0, stdout: 's3 has lived the first 2 entries of s1.\n' });
  expect(await run(...fork)).toMatchObject({ code: 1, stderr: '✗ there is a session "s3" already (session_exists)\n' });
  expect(await json('replay', '--all', '--db', db)).toMatchObject({ sessions: 3, differing: [] });
  const desk = await createTroupe({ ...frontDesk, journal: sqliteJournal({ path: db }) });
  await desk.session('s3').send('my order 5000');
  const said = (await desk.session('s3').history()).filter(({ role }) => role === 'user');
  expect(said.map(({ content }) => content)).toEqual(['hello', 'my order 5000']);
  await desk.close();
});

test('what is not there is said in a line', async () => {
  expect((await run('replay', '--all')).stderr).toBe(
    `✗ there is no database at ${folder}/.troupe/troupe.db (no_database)\n`,
  );
  await lived();
  expect((await run('replay', 'nobody', '--db', db)).stdout).toContain(
    '✗ default/nobody: there is no session "nobody"',
  );
  expect((await run('fork', 's1', '--at', '9', '--as', 's3', '--db', db)).stderr).toContain('has 4 entries, not 9');
  expect((await run('replay', '--db', db)).stderr).toContain('name a session, or say --all');
});

test('doctor finds everything well in an empty folder, and leaves nothing there', async () => {
  const { code, stdout } = await run('doctor', '--port', '0');
  expect(code).toBe(0);
  expect(stdout.match(/^✓ \w+/gm)).toEqual(['✓ node', '✓ configuration', '✓ agents', '✓ database', '✓ port']);
  expect((await json('doctor', '--port', '0')).map(({ well }: { well: boolean }) => well)).not.toContain(false);
  expect((await run('doctor', '--port', '0')).stdout).toContain('will be made at the first start');
});

test('doctor names a port that is taken, a database that is in use and a configuration that is wrong', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  const port = await new Promise<number>((resolve) =>
    server.once('listening', () => resolve((server.address() as { port: number }).port)),
  );
  const journal = sqliteJournal({ path: db });
  const { code, stdout } = await run('doctor', '--port', String(port), '--db', db);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^✗ database +.* is in use by another process/m);
  expect(stdout).toContain(`✗ port           ${port} is in use by another program`);
  await journal.close();
  server.close();

  await writeFile(join(folder, 'troupe.config.yaml'), 'http:\n  port: high\n');
  expect((await run('doctor')).stdout).toMatch(/^✗ configuration +.*http\.port: must be a port/m);
});
