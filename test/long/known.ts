// Seeds that failed once: they are played first for ever after.
import { readFileSync, writeFileSync } from 'node:fs';

export interface Known {
  readonly suite: string;
  readonly seed: number;
  /** What was wrong, in a sentence. */
  readonly why: string;
}

const FILE = new URL('./seeds.json', import.meta.url);

export const known = (): readonly Known[] => JSON.parse(readFileSync(FILE, 'utf8'));

/** Keeps a seed, unless it is kept already. */
export function keep(failed: Known): void {
  const all = known();
  if (all.some(({ suite, seed }) => suite === failed.suite && seed === failed.seed)) return;
  writeFileSync(FILE, `${JSON.stringify([...all, failed], null, 2)}\n`);
}
