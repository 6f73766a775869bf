// Whole conversations through the running service: each turn reaches the agent of its service, and nothing is lost by kill -9.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readDialogues } from '../scripts/dialogues/recorded.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const SCRIPT = at('../scripts/replay-dialogues.ts');
const invented = at('data/dialogues.jsonl');
const recorded = at('../../shared/data/dialogues.jsonl');

/** What `npm run replay:dialogues -- FILE --json` says; rejects when it exits with anything but 0. */
async function played(file: string): Promise<any> {
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, file, '--json']);
  return JSON.parse(stdout);
}

test('invented conversations, with words that several services share, read back as they were written', async () => {
  const { routed, ...result } = await played(invented);
  expect(result).toMatchObject({
    conversations: 8,
    turns: 23,
    wrong_turns: 0,
    wrong_transcripts: { before_kill: 0, after_kill: 0 },
  });
  // "Yes, please." and "No, that is all." are said to several services.
  expect(routed).toContainEqual({ by: 'what it replies to', confidence: 1, turns: 10 });
});

test.skipIf(!existsSync(recorded))(
  'recorded conversations read back as the file has them (skipped where there is no ../shared/data/dialogues.jsonl)',
  async () => {
    const dialogues = readDialogues(recorded);
    expect(await played(recorded)).toMatchObject({
      conversations: dialogues.length,
      turns: dialogues.reduce((sum, { exchanges }) => sum + exchanges.length, 0),
      wrong_turns: 0,
      wrong_transcripts: { before_kill: 0, after_kill: 0 },
    });
  },
);

test('a file that is no recording is refused with the line that is wrong', () => {
  expect(() => readDialogues(SCRIPT)).toThrow('replay-dialogues.ts, line 1:');
});
