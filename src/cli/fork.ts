// `troupe fork`: copies a session up to an entry into a new session, directly in the database.
import { Command } from 'commander';
import { token } from '../../machines/session/events.ts';
import { Conflict } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import { fork as forked } from '../sessions/fork.ts';
import type { AccessOptions } from './access.ts';
import { Complaint } from './service.ts';
import { chartOf, databaseOf, inTenant, openDatabase } from './stored.ts';

interface ForkOptions extends Pick<AccessOptions, 'tenant'> {
  readonly at?: string;
  readonly as: string;
  readonly db?: string;
}

export const fork = new Command('fork')
  .description('let a session live on from one of its entries under another id (while the service is down)')
  .argument('<session>', 'the session')
  .option('--at <n>', 'the last entry to keep; the last one unless told')
  .requiredOption('--as <session>', 'the new session')
  .option('--db <path>', 'the database; the configured one unless told')
  .option('--tenant <tenant>', 'whose session')
  .action(async (session: string, options: ForkOptions) => {
    const as = inTenant(options, parse(token, options.as, '--as'));
    const journal = openDatabase(await databaseOf(options));
    try {
      const n = options.at === undefined ? undefined : Number(options.at);
      const stored = await journal.read(inTenant(options, session), 1, n);
      const entries = stored.map(({ entry }) => entry);
      if (entries.length === 0) throw new Complaint('unknown_session', `there is no session "${session}"`);
      if (n !== undefined && entries.length !== n)
        throw new Complaint('unknown_entry', `session "${session}" has ${entries.length} entries, not ${options.at}`);
      let version = 0;
      for (const entry of forked(entries, chartOf(entries[0]!), as.session, Date.now()))
        version = await journal.append(as, version, entry);
      console.log(`${options.as} has lived the first ${entries.length} entries of ${session}.`);
    } catch (error) {
      if (!(error instanceof Conflict)) throw error;
      throw new Complaint('session_exists', `there is a session "${options.as}" already`);
    } finally {
      await journal.close();
    }
  });
