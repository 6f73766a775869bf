// Takeovers at a drawn tick of answers of a drawn length and pace.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryJournal } from '../../src/journal/memory.ts';
import { sqliteJournal } from '../../src/journal/sqlite.ts';
import { type Random, random } from '../random.ts';
import { check, takeOverAfter, ticks } from '../takeover.ts';
import type { Suite } from './suite.ts';

const TAKEOVERS = 20;
const breath = () => new Promise<void>((resolve) => setImmediate(resolve));

export const takeovers: Suite = {
  name: 'takeover',
  patience: 60_000,
  async round(seed) {
    const chance = random(seed);
    const folder = await mkdtemp(join(tmpdir(), 'troupe-'));
    const counts = { takeovers: 0, 'cut off': 0, 'words before': 0, 'words after': 0 };
    try {
      for (let index = 0; index < TAKEOVERS; index += 1) {
        const { where, taken } = await takeOver(chance, join(folder, `${index}.db`));
        check(taken, `seed ${seed}, takeover ${index}: ${where}`);
        counts.takeovers += 1;
        counts['cut off'] += taken.spoken ? 0 : 1;
        counts['words before'] += taken.places.listener?.before ?? 0;
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    return { counts };
  },
};

async function takeOver(chance: Random, path: string) {
  const words = 1 + chance.below(60);
  // After each word the agent lets other things happen, a little or everything that can.
  const between = chance.below(6);
  const pace = between === 5 ? breath : () => ticks(between);
  const tick = chance.below((words + 2) * (2 * between + 3));
  const slow = chance.below(4) === 0;
  const journal = chance.below(2) === 0 ? memoryJournal() : sqliteJournal({ path });
  const wait = async () => {
    await ticks(tick);
    for (let left = slow ? chance.below(words) : 0; left > 0; left -= 1) await breath();
  };
  const taken = await takeOverAfter(wait, { words, pace }, journal);
  return { where: JSON.stringify({ words, between, tick, slow }), taken };
}
