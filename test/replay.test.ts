// Refolding: a stored session leads where it led, and an upgrade is judged before it is made.
import { afterEach, beforeEach, expect, test } from 'vitest';
import { setup } from 'xstate';
import type { Migrations } from '../actors/versions.ts';
import { performed } from '../machines/performed.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { Entry } from '../src/journal/journal.ts';
import { judge, refold } from '../src/sessions/replay.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';

let troupe: Troupe;
beforeEach(async () => {
  troupe = await createTroupe({
    agents: [
      {
        id: 'echo',
        triggers: ['echo'],
        run: async function* (message) {
          yield 'you said ';
          yield message;
        },
      },
      { id: 'desk', triggers: ['desk'], run: () => ({ type: 'input_required', prompt: 'Which one?', task: { n: 1 } }) },
      {
        id: 'broken',
        triggers: ['break'],
        run: () => {
          throw new Error('out of order');
        },
      },
    ],
    settings: { backoff_ms: 0, attempts: 2 },
  });
});
afterEach(() => troupe.close());

/** A conversation that goes through most of the chart, as the journal has it. */
async function lived(): Promise<Entry[]> {
  const session = troupe.session('s1');
  await session.send('echo hello');
  await session.send('break it');
  await session.send('desk');
  await session.takeOver({ by: 'ana' });
  await session.inject({ mode: 'speak', content: 'let me', by: 'ana' });
  await session.release();
  await session.pause();
  await session.resume();
  await session.close();
  return (await troupe.journal.read(session.key)).map(({ entry }) => entry);
}

const changed = (entries: readonly Entry[], n: number, change: Partial<Entry>): Entry[] =>
  entries.map((entry) => (entry.n === n ? { ...entry, ...change } : entry));

test('every stored snapshot comes out of its events again', async () => {
  const entries = await lived();
  expect(entries.length).toBeGreaterThan(10);
  expect(refold(entries, sessionMachine)).toEqual({ identical: true, entries: entries.length, tasks: 0 });
});

test('a session that was created before anybody spoke refolds too', async () => {
  const { key } = await troupe.startSession({ session: 's2', userConfig: { name: 'Bo' } });
  const entries = (await troupe.journal.read(key)).map(({ entry }) => entry);
  expect(refold(entries, sessionMachine)).toEqual({ identical: true, entries: 1, tasks: 0 });
});

test('the first entry that comes out otherwise is named', async () => {
  const entries = await lived();
  const { snapshot, emitted } = entries[3]!;
  const context = { ...(snapshot.context as object), epoch: 7 };
  expect(refold(changed(entries, 4, { snapshot: { ...snapshot, context } }), sessionMachine)).toMatchObject({
    identical: false,
    at: 4,
    why: 'another snapshot',
    stored: { context: { epoch: 7 } },
    refolded: { context: { epoch: 0 } },
  });
  expect(
    refold(changed(entries, 4, { emitted: [...emitted, { type: 'more' as never }] }), sessionMachine),
  ).toMatchObject({
    at: 4,
    why: 'other events',
  });
  expect(refold(changed(entries, 2, { event: { type: 'release' } }), sessionMachine)).toMatchObject({
    at: 2,
    why: 'the chart does not accept release here',
  });
});

test('a gap, and a first entry without its input, are differences', async () => {
  const entries = await lived();
  expect(refold(entries.toSpliced(2, 1), sessionMachine)).toMatchObject({ at: 4, why: 'entry 3 is missing' });
  expect(refold(changed(entries, 1, { init: undefined }), sessionMachine)).toMatchObject({ identical: false, at: 1 });
});

// A door that was built twice: version 2 lost the state `locked` and no longer rings when it is shut.
const door = (version: string, states: Record<string, any>, migrate?: Migrations) =>
  setup({ actors: { bell: performed<void, void>() } }).createMachine({
    id: 'door',
    version,
    meta: { migrate },
    initial: 'open',
    states,
  });
const first = door('1', {
  open: { on: { shut: 'shut', lock: 'locked' } },
  shut: { invoke: { id: 'bell', src: 'bell' }, on: { open: 'open' } },
  locked: { on: { unlock: 'shut' } },
});
const second = { open: { on: { shut: 'shut' } }, shut: { on: { open: 'open' } } };
const asItWas = door('2', second, { '1': (snapshot) => snapshot });

const at = (value: string, more: Partial<Entry> = {}): Entry => ({
  n: 1,
  at: 0,
  machine: 'door@1',
  event: { type: value === 'locked' ? 'lock' : 'shut' },
  init: null,
  emitted: [],
  snapshot: { value, context: {} },
  owed: [],
  state: value,
  ...more,
});

test('an upgrade says of every session whether it goes on, is migrated, or would be stuck', () => {
  expect(judge([at('shut')], first)).toMatchObject({ verdict: 'identical' });
  expect(judge([at('shut')], door('2', second))).toMatchObject({
    verdict: 'stuck',
    why: 'it was written by door@1, and this is door@2: its chart has no `meta.migrate`',
  });
  expect(judge([at('shut')], asItWas)).toEqual(expect.not.objectContaining({ why: expect.anything() }));
  expect(judge([at('shut')], asItWas)).toMatchObject({ verdict: 'migrates' });
  expect(judge([at('locked')], asItWas)).toMatchObject({
    verdict: 'stuck',
    why: expect.stringContaining("its migration failed: State 'locked' does not exist"),
  });
  const unlocking = door('2', second, {
    '1': ({ value, ...rest }) => ({ ...rest, value: value === 'locked' ? 'shut' : value }),
  });
  expect(judge([at('locked')], unlocking)).toMatchObject({
    verdict: 'migrates',
    why: 'entry 1: the chart does not accept lock here',
  });
  expect(judge([at('locked', { snapshot: { value: 'locked', context: {}, status: 'done' } })], asItWas)).toMatchObject({
    verdict: 'ended',
  });
});

test('a chart that was changed without a new version is found out', () => {
  expect(judge([at('open')], first)).toMatchObject({ verdict: 'different', why: 'entry 1: another snapshot' });
});
