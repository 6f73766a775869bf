// `troupe replay`: replays the stored events of sessions and compares every snapshot with the stored one.
import { Command } from 'commander';
import { type Key, keyName } from '../journal/journal.ts';
import { type Refolding, refold } from '../sessions/replay.ts';
import type { AccessOptions } from './access.ts';
import { progress } from './progress.ts';
import { Complaint } from './service.ts';
import { chartOf, inTenant, isUnreadable, type Stored, storedOf, storedOptions } from './stored.ts';

interface ReplayOptions extends AccessOptions {
  readonly all?: true;
  readonly db?: string;
  readonly json?: true;
}

type Differing = Key & Extract<Refolding, { identical: false }>;

export const replay = storedOptions(new Command('replay'))
  .description('refold stored sessions and compare every snapshot; exits with 1 when one comes out otherwise')
  .argument('[session]', 'the session')
  .option('--all', 'every session')
  .option('--json', 'for programs')
  .action(async (session: string | undefined, options: ReplayOptions) => {
    if ((session === undefined) === (options.all === undefined))
      throw new Complaint('usage', 'name a session, or say --all');
    const stored = await storedOf(options);
    try {
      const keys = options.all ? await stored.keys() : [inTenant(options, session!)];
      const bar = progress('replay', keys.length);
      const differing: Differing[] = [];
      let entries = 0;
      for (const key of keys) {
        const refolding = await refolded(stored, key);
        entries += refolding.entries;
        if (!refolding.identical) differing.push({ ...key, ...refolding });
        bar.add();
      }
      bar.done();
      if (options.json) console.log(JSON.stringify({ sessions: keys.length, entries, differing }, null, 2));
      else print(keys.length, entries, differing);
      if (differing.length > 0) process.exitCode = 1;
    } finally {
      await stored.close();
    }
  });

/** Replays one session. One that cannot be read counts as differing before its first entry. */
async function refolded(stored: Stored, key: Key): Promise<Refolding> {
  try {
    const entries = await stored.entries(key);
    return refold(entries, chartOf(entries[0]!));
  } catch (error) {
    if (isUnreadable(error)) return { identical: false, entries: 0, at: 0, why: error.message };
    throw error;
  }
}

function print(sessions: number, entries: number, differing: readonly Differing[]): void {
  for (const { at, why, ...key } of differing) console.log(`✗ ${keyName(key)}${at > 0 ? `, entry ${at}` : ''}: ${why}`);
  const verdict = differing.length === 0 ? 'all identical' : `${differing.length} differ`;
  console.log(`${sessions} sessions, ${entries} entries: ${verdict}`);
}
