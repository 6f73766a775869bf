// What an agent is told of the conversation so far: the same as the journal says, without reading the journal at every turn.
import { afterEach, expect, test } from 'vitest';
import { Recent } from '../actors/recent.ts';
import { asHistory, before, messagesOf } from '../actors/transcript.ts';
import type { HistoryMessage } from '../src/agents/definition.ts';
import type { Entry, Journal } from '../src/journal/journal.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { createTroupe, type Troupe } from '../src/troupe.ts';

let troupe: Troupe | undefined;
afterEach(() => troupe?.close());

/** A troupe whose agent asks for the history at every turn, and how often the journal was read for it. */
async function started(limit?: number) {
  const memory = memoryJournal();
  const told: HistoryMessage[][] = [];
  let reads = 0;
  const journal: Journal = {
    ...memory,
    tail: (...args) => {
      reads += 1;
      return memory.tail(...args);
    },
  };
  troupe = await createTroupe({
    journal,
    agents: [
      {
        id: 'echo',
        triggers: ['say'],
        run: async (text, { history }) => {
          told.push(await history(limit));
          return text.toUpperCase();
        },
      },
    ],
  });
  const session = troupe.session('s1');
  /** As it must be: everything before the message, from the journal. */
  const expected = async (without: string, most = limit ?? 50) => {
    const entries = (await memory.read(session.key)).map(({ entry }) => entry);
    const past = entries.slice(
      0,
      entries.findIndex(({ event }) => event.content === without),
    );
    return asHistory(
      before(
        past.flatMap((entry) => messagesOf(entry, 'llm')),
        most,
        new Set(),
      ),
    );
  };
  return { session, told, expected, reads: () => reads };
}

test('at every turn the agent is told what the journal says, and the journal is read for it once', async () => {
  const { session, told, expected, reads } = await started();
  for (let n = 1; n <= 60; n += 1) {
    await session.send(`say ${n}`);
    expect(told.at(-1)).toEqual(await expected(`say ${n}`));
  }
  expect(told.at(-1)).toHaveLength(50);
  expect(told.at(-1)![0]).toEqual({ role: 'user', content: 'say 35' });
  expect(reads()).toBe(1);
});

test('what waits to be answered is not told, and what was said meanwhile is told to the next', async () => {
  const { session, told } = await started();
  await session.send('say 1');
  await Promise.all(['say 2', 'say 3', 'say 4'].map((text) => session.send(text)));
  expect(told.map((history) => history.map(({ content }) => content))).toEqual([
    [],
    ['say 1', 'SAY 1'],
    ['say 1', 'SAY 1', 'say 2', 'SAY 2'],
    ['say 1', 'SAY 1', 'say 2', 'say 3', 'SAY 2', 'SAY 3'],
  ]);
});

test('an agent that asks for more than is kept is told all of it', async () => {
  const { session, told, expected } = await started(100);
  for (let n = 1; n <= 70; n += 1) await session.send(`say ${n}`);
  expect(told.at(-1)).toHaveLength(100);
  expect(told.at(-1)).toEqual(await expected('say 70'));
});

test('a session that left memory is read again when it is back', async () => {
  const { session, told, expected, reads } = await started();
  await session.send('say 1');
  troupe!.orchestrator.drop(() => true);
  await session.send('say 2');
  expect(told.at(-1)).toEqual(await expected('say 2'));
  expect(reads()).toBe(2);
});

const said = (n: number, content = 'x'): Entry =>
  ({ n, at: 0, event: { type: 'message', id: `m${n}`, content }, emitted: [] }) as unknown as Entry;

test('an entry that was missed ends what is kept, and one that was read already is not kept twice', () => {
  const recent = new Recent();
  const session = {};
  recent.keep(session, [said(1), said(2)]);
  recent.note(session, said(2));
  expect(recent.of(session)).toMatchObject({ messages: { length: 2 }, whole: true });
  recent.note(session, said(4));
  expect(recent.of(session)).toBeUndefined();
});

test('where there is no room for more, the session that was not asked for longest is forgotten', () => {
  const recent = new Recent(5_000);
  const [a, b, c] = [{}, {}, {}];
  for (const session of [a, b]) recent.keep(session, [said(1, 'x'.repeat(1_500))]);
  recent.of(a);
  recent.keep(c, [said(1, 'x'.repeat(1_500))]);
  expect([a, b, c].map((session) => recent.of(session) !== undefined)).toEqual([true, false, true]);
});
