// The journals keep their promise in memory and on SQLite; the SQLite file keeps it through what files go through.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Stored } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { Conflict } from '../src/platform/errors.ts';
import { entry, fill, key } from './journal.entries.ts';
import { journalConformance } from './journal.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'));
  path = join(directory, 'journal.db');
});
afterEach(() => rmSync(directory, { recursive: true }));

journalConformance('memory', async () => {
  const journal = memoryJournal();
  return { journal, cleanup: () => journal.close() };
});

journalConformance('sqlite', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'journal-'));
  const path = join(directory, 'journal.db');
  let journal = sqliteJournal({ path });
  return {
    journal,
    async reopen() {
      await journal.close();
      journal = sqliteJournal({ path });
      return journal;
    },
    async cleanup() {
      await journal.close();
      rmSync(directory, { recursive: true });
    },
  };
});

describe('a journal in this process', () => {
  test.each([
    ['memory', memoryJournal],
    ['sqlite', () => sqliteJournal({ path })],
  ])('%s refuses an entry whose number does not follow', async (_, make) => {
    const journal = make();
    await expect(journal.append(key('a'), 0, entry(2))).rejects.toBeInstanceOf(Conflict);
    const version = await fill(journal, key('a'), 2);
    await expect(journal.append(key('a'), version, entry(4))).rejects.toBeInstanceOf(Conflict);
    expect(await journal.append(key('a'), version, entry(3))).toBeGreaterThan(version);
    await journal.close();
  });
});

/** What is wrong with opening the file: the code, and the sentence that a person reads. */
function refusal(file = path): { code: string; message: string } {
  try {
    sqliteJournal({ path: file }).close();
  } catch (error) {
    const { name, code, message } = error as { name: string; code: string; message: string };
    expect(name).toBe('JournalError');
    return { code, message };
  }
  throw new Error(`${file} was opened`);
}

/** The files as a crash would leave them after `sessions` × `entries` appends, one commit for each number. */
async function crash({ sessions = 40, entries = 5 } = {}): Promise<void> {
  const live = join(directory, 'live.db');
  const journal = sqliteJournal({ path: live });
  const keys = Array.from({ length: sessions }, (_, i) => key(`s${i}`));
  await Promise.all(keys.map((key) => fill(journal, key, entries)));
  copyFileSync(live, path);
  copyFileSync(`${live}-wal`, `${path}-wal`);
  await journal.close();
}

/** A journal that was filled and closed. */
async function closed(entries = 200): Promise<void> {
  const journal = sqliteJournal({ path });
  await Promise.all(Array.from({ length: 20 }, (_, i) => fill(journal, key(`s${i}`), entries)));
  await journal.close();
}

function scribble(file: string, from: number, to = statSync(file).size): void {
  const bytes = readFileSync(file);
  bytes.fill('garbage ', from, to);
  writeFileSync(file, bytes);
}

const numbers = (stored: Stored[]) => stored.map(({ entry }) => entry.n);

async function entriesOf(file: string): Promise<number[]> {
  const journal = sqliteJournal({ path: file });
  const rows = await journal.rows({ limit: 1000 });
  const counts = await Promise.all(rows.map(async ({ key }) => (await journal.read(key)).length));
  expect(counts).toEqual(rows.map(({ n }) => n));
  await journal.close();
  return counts;
}

