// `troupe dev`: the service with a readable log, restarted whenever one of its files changes.
import { spawn } from 'node:child_process';
import { Command } from 'commander';
import { type ConfigOptions, configOptions } from './configured.ts';

export const dev = configOptions(new Command('dev'))
  .description('run the service, and start it again whenever a file of it changes')
  .action(async (options: ConfigOptions) => {
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value as string]);
    const command = process.argv[1]!;
    const watching = ['--watch', '--watch-preserve-output', command, 'start', '--pretty', ...args];
    const child = spawn(process.execPath, watching, { stdio: 'inherit' });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
    process.exitCode = await new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? 0)));
  });
