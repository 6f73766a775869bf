// What every journal keeps: one suite, run over each backend.

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Journal, type Key, keyName, type Stored, type Version } from '../src/journal/journal.ts';
import { Conflict } from '../src/platform/errors.ts';
import { entry, fill, key } from './journal.entries.ts';

export interface JournalUnderTest {
  readonly journal: Journal;
  /** Closes the journal and opens what it left behind; absent where nothing is left. */
  readonly reopen?: () => Promise<Journal>;
  cleanup(): Promise<void>;
}

const numbers = (stored: Stored[]) => stored.map(({ entry }) => entry.n);

export function journalConformance(name: string, make: () => Promise<JournalUnderTest>): void {
  describe(`${name} journal`, () => {
    let subject: JournalUnderTest;
    let journal: Journal;
    beforeEach(async () => {
      subject = await make();
      journal = subject.journal;
    });
    afterEach(() => subject.cleanup());

    test('a session that was never written has no entries', async () => {
      expect(await journal.last(key('a'))).toBeUndefined();
      expect(await journal.read(key('a'))).toEqual([]);
      expect(await journal.tail(key('a'), 5)).toEqual([]);
      expect(await journal.rows()).toEqual([]);
      expect(await journal.census()).toEqual(new Map());
    });

    test('what is journaled like a session and is none is not counted among them', async () => {
      await journal.append(key('s1'), 0, entry(1));
      await journal.append(key('@agents'), 0, entry(1, { state: 'open' }));
      expect(Object.fromEntries(await journal.census())).toEqual({ [entry(1).state]: 1 });
      expect(Object.fromEntries(await journal.census(key('s1').tenant))).toEqual({ [entry(1).state]: 1 });
    });

    test('an entry comes back as it was, whatever the text in it', async () => {
      const first = entry(1, {
        init: { agents: ['support'] },
        cause: 'msg-1',
        event: { type: 'message', content: 'naïve 🦜 \u0000 \u2028 \ud800 "quoted" \\ \n' },
        emitted: [{ type: 'message.accepted' as never, deep: [{ a: null }] }],
        snapshot: { value: {}, context: null, status: 'done' },
        owed: [
          { id: 'agent', key: 'a#1.0' },
          { id: 'timer', key: 'a#1.1', due: 5 },
        ],
        recent: [['msg-1', 1]],
        wake: 0,
      });
      const version = await journal.append(key('a'), 0, first);
      expect(await journal.last(key('a'))).toEqual({ version, entry: first });
    });

    test('what was remembered does not change with the object it came from', async () => {
      const event = { type: 'message', content: 'before' };
      const appended = journal.append(key('a'), 0, entry(1, { event }));
      event.content = 'after';
      await appended;
      const stored = (await journal.last(key('a')))!;
      expect(stored.entry.event).toEqual({ type: 'message', content: 'before' });
      Object.assign(stored.entry.event, { content: 'after' });
      expect((await journal.last(key('a')))!.entry.event).toEqual({ type: 'message', content: 'before' });
    });

    test('versions rise from entry to entry, over all sessions', async () => {
      const versions = [
        await journal.append(key('a'), 0, entry(1)),
        await journal.append(key('b'), 0, entry(1)),
        await journal.append(key('a', 'other'), 0, entry(1)),
      ];
      versions.push(await journal.append(key('a'), versions[0]!, entry(2)));
      expect(versions[0]).toBeGreaterThan(0);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
    });

    test('an append after anything but the last version is a conflict and writes nothing', async () => {
      const first = await journal.append(key('a'), 0, entry(1));
      const second = await journal.append(key('a'), first, entry(2));
      await expect(journal.append(key('a'), first, entry(2))).rejects.toBeInstanceOf(Conflict);
      await expect(journal.append(key('a'), 0, entry(1))).rejects.toBeInstanceOf(Conflict);
      await expect(journal.append(key('a'), second + 1, entry(3))).rejects.toBeInstanceOf(Conflict);
      await expect(journal.append(key('unknown'), first, entry(1))).rejects.toBeInstanceOf(Conflict);
      expect(numbers(await journal.read(key('a')))).toEqual([1, 2]);
      expect(await journal.last(key('unknown'))).toBeUndefined();
      expect(await journal.append(key('a'), second, entry(3))).toBeGreaterThan(second);
    });

    test('of many writers after the same version exactly one wins, and the others do not disturb their neighbours', async () => {
      const keys = Array.from({ length: 40 }, (_, i) => key(`s${i}`));
      const after = await Promise.all(keys.map((key, i) => (i % 2 ? fill(journal, key, 1) : 0)));
      const races = keys.map((key, i) =>
        Array.from({ length: 5 }, (_, writer) =>
          journal.append(key, after[i]!, entry((i % 2) + 1, { cause: `writer-${writer}` })).then(
            () => `writer-${writer}`,
            (error) => {
              expect(error).toBeInstanceOf(Conflict);
            },
          ),
        ),
      );
      for (const [i, race] of races.entries()) {
        const winners = (await Promise.all(race)).filter((winner) => winner !== undefined);
        expect(winners).toHaveLength(1);
        expect((await journal.last(keys[i]!))?.entry.cause).toBe(winners[0]);
        expect(await journal.read(keys[i]!)).toHaveLength((i % 2) + 1);
      }
    });

    test('an entry that is not JSON is refused alone', async () => {
      const good = journal.append(key('good'), 0, entry(1));
      await expect(journal.append(key('bad'), 0, entry(1, { init: 1n }))).rejects.toThrow(TypeError);
      await good;
      expect(await journal.last(key('bad'))).toBeUndefined();
    });

    test('entries are read forward from any position, and back from the end', async () => {
      await fill(journal, key('a'), 7);
      await fill(journal, key('b'), 2);
      expect(numbers(await journal.read(key('a')))).toEqual([1, 2, 3, 4, 5, 6, 7]);
      expect(numbers(await journal.read(key('a'), 5))).toEqual([5, 6, 7]);
      expect(numbers(await journal.read(key('a'), 3, 2))).toEqual([3, 4]);
      expect(numbers(await journal.read(key('a'), 1, 0))).toEqual([]);
      expect(numbers(await journal.read(key('a'), 6, Number.POSITIVE_INFINITY))).toEqual([6, 7]);
      expect(numbers(await journal.read(key('a'), 8))).toEqual([]);
      expect(numbers(await journal.tail(key('a'), 3))).toEqual([5, 6, 7]);
      expect(numbers(await journal.tail(key('a'), 0))).toEqual([]);
      expect(numbers(await journal.tail(key('b'), 9))).toEqual([1, 2]);
      expect((await journal.tail(key('a'), 1))[0]).toEqual(await journal.last(key('a')));
    });

    test('a long session is read at any place of it', async () => {
      await Promise.all([fill(journal, key('a'), 1000), fill(journal, key('b'), 130)]);
      for (const from of [1, 2, 63, 64, 65, 127, 128, 129, 500, 640, 998]) {
        expect(numbers(await journal.read(key('a'), from, 3))).toEqual([from, from + 1, from + 2]);
      }
      expect(numbers(await journal.read(key('a'), 999, 3))).toEqual([999, 1000]);
      expect(numbers(await journal.read(key('b')))).toEqual(Array.from({ length: 130 }, (_, i) => i + 1));
      expect(numbers(await journal.tail(key('b'), 129))[0]).toBe(2);
    });

    test('followers hear every entry once, in order, before its append resolves', async () => {
      const heard: string[] = [];
      journal.follow('*', (key, { entry }) => heard.push(`* ${keyName(key)} ${entry.n}`));
      journal.follow(key('a'), (key, { entry }) => heard.push(`a ${keyName(key)} ${entry.n}`));
      const first = await journal.append(key('a'), 0, entry(1)).finally(() => heard.push('resolved'));
      await journal.append(key('b'), 0, entry(1));
      await journal.append(key('a'), 0, entry(1)).catch(() => heard.push('conflict'));
      await journal.append(key('a'), first, entry(2));
      expect(heard).toEqual([
        '* default/a 1',
        'a default/a 1',
        'resolved',
        '* default/b 1',
        'conflict',
        '* default/a 2',
        'a default/a 2',
      ]);
    });

    test('a follower can read what it hears of', async () => {
      const read = new Promise<Stored | undefined>((resolve) => {
        journal.follow('*', (key) => resolve(journal.last(key)));
      });
      const version = await journal.append(key('a'), 0, entry(1));
      expect(await read).toEqual({ version, entry: entry(1) });
    });

    test('a follower hears nothing from before it came nor from after it left', async () => {
      const heard: number[] = [];
      const version = await fill(journal, key('a'), 1);
      const stop = journal.follow(key('a'), (_, { entry }) => heard.push(entry.n));
      const second = await fill(journal, key('a'), 2, version, 2);
      stop();
      stop();
      await fill(journal, key('a'), 3, second, 3);
      expect(heard).toEqual([2]);
    });

    test('when a follower appends, all followers still hear in order', async () => {
      const heard: number[] = [];
      let nested: Promise<Version> | undefined;
      journal.follow('*', (key, { version, entry: { n } }) => {
        if (n === 1) nested = journal.append(key, version, entry(2));
      });
      journal.follow('*', (_, { entry }) => heard.push(entry.n));
      await journal.append(key('a'), 0, entry(1));
      await nested;
      expect(heard).toEqual([1, 2]);
    });

    test('a follower that throws keeps neither the append nor the others from finishing', async () => {
      const heard: number[] = [];
      const surfaced = uncaughtException();
      journal.follow('*', () => {
        throw new Error('a broken follower');
      });
      journal.follow('*', (_, { entry }) => heard.push(entry.n));
      await journal.append(key('a'), 0, entry(1));
      expect(heard).toEqual([1]);
      expect(await surfaced).toEqual(new Error('a broken follower'));
    });

    test('rows come in key order, tenant first', async () => {
      const keys = [key('x', 'a-b'), key('x', 'a'), key('b_1', 'a'), key('b-1', 'a'), key('b', 'a'), key('b', 'a_b')];
      for (const key of keys) await journal.append(key, 0, entry(1));
      expect((await journal.rows()).map(({ key }) => keyName(key))).toEqual([
        'a/b',
        'a/b-1',
        'a/b_1',
        'a/x',
        'a-b/x',
        'a_b/b',
      ]);
    });

    test('a row says where its session is now', async () => {
      const version = await journal.append(key('a'), 0, entry(1, { state: 'automated/attempting', wake: 0 }));
      expect(await journal.rows()).toEqual([
        { key: key('a'), n: 1, at: 1_000_001, state: 'automated/attempting', wake: 0 },
      ]);
      await journal.append(key('a'), version, entry(2, { state: 'paused/idle', wake: 7.25 }));
      await journal.append(key('b'), 0, entry(1));
      expect(await journal.rows()).toEqual([
        { key: key('a'), n: 2, at: 1_000_002, state: 'paused/idle', wake: 7.25 },
        { key: key('b'), n: 1, at: 1_000_001, state: 'automated/idle' },
      ]);
    });

    test('rows are found by tenant, by state or a part of it, and by whether they must wake', async () => {
      await journal.append(key('a', 'one'), 0, entry(1, { state: 'automated/idle' }));
      await journal.append(key('b', 'one'), 0, entry(1, { state: 'human/idle', wake: 5 }));
      await journal.append(key('c', 'two'), 0, entry(1, { state: 'human/running/attempting', wake: 0 }));
      const found = async (query: Parameters<Journal['rows']>[0]) =>
        (await journal.rows(query)).map((r) => r.key.session);
      expect(await found({ tenant: 'one' })).toEqual(['a', 'b']);
      expect(await found({ state: 'human/idle' })).toEqual(['b']);
      expect(await found({ state: 'human' })).toEqual(['b', 'c']);
      expect(await found({ state: 'attempting' })).toEqual(['c']);
      expect(await found({ state: 'attempt' })).toEqual([]);
      expect(await found({ state: 'running/attempting' })).toEqual([]);
      expect(await found({ state: '' })).toEqual([]);
      expect(await found({ waking: true })).toEqual(['b', 'c']);
      expect(await found({ waking: false })).toEqual(['a', 'b', 'c']);
      expect(await found({ tenant: 'one', state: 'human', waking: true })).toEqual(['b']);
    });

    test('rows are found by the outer levels of a part of their state', async () => {
      await journal.append(key('a'), 0, entry(1, { state: 'human.held/running.attempting' }));
      const found = async (state: string) => (await journal.rows({ state })).length;
      for (const state of ['human', 'human.held', 'running', 'running.attempting']) expect(await found(state)).toBe(1);
      for (const state of ['held', 'hum', 'attempting', 'human.', '.held']) expect(await found(state)).toBe(0);
    });

    test('pages of rows meet without gap or overlap, 100 to a page unless told', async () => {
      const names = Array.from({ length: 130 }, (_, i) => `s${String(i).padStart(3, '0')}`);
      await Promise.all(names.map((name) => journal.append(key(name, 'm'), 0, entry(1))));
      await journal.append(key('s050', 'l'), 0, entry(1));
      await journal.append(key('s050', 'n'), 0, entry(1));
      expect(await journal.rows()).toHaveLength(100);
      expect(await journal.rows({ limit: 1000 })).toHaveLength(132);
      for (const tenant of ['m', undefined]) {
        const seen: string[] = [];
        for (let after: Key | undefined; ; ) {
          const page = await journal.rows({ tenant, after, limit: 7 });
          if (page.length === 0) break;
          seen.push(...page.map(({ key }) => keyName(key)));
          after = page.at(-1)!.key;
        }
        const all = names.map((name) => `m/${name}`);
        expect(seen).toEqual(tenant ? all : ['l/s050', ...all, 'n/s050']);
      }
      expect(await journal.rows({ tenant: 'm', after: key('s999', 'l'), limit: 1 })).toMatchObject([
        { key: key('s000', 'm') },
      ]);
      expect(await journal.rows({ tenant: 'm', after: key('', 'n') })).toEqual([]);
    });

    test('the census counts sessions by state', async () => {
      const version = await journal.append(key('a'), 0, entry(1, { state: 'automated/idle' }));
      await journal.append(key('b'), 0, entry(1, { state: 'paused/idle' }));
      await journal.append(key('c', 'other'), 0, entry(1, { state: 'paused/idle' }));
      await journal.append(key('a'), version, entry(2, { state: 'paused/idle' }));
      expect(await journal.census()).toEqual(new Map([['paused/idle', 3]]));
      expect(await journal.census('other')).toEqual(new Map([['paused/idle', 1]]));
      expect(await journal.census('nobody')).toEqual(new Map());
    });

    test('a removed session is forgotten, and its writers with it', async () => {
      const old = await fill(journal, key('a'), 3);
      const other = await fill(journal, key('b'), 2);
      await journal.remove(key('a'));
      await journal.remove(key('never-was'));
      expect(await journal.last(key('a'))).toBeUndefined();
      expect(await journal.read(key('a'))).toEqual([]);
      expect((await journal.rows()).map(({ key }) => key.session)).toEqual(['b']);
      await expect(journal.append(key('a'), old, entry(4))).rejects.toBeInstanceOf(Conflict);
      const again = await journal.append(key('a'), 0, entry(1));
      expect(again).toBeGreaterThan(Math.max(old, other));
      expect(numbers(await journal.read(key('a')))).toEqual([1]);
      expect(numbers(await journal.read(key('b')))).toEqual([1, 2]);
    });

    test('removing comes after what was accepted before', async () => {
      const accepted = journal.append(key('a'), 0, entry(1));
      await journal.remove(key('a'));
      await accepted;
      expect(await journal.last(key('a'))).toBeUndefined();
    });

    test('closing finishes what was accepted, and nothing is accepted after', async () => {
      const accepted = journal.append(key('a'), 0, entry(1));
      await journal.close();
      await journal.close();
      expect(await accepted).toBeGreaterThan(0);
      await expect(journal.append(key('a'), await accepted, entry(2))).rejects.toMatchObject({
        code: 'journal_closed',
      });
      await expect(journal.last(key('a'))).rejects.toMatchObject({ code: 'journal_closed' });
    });

    test('a journal that is opened again has everything and goes on where it was', async ({ skip }) => {
      if (!subject.reopen) return skip('nothing of it outlives the process');
      const last = await fill(journal, key('a'), 3);
      await journal.append(key('b', 'other'), 0, entry(1, { state: 'human/idle', wake: 9 }));
      const removed = await fill(journal, key('c'), 2);
      await journal.remove(key('c'));
      const before = [await journal.read(key('a')), await journal.rows(), await journal.census()];
      journal = await subject.reopen();
      expect([await journal.read(key('a')), await journal.rows(), await journal.census()]).toEqual(before);
      expect(await journal.append(key('a'), last, entry(4))).toBeGreaterThan(removed);
    });

    test('any run of operations agrees with a plain model', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
          const subject = await make();
          try {
            await agreesWithModel(subject, operations);
          } finally {
            await subject.cleanup();
          }
        }),
        { numRuns: 60 },
      );
    });
  });
}

