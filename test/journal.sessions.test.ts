// On SQLite the table of sessions lags behind the entries, and nobody can tell: not before it is written, not after, not when
// the process dies in between.

import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Journal, Row } from '../src/journal/journal.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { entry, fill, key } from './journal.entries.ts';

const LAG = 4096;
/** What one page takes in SQLite's log. */
const FRAME = 4096 + 24;

let directory: string;
let journal: Journal;
let crashes: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'journal-'));
  journal = sqliteJournal({ path: join(directory, 'live.db') });
  crashes = 0;
});
afterEach(async () => {
  await journal.close();
  rmSync(directory, { recursive: true });
});

/** The files as they would be found if the process died now. */
function crash(): string {
  const path = join(directory, `crash-${crashes++}.db`);
  copyFileSync(join(directory, 'live.db'), path);
  copyFileSync(join(directory, 'live.db-wal'), `${path}-wal`);
  return path;
}

/** How far the table is written in the files that a crash left. */
function syncedIn(path: string): number {
  const db = new DatabaseSync(path);
  const { version } = db.prepare('SELECT version FROM synced').get()!;
  db.close();
  return version as number;
}

/** So many entries of other sessions that the table is written. */
async function sync(): Promise<void> {
  const before = syncedIn(crash());
  const others = Array.from({ length: LAG + 1 }, (_, i) => key(`${i}`, `after-${before}`));
  await Promise.all(others.map((other) => journal.append(other, 0, entry(1))));
  await journal.append(key('one-more', `after-${before}`), 0, entry(1));
  expect(syncedIn(crash())).toBeGreaterThan(before);
}

const allRows = (journal: Journal): Promise<Row[]> => journal.rows({ limit: 100_000 });

describe('the table of sessions', () => {
  test('is not written by a few entries, and a crash loses none of them', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => fill(journal, key(`s${i}`), 5)));
    const path = crash();
    expect(syncedIn(path)).toBe(0);
    const again = sqliteJournal({ path });
    expect(await again.rows()).toEqual(await journal.rows());
    expect(await again.census()).toEqual(new Map([['automated/idle', 40]]));
    expect(await again.last(key('s39'))).toEqual(await journal.last(key('s39')));
    await again.close();
  });

  test('is complete after a crash between two times that it was written', async () => {
    const old = await fill(journal, key('old'), 3);
    await sync();
    await journal.append(key('old'), old, entry(4, { state: 'human/idle', wake: 5 }));
    await fill(journal, key('new'), 2);
    const again = sqliteJournal({ path: crash() });
    expect(await allRows(again)).toEqual(await allRows(journal));
    expect(await again.census()).toEqual(await journal.census());
    expect(await again.rows({ waking: true })).toMatchObject([{ key: key('old'), n: 4, wake: 5 }]);
    expect((await again.read(key('old'))).map(({ entry }) => entry.n)).toEqual([1, 2, 3, 4]);
    expect((await again.last(key('new')))?.entry.n).toBe(2);
    await again.close();
  });

  test('is written when the journal is closed', async () => {
    const last = await fill(journal, key('a'), 7);
    await journal.close();
    expect(syncedIn(join(directory, 'live.db'))).toBe(last);
  });

  test('agrees with the entries wherever the log breaks off, and be it in the middle of writing the table', async () => {
    await Promise.all(Array.from({ length: 1_500 }, (_, i) => fill(journal, key(`s${i}`), 3)));
    const whole = crash();
    const { size } = statSync(`${whole}-wal`);
    let before = 4_500;
    for (let length = size; length > 0; length -= 4 * FRAME) {
      const path = join(directory, 'broken-off.db');
      copyFileSync(whole, path);
      copyFileSync(`${whole}-wal`, `${path}-wal`);
      truncateSync(`${path}-wal`, length);
      const broken = sqliteJournal({ path });
      const rows = await allRows(broken);
      const entries = rows.reduce((sum, { n }) => sum + n, 0);
      if (length === size) expect(entries).toBe(4_500);
      expect(entries).toBeLessThanOrEqual(before);
      before = entries;
      for (const { key, n } of rows.filter((_, i) => i % 25 === 0)) expect((await broken.last(key))?.entry.n).toBe(n);
      // Versions are given without gaps, so the next one tells how many entries there are.
      expect(await broken.append(key('next'), 0, entry(1))).toBe(entries + 1);
      await broken.close();
    }
  });

  test('shows who must wake, right before it is written and right after', async () => {
    const attempting = { state: 'automated/attempting', wake: 0 };
    const waking = async () => (await journal.rows({ waking: true })).map(({ key, wake }) => [key.session, wake]);
    const first = await journal.append(key('a'), 0, entry(1, attempting));
    await journal.append(key('b'), 0, entry(1, { wake: 7.25 }));
    expect(await waking()).toEqual([
      ['a', 0],
      ['b', 7.25],
    ]);
    await sync();
    expect(await waking()).toEqual([
      ['a', 0],
      ['b', 7.25],
    ]);
    await journal.append(key('a'), first, entry(2));
    expect(await waking()).toEqual([['b', 7.25]]);
    expect(await journal.rows({ state: 'attempting' })).toEqual([]);
    await sync();
    expect(await waking()).toEqual([['b', 7.25]]);
    expect(await journal.rows({ state: 'attempting' })).toEqual([]);
  });

  test.each([
    ['before it is written', async () => {}],
    ['after it was written', sync],
  ])('a key that was removed %s is used again, with a version that was never given', async (_, then) => {
    await fill(journal, key('a'), 2);
    const old = await fill(journal, key('b'), 70);
    await then();
    const newest = await journal.append(key('c'), 0, entry(1));
    await journal.remove(key('c'));
    await journal.remove(key('b'));
    const again = sqliteJournal({ path: crash() });
    expect(await again.last(key('b'))).toBeUndefined();
    expect(await again.rows({ tenant: 'default' })).toMatchObject([{ key: key('a'), n: 2 }]);
    await expect(again.append(key('b'), old, entry(71))).rejects.toThrow('somebody else wrote');
    expect(await again.append(key('b'), 0, entry(1))).toBe(newest + 1);
    expect((await again.read(key('b'))).map(({ entry }) => entry.n)).toEqual([1]);
    await again.close();
  });
});
