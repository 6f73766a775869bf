// How the long tier shares its time, and what it does with a round that fails or never ends.
import { describe, expect, test } from 'vitest';
import { known } from './long/known.ts';
import { play } from './long/play.ts';
import type { Round, Suite } from './long/suite.ts';

/** Suites that note which of their rounds are played. */
function noted(...suites: [name: string, round: (seed: number) => Promise<Round>][]) {
  const order: string[] = [];
  const all = suites.map(
    ([name, round]): Suite => ({
      name,
      patience: 200,
      round: (seed) => {
        order.push(`${name} ${seed}`);
        return round(seed);
      },
    }),
  );
  return { order, all };
}

const counted = async (): Promise<Round> => ({ counts: { things: 2 } });
const options = { seed: 7, rounds: 2, time: 60_000, known: [] };

describe('the long tier', () => {
  test('plays seeds that failed once first, then as many new ones of every suite as it is told, and sums up', async () => {
    const { order, all } = noted(['one', counted], ['two', counted]);
    const old = { suite: 'two', seed: 3, why: 'it was wrong' };
    let rounds = 0;
    const played = await play(all, { ...options, known: [old] }, () => {
      rounds += 1;
    });
    expect(order[0]).toBe('two 3');
    expect(order.slice(1).sort()).toEqual(['one 7', 'one 8', 'two 7', 'two 8']);
    expect(rounds).toBe(5);
    expect(played.map(({ rounds, counts }) => [rounds, counts.get('things')])).toEqual([
      [2, 4],
      [3, 6],
    ]);
  });

  test('gives the next round to the suite that had the least time, and every suite one, however little there is', async () => {
    const slow = () => new Promise<Round>((resolve) => setTimeout(resolve, 50, { counts: {} }));
    const { order, all } = noted(['slow', slow], ['quick', counted]);
    await play(all, options, () => {});
    expect(order).toEqual(['slow 7', 'quick 7', 'quick 8', 'slow 8']);
    order.length = 0;
    await play(all, { ...options, time: 0 }, () => {});
    expect(order).toEqual(['slow 7', 'quick 7']);
  });

  test('counts a round that throws, breaks a promise or hangs as failed, with its seed, and goes on', async () => {
    const { all } = noted(
      ['throws', () => Promise.reject(new Error('no'))],
      ['breaks', async () => ({ counts: { lost: 1 }, failure: 'one is lost' })],
      ['hangs', () => new Promise(() => {})],
    );
    const [throws, breaks, hangs] = await play(all, { ...options, rounds: 1 }, () => {});
    expect(throws!.failures).toEqual([{ seed: 7, why: expect.stringContaining('Error: no') }]);
    expect([breaks!.failures, breaks!.counts.get('lost')]).toEqual([[{ seed: 7, why: 'one is lost' }], 1]);
    expect(hangs!.failures).toEqual([{ seed: 7, why: 'it hangs: no end after 0.2 s' }]);
  });

  test('keeps every seed that failed with its suite and a sentence', () => {
    for (const one of known())
      expect(one).toEqual({ suite: expect.any(String), seed: expect.any(Number), why: expect.stringMatching(/\S/) });
    expect(known().length).toBeGreaterThan(0);
  });
});
