// The fence: once a takeover is acknowledged, not one more word of the AI reaches anybody.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryJournal } from '../src/journal/memory.ts';
import { sqliteJournal } from '../src/journal/sqlite.ts';
import { check, takeOverAfter, ticks } from './takeover.ts';

const WORDS = 40;

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
        const played = await takeOverAfter(() => ticks(tick), { words: WORDS, pace: () => ticks(3) }, journal);
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
        check(await takeOverAfter(wait, { words: WORDS, pace: breath }, journal), `word ${word}`);
        await clean();
      }
    });
  }
});
