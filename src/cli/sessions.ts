// `troupe sessions`: lists the sessions and the state of each.
import { Command } from 'commander';
import type { Asks } from '../../actors/view.ts';
import { type AccessOptions, accessOptions, serviceOf } from './access.ts';
import { ago, table } from './table.ts';

interface Page {
  readonly sessions: readonly {
    readonly session_id: string;
    readonly control: string;
    readonly turn: string | null;
    readonly entry: number;
    readonly updated_at: number;
    /** The question that the session waits for an answer to. */
    readonly asks?: Asks;
  }[];
  readonly next_cursor?: string;
}

interface SessionsOptions extends AccessOptions {
  readonly state?: string;
  readonly limit: string;
  readonly json?: true;
}

export const sessions = accessOptions(new Command('sessions'))
  .description('list the sessions')
  .option('--state <state>', 'only those in this state, such as human or running.attempting')
  .option('--limit <count>', 'at most so many', '100')
  .option('--json', 'for programs')
  .action(async ({ state, limit, json, ...access }: SessionsOptions) => {
    const query = new URLSearchParams({ limit, ...(state && { state }) });
    const { sessions, next_cursor } = await (await serviceOf(access)).get<Page>(`/v1/sessions?${query}`);
    if (json) {
      console.log(JSON.stringify(sessions, null, 2));
      return;
    }
    if (sessions.length === 0) {
      console.log(state ? `No session is ${state}.` : 'No session yet.');
      return;
    }
    const isAsking = sessions.some(({ asks }) => asks);
    const rows = sessions.map(({ session_id, control, turn, entry, updated_at, asks }) => {
      return [session_id, control, turn, entry, `${ago(updated_at)} ago`, ...(isAsking ? [asked(asks)] : [])];
    });
    console.log(table(['SESSION', 'CONTROL', 'TURN', 'ENTRIES', 'LAST', ...(isAsking ? ['ASKS'] : [])], rows));
    if (next_cursor) console.log(`… and more; --limit shows up to 1000, --state narrows.`);
  });

const asked = (asks: Asks | undefined): string => {
  if (!asks) return '';
  return asks.kind === 'approval' ? asks.summary : `the tool ${asks.name}`;
};