// The model: each session is a plain list. A burst is issued in one turn of the event loop, so its appends race.

const names = ['a', 'b', 'c-1', 'c'];
const states = ['automated/idle', 'automated/attempting', 'human/idle'];

const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('burst' as const),
      appends: fc.array(
        fc.record({
          session: fc.constantFrom(...names),
          state: fc.constantFrom(...states),
          wake: fc.option(fc.nat(9), { nil: undefined }),
          text: fc.string({ unit: 'grapheme' }),
          stale: fc.boolean(),
        }),
        { minLength: 1, maxLength: 8 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('remove' as const), session: fc.constantFrom(...names) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

async function agreesWithModel(subject: JournalUnderTest, operations: Operation[]): Promise<void> {
  const model = new Map<string, Stored[]>();
  const told: (readonly [string, Stored])[] = [];
  const kept: (readonly [string, Stored])[] = [];
  let { journal } = subject;
  let newest: Version = 0;
  const listen = () => journal.follow('*', (key, stored) => told.push([key.session, stored]));
  listen();

  for (const operation of operations) {
    if (operation.kind === 'remove') {
      await journal.remove(key(operation.session));
      model.delete(operation.session);
    } else if (operation.kind === 'reopen') {
      if (!subject.reopen) continue;
      journal = await subject.reopen();
      listen();
    } else {
      const attempts = operation.appends.map(async ({ session, state, wake, text, stale }) => {
        const entries = model.get(session) ?? [];
        const after = entries.at(-1)?.version ?? 0;
        const next = entry(entries.length + 1, { state, wake, event: { type: 'message', content: text } });
        const outcome = journal.append(key(session), stale ? newest + 1000 : after, next).then(
          (version) => ({ version, entry: next }),
          (error) => {
            if (!(error instanceof Conflict)) throw error;
          },
        );
        return { session, stale, stored: await outcome };
      });
      const outcomes = await Promise.all(attempts);
      for (const session of names) {
        const mine = outcomes.filter((outcome) => outcome.session === session);
        const won = mine.filter((outcome) => outcome.stored);
        expect(won).toHaveLength(mine.some(({ stale }) => !stale) ? 1 : 0);
        for (const { stale, stored } of won) {
          expect(stale).toBe(false);
          expect(stored!.version).toBeGreaterThan(newest);
          model.set(session, [...(model.get(session) ?? []), stored!]);
          kept.push([session, stored!]);
        }
      }
      newest = Math.max(newest, ...outcomes.map(({ stored }) => stored?.version ?? 0));
    }
    await sameAs(journal, model);
  }
  const byVersion = (list: typeof told) => list.toSorted(([, a], [, b]) => a.version - b.version);
  expect(byVersion(told)).toEqual(byVersion(kept));
}

async function sameAs(journal: Journal, model: Map<string, Stored[]>): Promise<void> {
  const census = new Map<string, number>();
  const rows = [];
  for (const name of names.toSorted()) {
    const entries = model.get(name) ?? [];
    const last = entries.at(-1);
    expect(await journal.read(key(name))).toEqual(entries);
    expect(await journal.read(key(name), 2, 2)).toEqual(entries.slice(1, 3));
    expect(await journal.tail(key(name), 2)).toEqual(entries.slice(-2));
    expect(await journal.last(key(name))).toEqual(last);
    if (!last) continue;
    const { n, at, state, wake } = last.entry;
    rows.push({ key: key(name), n, at, state, wake });
    census.set(state, (census.get(state) ?? 0) + 1);
  }
  expect(await journal.rows()).toEqual(rows);
  expect(await journal.rows({ waking: true })).toEqual(rows.filter(({ wake }) => wake !== undefined));
  expect(await journal.rows({ state: 'human' })).toEqual(rows.filter(({ state }) => state.startsWith('human/')));
  expect(await journal.census()).toEqual(census);
}

/** The next uncaught exception, kept from the test runner, which would count it as a failure. */
function uncaughtException(): Promise<unknown> {
  const listeners = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  return new Promise((resolve) => {
    process.once('uncaughtException', (error) => {
      for (const listener of listeners) process.on('uncaughtException', listener);
      resolve(error);
    });
  });
}
