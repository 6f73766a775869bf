// `troupe check`: the gate before an upgrade. May the charts of this program go on with every session that is stored?
import { pathToFileURL } from 'node:url';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { AnyStateMachine } from 'xstate';
import { keyName } from '../journal.ts';
import { judge, type Verdict } from '../replay.ts';
import type { AccessOptions } from './access.ts';
import { progress } from './progress.ts';
import { Complaint } from './service.ts';
import { chartOf, storedOf, storedOptions } from './stored.ts';

interface CheckOptions extends AccessOptions {
  readonly db?: string;
  readonly machine?: string;
  readonly json?: true;
}

interface Finding extends Pick<Verdict, 'verdict' | 'why' | 'machine'> {
  readonly tenant: string;
  readonly session: string;
}

const HARMLESS = new Set<Verdict['verdict']>(['identical', 'ended']);

export const check = storedOptions(new Command('check'))
  .description('say of every stored session whether the charts go on with it; exits with 1 when some do not')
  .option('--machine <file>', 'check a chart of yours (its default export) instead of the one with the same name')
  .option('--json', 'for programs')
  .action(async (options: CheckOptions) => {
    const changed = options.machine === undefined ? undefined : await chartIn(options.machine);
    const stored = await storedOf(options);
    try {
      const keys = await stored.keys();
      const bar = progress('check', keys.length);
      const findings: Finding[] = [];
      for (const { tenant, session } of keys) {
        const entries = await stored.entries({ tenant, session });
        const chart = chartOf(entries[0]!);
        const { verdict, why, machine } = judge(entries, changed?.id === chart.id ? changed : chart);
        findings.push({ tenant, session, verdict, machine, ...(why && { why }) });
        bar.add();
      }
      bar.done();
      tell(findings, options.json);
    } finally {
      await stored.close();
    }
  });

function tell(findings: readonly Finding[], json: boolean | undefined): void {
  const trouble = findings.filter(({ verdict }) => !HARMLESS.has(verdict));
  if (trouble.length > 0) process.exitCode = 1;
  const counts = Object.fromEntries(
    (['identical', 'ended', 'migrate', 'stuck', 'different'] as const).map((verdict) => [
      verdict,
      findings.filter((finding) => finding.verdict === verdict).length,
    ]),
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

async function chartIn(file: string): Promise<AnyStateMachine> {
  const module = await import(pathToFileURL(file).href).catch((error: Error) => {
    throw new Complaint('bad_machine', `${file} cannot be loaded: ${error.message}`);
  });
  const machine = module.default as AnyStateMachine | undefined;
  if (typeof machine?.getInitialSnapshot === 'function') return machine;
  throw new Complaint('bad_machine', `${file} has no machine as its default export`);
}
