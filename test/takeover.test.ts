// The fence: once a takeover is acknowledged, not one more word of the AI reaches anybody.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { feed } from '../src/feed.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import type { Journal } from '../src/journal.ts';
import { createTroupe } from '../src/troupe.ts';

const WORDS = 40;

/** Every place at which anybody could hear the AI, and what was heard there before and after the acknowledgement. */
interface Heard {
  before: number;
  readonly after: string[];
}

const ticks = async (count: number): Promise<void> => {
  for (let tick = 0; tick < count; tick += 1) await null;
};

/** Streams without looking at its signal, word after word, then answers all the same: the worst agent there is. */
async function* deaf(pace: () => Promise<void>): AsyncGenerator<string> {
  for (let word = 0; word < WORDS; word += 1) {
    yield `word-${word} `;
    await pace();
  }
}

async function takeOverAfter(wait: () => Promise<void>, pace: () => Promise<void>, journal: Journal) {
  let acknowledged = false;
  const places: Record<string, Heard> = {};
  const hear = (place: string, text: string): void => {
    places[place] ??= { before: 0, after: [] };
    const heard = places[place];
    if (acknowledged) heard.after.push(text);
    else heard.before += 1;
  };
  const started = Promise.withResolvers<void>();
  const finished = Promise.withResolvers<void>();
  const troupe = await createTroupe({
    journal,
    agents: [
      {
        id: 'deaf',
        async run(_, { part }) {
          started.resolve();
          for await (const word of deaf(pace)) part(word);
          finished.resolve();
          return 'the late answer';
        },
      },
    ],
  });
  const session = troupe.session('s1');
  const stop = new AbortController();
  troupe.orchestrator.listen(session.key, ({ text }) => hear('listener', text));
  const { journal: remembered } = troupe;
  remembered.follow(session.key, (_, { entry }) => {
    if (entry.emitted.some(({ type }) => type === 'agent_invoke_done')) hear('journal', 'the late answer');
  });
  const reading = (async () => {
    for await (const item of feed(troupe.orchestrator, session.key, { signal: stop.signal }))
      if (item.type === 'part') hear('feed', item.part.text);
  })();
  // Someone who does not read until it is all over gets what is left then, and that must not be a word of the AI.
  const slow = feed(troupe.orchestrator, session.key, { signal: stop.signal });
  const first = slow.next();
  const sent = session.send('go', { agent_id: 'deaf' });
  await started.promise;
  await wait();
  const state = await session.takeOver({ by: 'ann' });
  acknowledged = true;
  const outcome = await sent;
  await finished.promise;
  await new Promise((resolve) => setImmediate(resolve));
  stop.abort();
  await first;
  for await (const item of slow) if (item.type === 'part') hear('slow feed', item.part.text);
  await reading;
  const entries = (await journal.read(session.key)).map(({ entry }) => entry);
  await troupe.close();
  const spoken = entries.some(({ emitted }) => emitted.some(({ type }) => type === 'agent_invoke_done'));
  return { state, outcome, places, entries, spoken, dropped: troupe.orchestrator.counts.dropped };
}

function check({ state, outcome, places, spoken, dropped }: Awaited<ReturnType<typeof takeOverAfter>>, where: string) {
  expect(state.control, where).toBe('human');
  for (const [place, { after }] of Object.entries(places)) expect(after, `${where}, heard by ${place}`).toEqual([]);
  // Either the answer came first and stands, or it came too late and was dropped.
  expect(outcome.status, where).toBe(spoken ? 'done' : 'suspended');
  expect(dropped, where).toBe(spoken ? 0 : 1);
}

describe('a takeover in the middle of a streaming answer', () => {
  for (const [name, make] of [
    ['memory', async () => ({ journal: memoryJournal(), clean: async () => {} })],
    [
      'sqlite',
      async () => {
        const folder = await mkdtemp(join(tmpdir(), 'troupe-'));
        return {
          journal: sqliteJournal({ path: join(folder, 'troupe.db') }),
          clean: () => rm(folder, { recursive: true }),
        };
      },
    ],
  ] as const) {
    it(`ends it for every listener, whichever tick it is acknowledged at (${name})`, async () => {
      let cut = 0;
      let most = 0;
      // One word every three ticks, and a takeover after each tick from before the first word to after the answer.
      for (let tick = 0; tick < 8 * WORDS; tick += 1) {
        const { journal, clean } = await make();
        const played = await takeOverAfter(
          () => ticks(tick),
          () => ticks(3),
          journal,
        );
        check(played, `tick ${tick}`);
        if (!played.spoken) cut += 1;
        most = Math.max(most, played.places.listener?.before ?? 0);
        await clean();
      }
      console.log(`${name}: ${cut} answers cut off, after up to ${most} words; 0 words after the acknowledgement`);
      expect(most).toBe(WORDS);
      expect(cut).toBeGreaterThan(WORDS);
      expect(cut).toBeLessThan(8 * WORDS);
    });

    it(`ends it between any two words of a slow answer (${name})`, async () => {
      const breath = () => new Promise<void>((resolve) => setImmediate(resolve));
      for (let word = 0; word < WORDS; word += 3) {
        const { journal, clean } = await make();
        const wait = async () => {
          for (let breaths = 0; breaths <= word; breaths += 1) await breath();
        };
        check(await takeOverAfter(wait, breath, journal), `word ${word}`);
        await clean();
      }
    });
  }
});
