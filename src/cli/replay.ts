// `troupe replay`: runs the stored events of sessions again and compares every snapshot with the stored one.
import { Command } from 'commander';
import { keyName } from '../journal.ts';
import { refold } from '../replay.ts';
import type { AccessOptions } from './access.ts';
import { progress } from './progress.ts';
import { Complaint } from './service.ts';
import { chartOf, inTenant, storedOf, storedOptions } from './stored.ts';

interface ReplayOptions extends AccessOptions {
  readonly all?: true;
  readonly db?: string;
  readonly json?: true;
}

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
      const differing = [];
      let entries = 0;
      for (const key of keys) {
        const lived = await stored.entries(key);
        const { identical, ...more } = refold(lived, chartOf(lived[0]!));
        entries += lived.length;
        if (!identical) differing.push({ tenant: key.tenant, session: key.session, ...more });
        bar.add();
      }
      bar.done();
      if (options.json) console.log(JSON.stringify({ sessions: keys.length, entries, differing }, null, 2));
      else {
        for (const { tenant, session, at, why } of differing as ({ at: number; why: string } & Record<string, any>)[])
          console.log(`✗ ${keyName({ tenant, session })}, entry ${at}: ${why}`);
        const verdict = differing.length === 0 ? 'all identical' : `${differing.length} differ`;
        console.log(`${keys.length} sessions, ${entries} entries: ${verdict}`);
      }
      if (differing.length > 0) process.exitCode = 1;
    } finally {
      await stored.close();
    }
  });