describe('opening a SQLite journal', () => {
  test('creates the directories above it', async () => {
    await sqliteJournal({ path: join(directory, 'not/yet/there.db') }).close();
    expect(existsSync(join(directory, 'not/yet/there.db'))).toBe(true);
  });

  test('leaves one file behind when it is closed', async () => {
    await closed(3);
    expect([existsSync(path), existsSync(`${path}-wal`), existsSync(`${path}-shm`)]).toEqual([true, false, false]);
  });

  test('an empty file is a new journal', async () => {
    writeFileSync(path, '');
    expect(await entriesOf(path)).toEqual([]);
  });

  test('is refused while another journal has the file', async () => {
    const first = sqliteJournal({ path });
    const { code, message } = refusal();
    expect(code).toBe('journal_locked');
    expect(message).toContain(`${path} is in use by another process. Stop that process`);
    await fill(first, key('a'), 2);
    await first.close();
    expect(await entriesOf(path)).toEqual([2]);
  });

  test('is refused for a file that is not a database, which stays as it is', () => {
    writeFileSync(path, 'dear diary, '.repeat(1000));
    const { code, message } = refusal();
    expect(code).toBe('journal_corrupt');
    expect(message).toContain(`${path} is not a journal. Restore it from a backup`);
    expect(readFileSync(path, 'utf8')).toBe('dear diary, '.repeat(1000));
  });

  test("is refused for another program's database", () => {
    const db = new DatabaseSync(path);
    db.exec('CREATE TABLE recipes (name)');
    db.close();
    const before = readFileSync(path);
    expect(refusal()).toEqual({
      code: 'journal_foreign',
      message: `${path} is another program's database. Give the journal its own file.`,
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  test('is refused for a schema of a later version', async () => {
    await closed(1);
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 1000');
    db.close();
    expect(refusal().code).toBe('journal_newer');
    expect(refusal().message).toContain(`${path} has schema 1000`);
  });

  test('is refused for a schema of an earlier version', async () => {
    await closed(1);
    const db = new DatabaseSync(path);
    db.exec('PRAGMA user_version = 1');
    db.close();
    expect(refusal().code).toBe('journal_older');
    expect(refusal().message).toContain(`${path} has schema 1`);
  });

  test('is refused for a file that ends in garbage, each time', async () => {
    await closed();
    scribble(path, 16 * 4096);
    for (const _ of ['once', 'and again']) {
      expect(refusal().code).toBe('journal_corrupt');
      expect(refusal().message).toContain(`${path} is damaged. Restore it from a backup`);
    }
  });

  test('is refused for a file that was cut off', async () => {
    await closed();
    const { size } = statSync(path);
    for (const part of [0.9, 0.5, 0.1]) {
      truncateSync(path, Math.floor(size * part));
      expect(refusal().code).toBe('journal_corrupt');
    }
  });

  test('is refused where the process may not write', async () => {
    await closed(1);
    chmodSync(path, 0o444);
    chmodSync(directory, 0o555);
    asNobody(() => {
      expect(refusal().code).toBe('journal_unwritable');
      expect(refusal(join(directory, 'new.db')).code).toBe('journal_unwritable');
      expect(refusal(join(directory, 'new/new.db')).code).toBe('journal_unwritable');
    });
    chmodSync(directory, 0o755);
  });

  test('is refused where the path is a directory, or below a file', async () => {
    await closed(1);
    expect(refusal(directory).code).toBe('journal_unwritable');
    expect(refusal(join(path, 'journal.db')).code).toBe('journal_unwritable');
  });
});

describe('after a crash, a SQLite journal', () => {
  test('has everything that was in the log', async () => {
    await crash();
    expect(await entriesOf(path)).toEqual(new Array(40).fill(5));
  });

  test('drops the commit that was being written', async () => {
    await crash();
    truncateSync(`${path}-wal`, statSync(`${path}-wal`).size - 100);
    expect(await entriesOf(path)).toEqual(new Array(40).fill(4));
  });

  test('is refused when its log was damaged where commits were acknowledged, until the log is given up', async () => {
    await crash();
    const { size } = statSync(`${path}-wal`);
    scribble(`${path}-wal`, Math.floor(size / 3), Math.floor(size / 2));
    for (const _ of ['once', 'and again']) {
      expect(refusal().code).toBe('journal_corrupt');
      expect(refusal().message).toMatch(`${path}-wal is damaged: entries that were acknowledged`);
    }
    rmSync(`${path}-wal`);
    expect(await entriesOf(path)).toEqual([]);
  });

  test('is refused when its log is garbage', async () => {
    await crash();
    scribble(`${path}-wal`, 0);
    expect(refusal().code).toBe('journal_corrupt');
    expect(refusal().message).toContain(`${path}-wal is damaged: it does not begin as a log`);
  });

  test('opens with a log that was never begun', async () => {
    await closed(2);
    for (const log of ['', '\0'.repeat(32), '\0'.repeat(10_000)]) {
      writeFileSync(`${path}-wal`, log);
      expect(await entriesOf(path)).toEqual(new Array(20).fill(2));
    }
  });

  test('opens at its last checkpoint when the log is lost, every session without gaps', async () => {
    await crash({ sessions: 100, entries: 250 });
    rmSync(`${path}-wal`);
    const counts = await entriesOf(path);
    expect(counts).toHaveLength(100);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(Math.max(...counts)).toBeLessThan(250);
  });

  test('is refused when the file beside the log was cut off, emptied or removed', async () => {
    await crash({ sessions: 100, entries: 250 });
    truncateSync(path, Math.floor(statSync(path).size / 2));
    expect(refusal().message).toMatch(/journal\.db is cut off: page \d+ of \d+ is missing/);
    truncateSync(path, 0);
    expect(refusal().message).toContain(`${path} is empty or missing`);
    rmSync(path);
    expect(refusal().message).toContain(`${path} is empty or missing`);
    expect(refusal().code).toBe('journal_corrupt');
  });

  test('has every acknowledged entry after kill -9 in the middle of appends, time after time', async () => {
    const acknowledged = new Map<string, number>();
    for (const acks of [50, 700, 6000, 200]) {
      const { child, lines } = writer();
      let count = 0;
      for await (const line of lines) {
        const [, session, n] = line.match(/^ack (\S+) (\d+) \d+$/) ?? expect.fail(line);
        acknowledged.set(session!, Number(n));
        if (++count === 10) expect(refusal().code).toBe('journal_locked');
        if (count === acks) child.kill('SIGKILL');
      }
      expect(child.signalCode).toBe('SIGKILL');

      const journal = sqliteJournal({ path });
      for (const [session, n] of acknowledged) {
        const entries = await journal.read(key(session));
        expect(entries.length).toBeGreaterThanOrEqual(n);
        expect(entries.map(({ entry }) => entry.n)).toEqual(entries.map((_, i) => i + 1));
        expect((await journal.last(key(session)))?.entry.n).toBe(entries.length);
        expect((await journal.rows()).find((row) => row.key.session === session)?.n).toBe(entries.length);
      }
      expect(await journal.census()).toEqual(new Map([['automated/idle', 16]]));
      await journal.close();
    }
  });
});

describe('a SQLite journal at work', () => {
  test('names the entry that cannot be read, and keeps the others', async () => {
    await closed(3);
    const db = new DatabaseSync(path);
    db.exec(`UPDATE entries SET body = '{"n":' WHERE session = 's7' AND n = 2`);
    db.close();
    const journal = sqliteJournal({ path });
    const reading = journal.read(key('s7'));
    await expect(reading).rejects.toMatchObject({ name: 'JournalError', code: 'journal_corrupt' });
    await expect(reading).rejects.toThrow(`${path}: entry 2 of default/s7 cannot be read`);
    expect((await journal.last(key('s7')))?.entry.n).toBe(3);
    expect(await journal.read(key('s8'))).toHaveLength(3);
    await journal.close();
  });

  test('survives pages of garbage: it refuses to read them, with the reason, and goes on', async () => {
    await closed();
    scribble(path, 16 * 4096, statSync(path).size - 16 * 4096);
    const journal = sqliteJournal({ path });
    for (let i = 0; i < 20; i++) {
      const reading = journal.read(key(`s${i}`));
      await expect(reading).rejects.toMatchObject({ name: 'JournalError', code: 'journal_corrupt' });
      await expect(reading).rejects.toThrow(`${path} is damaged. Restore it from a backup`);
      const last = await journal.last(key(`s${i}`));
      await journal.append(key(`s${i}`), last!.version, entry(201));
      expect(numbers(await journal.tail(key(`s${i}`), 2))).toEqual([200, 201]);
    }
    await journal.close();
  });

  test('refuses appends when its disk fails, and still reads', async () => {
    const { child, lines } = writer('ulimit -f 2000');
    const said: string[] = [];
    for await (const line of lines) if (!line.startsWith('ack')) said.push(line);
    expect(child.exitCode).toBe(0);
    expect(said).toEqual([...new Array(16).fill('refused journal_failed'), 'readable 16']);
  });

  test('an append that SQLite refuses fails alone, and its version goes to the next', async () => {
    const journal = sqliteJournal({ path });
    const heard: string[] = [];
    journal.follow('*', ({ session }, { version }) => heard.push(`${session} ${version}`));
    const outcomes = await Promise.allSettled([
      journal.append(key('a'), 0, entry(1)),
      journal.append(key('b'), 0, entry(1, { state: undefined })),
      journal.append(key('c'), 0, entry(1, { at: Number.NaN })),
      journal.append(key('a'), 0, entry(1)),
      journal.append(key('d'), 0, entry(1)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'rejected',
      'rejected',
      'fulfilled',
    ]);
    expect((outcomes[3] as PromiseRejectedResult).reason).toBeInstanceOf(Conflict);
    expect(heard).toEqual(['a 1', 'd 2']);
    expect((await journal.rows()).map(({ key }) => key.session)).toEqual(['a', 'd']);
    await journal.close();
  });
});

/** A real process that appends to `path` until it is stopped. */
function writer(first = 'true') {
  const script = join(import.meta.dirname, 'journal.writer.ts');
  const child = spawn('sh', ['-c', `${first}; exec "$0" "$@"`, process.execPath, script, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, lines: untilExit(child) };
}

async function* untilExit(child: ReturnType<typeof spawn>): AsyncGenerator<string> {
  const exit = once(child, 'exit');
  yield* createInterface({ input: child.stdout! });
  await exit;
}

/** Permissions do not hold for root, so root becomes nobody for a moment. */
function asNobody(check: () => void): void {
  const isRoot = process.getuid!() === 0;
  if (isRoot) process.seteuid!(65534);
  try {
    check();
  } finally {
    if (isRoot) process.seteuid!(0);
  }
}
