// A takeover at a given moment of an answer by the worst agent there is, and all places where that answer could still be heard.
import assert from 'node:assert/strict';
import type { Journal } from '../src/journal/journal.ts';
import { feed } from '../src/sessions/feed.ts';
import { createTroupe } from '../src/troupe.ts';

/** Every place at which anybody could hear the AI, and what was heard there before and after the acknowledgement. */
interface Heard {
  before: number;
  readonly after: string[];
}

export const ticks = async (count: number): Promise<void> => {
  for (let tick = 0; tick < count; tick += 1) await null;
};

/** Streams without looking at its signal, word after word, then answers all the same: the worst agent there is. */
async function* deaf(words: number, pace: () => Promise<void>): AsyncGenerator<string> {
  for (let word = 0; word < words; word += 1) {
    yield `word-${word} `;
    await pace();
  }
}

export interface Answer {
  readonly words: number;
  /** What the agent awaits after each word. */
  readonly pace: () => Promise<void>;
}

/** A takeover in the middle of an answer, `wait` after the agent has begun; everything that is heard of it, and where. */
export async function takeOverAfter(wait: () => Promise<void>, { words, pace }: Answer, journal: Journal) {
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
          for await (const word of deaf(words, pace)) part(word);
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

type Taken = Awaited<ReturnType<typeof takeOverAfter>>;

/** Throws when a word was heard after the acknowledgement. */
export function check({ state, outcome, places, spoken, dropped }: Taken, where: string): void {
  assert.equal(state.control, 'human', where);
  for (const [place, { after }] of Object.entries(places)) assert.deepEqual(after, [], `${where}, heard by ${place}`);
  // Either the answer came first and stands, or it came too late and was dropped.
  assert.equal(outcome.status, spoken ? 'done' : 'suspended', where);
  assert.equal(dropped, spoken ? 0 : 1, where);
}
