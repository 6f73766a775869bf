// `troupe doctor`: checks Node, the configuration, the agents, the database and the port before the service is started.
import { accessSync, constants, existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { styleText } from 'node:util';
import { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { sqliteJournal } from '../journal/sqlite.ts';
import { JournalError } from '../platform/errors.ts';
import { createTroupe } from '../troupe.ts';
import { urlOf } from './access.ts';
import { type ConfigOptions, configOptions, configured } from './configured.ts';

interface Finding {
  readonly name: string;
  readonly well: boolean;
  readonly told: string;
}

export const doctor = configOptions(new Command('doctor'))
  .description('check Node, the configuration, the agents, the database and the port')
  .option('--json', 'for programs')
  .action(async ({ json, ...options }: ConfigOptions & { json?: true }) => {
    const findings = await examine(options);
    if (json) console.log(JSON.stringify(findings, null, 2));
    else
      for (const { name, well, told } of findings)
        console.log(`${well ? styleText('green', '✓') : styleText('red', '✗')} ${name.padEnd(14)} ${told}`);
    if (findings.some(({ well }) => !well)) process.exitCode = 1;
  });

async function examine(options: ConfigOptions): Promise<Finding[]> {
  const node = finding('node', async () => `${process.version} at ${process.execPath}`);
  let config: Config | undefined;
  const configuration = await finding('configuration', async () => {
    config = await configured(options);
    return config.file ?? 'no file here; the front desk of the examples stands in';
  });
  if (!config) return [await node, configuration];
  const { host, port, database, troupe } = config;
  const agents = await finding('agents', async () => {
    await (await createTroupe(troupe)).close();
    return (troupe.agents ?? []).map(({ id }) => id).join(', ') || 'none declared; they may be registered over HTTP';
  });
  const url = urlOf(host, port);
  if (await isServed(url)) {
    const running = { well: true, told: `in use by the service at ${url}` };
    return [await node, configuration, agents, { name: 'database', ...running }, { name: 'port', ...running }];
  }
  return [
    await node,
    configuration,
    agents,
    await finding('database', () => checkDatabase(database)),
    await finding('port', () => checkPort(host, port)),
  ];
}

async function finding(name: string, check: () => Promise<string>): Promise<Finding> {
  try {
    return { name, well: true, told: await check() };
  } catch (error) {
    return { name, well: false, told: (error as Error).message };
  }
}

const isServed = (url: string): Promise<boolean> =>
  fetch(`${url}/health`, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => 'state' in ((await response.json()) as object),
    () => false,
  );

/** Checks that the database can be opened, without creating a file. */
async function checkDatabase(database: Config['database']): Promise<string> {
  if (database.kind === 'memory') return 'in memory: sessions end with the process';
  const { path } = database;
  if (existsSync(path)) {
    const journal = sqliteJournal({ path });
    const sessions = [...(await journal.census()).values()].reduce((sum, count) => sum + count, 0);
    await journal.close();
    return `${path} is well; ${sessions} sessions`;
  }
  let folder = dirname(path);
  while (!existsSync(folder)) folder = dirname(folder);
  try {
    accessSync(folder, constants.W_OK);
  } catch {
    throw new JournalError('journal_unwritable', `${path} cannot be made: ${folder} may not be written`);
  }
  return `${path} will be made at the first start`;
}

function checkPort(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', ({ code }: NodeJS.ErrnoException) => {
      const taken = `${port} is in use by another program; choose another with --port or HTTP_PORT`;
      reject(new Error(code === 'EADDRINUSE' ? taken : `${host}:${port} cannot be listened at (${code})`));
    });
    server.listen(port, host, () => server.close(() => resolve(port === 0 ? 'any free one' : `${port} is free`)));
  });
}
