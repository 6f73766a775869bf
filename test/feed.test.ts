// What a listener is given, where its own pace matters: no gap before it is told to come back, no word that was taken back.
import { expect, onTestFinished, test } from 'vitest';
import type { Performer } from '../actors/performer.ts';
import { memoryJournal } from '../src/journal/memory.ts';
import { type FeedItem, feed, Overrun } from '../src/sessions/feed.ts';
import { createTroupe, type TroupeOptions } from '../src/troupe.ts';

async function open(options: TroupeOptions) {
  const troupe = await createTroupe(options);
  onTestFinished(() => troupe.close());
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const session = troupe.session('s1');
  return {
    troupe,
    session,
    listen: (more = {}) => feed(troupe.orchestrator, session.key, { signal: stop.signal, ...more }),
  };
}

const echo = { id: 'echo', run: (text: string) => `you said ${text}` };

test('a listener that overran gets what waits for it, then is told to come back: nothing behind a gap', async () => {
  const { session, listen } = await open({ agents: [echo] });
  await session.send('zero', { agent_id: 'echo' });
  const items = listen({ buffer: 3 });
  const got: number[] = [];
  const next = async () => {
    const { value } = await items.next();
    got.push((value as Extract<FeedItem, { type: 'entry' }>).entry.n);
  };
  await next();
  await next();
  const third = next();
  // The listener takes one item from time to time while more come than it has room for.
  for (let i = 0; i < 4; i++) await session.send(`${i}`, { agent_id: 'echo' });
  await third;
  await next();
  await session.send('more', { agent_id: 'echo' });
  await expect(
    (async () => {
      for (;;) await next();
    })(),
  ).rejects.toThrow(Overrun);
  expect(got).toEqual(got.map((_, index) => index + 1));
  expect(got.length).toBeLessThan(10);
});

test('who joins while the floor is being taken gets nothing of the answer that this ends', async () => {
  const memory = memoryJournal();
  // Reading the past takes a while, and the takeover comes in between.
  let during: (() => Promise<unknown>) | undefined;
  const journal = {
    ...memory,
    read: async (...args: Parameters<typeof memory.read>) => {
      const entries = await memory.read(...args);
      const act = during;
      during = undefined;
      await act?.();
      return entries;
    },
  };
  const { troupe, session, listen } = await open({ journal });
  // It never looks at its signal.
  const perform: Performer = (_, { part }) => {
    part('a word that is taken back');
    return new Promise(() => {});
  };
  const talking = { id: 'talking', run: () => '' };
  troupe.pool.register('*', talking, { endpoints: [{ id: 'deaf', perform }] });
  void session.send('go', { agent_id: 'talking' }).catch(() => {});
  await expect.poll(async () => (await session.state()).turn).toBe('running.attempting');
  during = () => session.takeOver({ by: 'ann' });
  const items = listen();
  const got: FeedItem[] = [];
  for await (const item of items) {
    got.push(item);
    if (item.type === 'entry' && item.entry.n === 2) break;
  }
  expect(got.map(({ type }) => type)).toEqual(['entry', 'entry']);
});
