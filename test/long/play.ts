// Plays rounds of suites: seeds that failed once come first, then the suite that has had the least time goes on.
import { setTimeout as pause } from 'node:timers/promises';
import type { Known } from './known.ts';
import type { Round, Suite } from './suite.ts';

export interface PlayOptions {
  /** The first new round of every suite has this seed, the next the one after it. */
  readonly seed: number;
  /** No round begins after so many ms. */
  readonly time: number;
  /** New rounds of every suite. */
  readonly rounds: number;
  readonly known: readonly Known[];
}

export interface Played {
  readonly suite: Suite;
  /** ms */
  spent: number;
  rounds: number;
  readonly counts: Map<string, number>;
  readonly failures: { readonly seed: number; readonly why: string }[];
}

/** `after` is called after every round. */
export async function play(
  suites: readonly Suite[],
  { seed, time, rounds, known }: PlayOptions,
  after: (played: Played) => void,
): Promise<readonly Played[]> {
  const all = suites.map((suite) => ({ suite, spent: 0, rounds: 0, counts: new Map(), failures: [] }) as Played);
  const drawn = new Map<Played, number>();
  const began = performance.now();
  const round = async (played: Played, seed: number) => {
    const start = performance.now();
    const { counts, failure } = await bounded(played.suite, seed);
    played.spent += performance.now() - start;
    played.rounds += 1;
    for (const [name, count] of Object.entries(counts)) played.counts.set(name, (played.counts.get(name) ?? 0) + count);
    if (failure !== undefined) played.failures.push({ seed, why: failure });
    after(played);
  };
  for (const { suite, seed } of known) {
    const played = all.find(({ suite: { name } }) => name === suite);
    if (played) await round(played, seed);
  }
  for (;;) {
    const open = all.filter((played) => (drawn.get(played) ?? 0) < rounds);
    const [next] = open.sort((a, b) => a.spent - b.spent);
    // However little time there is, every suite is played once.
    if (!next || (performance.now() - began > time && next.rounds > 0)) return all;
    const count = drawn.get(next) ?? 0;
    drawn.set(next, count + 1);
    await round(next, seed + count);
  }
}

/** A round fails as well when it does not come to its end, or when an error is thrown that nothing of it waits for. */
async function bounded({ patience, round }: Suite, seed: number): Promise<Round> {
  const stop = new AbortController();
  const uncaught = Promise.withResolvers<Round>();
  const hear = (error: Error) => uncaught.resolve(failed(error));
  process.on('uncaughtException', hear);
  const late = pause(patience, { counts: {}, failure: `it hangs: no end after ${patience / 1_000} s` }, stop);
  const failed = (error: Error): Round => ({ counts: {}, failure: error.stack ?? error.message });
  try {
    return await Promise.race([round(seed).catch(failed), late, uncaught.promise]);
  } finally {
    process.off('uncaughtException', hear);
    stop.abort();
    late.catch(() => {});
  }
}
