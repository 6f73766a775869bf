// `troupe check`: the gate before an upgrade; judges whether this program's charts can continue every stored session.
import { pathToFileURL } from 'node:url';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { AnyStateMachine } from 'xstate';
import { machines } from '../../machines/index.ts';
import { type Key, keyName } from '../journal/journal.ts';
import { judge } from '../sessions/replay.ts';
import type { AccessOptions } from './access.ts';
import { configured } from './configured.ts';
import { progress } from './progress.ts';
import { Complaint } from './service.ts';
import { chartOf, isUnreadable, type Stored, storedOf, storedOptions } from './stored.ts';

interface CheckOptions extends AccessOptions {
  readonly db?: string;
  readonly machine?: string;
  readonly json?: true;
}

interface Finding extends Key {
  readonly verdict: (typeof VERDICTS)[number];
  readonly why?: string;
}

const VERDICTS = ['identical', 'ended', 'migrates', 'stuck', 'different', 'unreadable'] as const;
const HARMLESS = new Set<Finding['verdict']>(['identical', 'ended', 'migrates']);

export const check = storedOptions(new Command('check'))
  .description('say of every stored session whether the charts go on with it; exits with 1 when some do not')
  .option('--machine <file>', 'check a chart of yours (its default export) instead of the one with the same name')
  .option('--json', 'for programs')
  .action(async (options: CheckOptions) => {
    const changed = options.machine === undefined ? undefined : await chartIn(options.machine);
    const charts = await chartsOf(changed);
    const stored = await storedOf(options);
    try {
      const keys = await stored.keys();
      const bar = progress('check', keys.length);
      const findings: Finding[] = [];
      for (const key of keys) {
        findings.push({ ...key, ...(await examine(stored, key, charts)) });
        bar.add();
      }
      bar.done();
      print(findings, options.json);
    } finally {
      await stored.close();
    }
  });

/** The verdict on one session. A session that cannot be read is a finding too, because the gate covers every session. */
async function examine(
  stored: Stored,
  key: Key,
  charts: readonly AnyStateMachine[],
): Promise<Pick<Finding, 'verdict' | 'why'>> {
  try {
    const entries = await stored.entries(key);
    const chart = chartOf(entries[0]!);
    const { verdict, why } = judge(entries, charts.find(({ id }) => id === chart.id) ?? chart, charts);
    return { verdict, ...(why && { why }) };
  } catch (error) {
    if (isUnreadable(error)) return { verdict: 'unreadable', why: error.message };
    throw error;
  }
}

function print(findings: readonly Finding[], json: boolean | undefined): void {
  const trouble = findings.filter(({ verdict }) => !HARMLESS.has(verdict));
  if (trouble.length > 0) process.exitCode = 1;
  const counts = Object.fromEntries(
    VERDICTS.map((verdict) => [verdict, findings.filter((finding) => finding.verdict === verdict).length]),
  );
  if (json) {
    console.log(JSON.stringify({ sessions: findings.length, ...counts, findings: trouble }, null, 2));
    return;
  }
  for (const { tenant, session, verdict, why } of trouble)
    console.log(`${styleText('red', '✗')} ${keyName({ tenant, session })} ${verdict}: ${why}`);
  const told = Object.entries(counts).filter(([, count]) => count > 0);
  console.log(
    `${findings.length} sessions: ${told.map(([verdict, count]) => `${count} ${verdict}`).join(', ') || 'none'}`,
  );
}

/** The charts that go on with what is stored: the changed one, those of the configured agents, and the runtime's own. */
async function chartsOf(changed: AnyStateMachine | undefined): Promise<AnyStateMachine[]> {
  const { agents = [] } = (await configured()).troupe;
  const own = agents.flatMap((agent) => (agent.kind === 'machine' ? [agent.machine] : []));
  const others = [...own, ...Object.values(machines)].filter(({ id }) => id !== changed?.id);
  return changed ? [changed, ...others] : others;
}

async function chartIn(file: string): Promise<AnyStateMachine> {
  const module = await import(pathToFileURL(file).href).catch((error: Error) => {
    throw new Complaint('bad_machine', `${file} cannot be loaded: ${error.message}`);
  });
  const machine = module.default as AnyStateMachine | undefined;
  if (typeof machine?.getInitialSnapshot === 'function') return machine;
  throw new Complaint('bad_machine', `${file} has no machine as its default export`);
}
