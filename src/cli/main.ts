// The `troupe` command: one file per subcommand, and errors as one readable line.
import { styleText } from 'node:util';
import { Command, CommanderError } from 'commander';
import type { NatsError } from '../nats/connect.ts';
import { JournalError, Refused } from '../platform/errors.ts';
import { version } from '../platform/version.ts';
import { agents } from './agents.ts';
import { chat } from './chat.ts';
import { check } from './check.ts';
import { dev } from './dev.ts';
import { doctor } from './doctor.ts';
import { encrypt } from './encrypt.ts';
import { fork } from './fork.ts';
import { jobs } from './jobs.ts';
import { permissions } from './permissions.ts';
import { prove } from './prove.ts';
import { replay } from './replay.ts';
import { Complaint } from './service.ts';
import { sessions } from './sessions.ts';
import { start } from './start.ts';
import { supervise } from './supervise.ts';

/** Runs a command line. Errors go to stderr and set the exit code: 1, or 2 for a command line that does not parse. */
export async function run(args: readonly string[]): Promise<void> {
  const program = new Command('troupe')
    .description('An actor-model statechart runtime: every agent and every conversation is a state machine.')
    .version(version)
    .showHelpAfterError();
  for (const command of [
    start,
    dev,
    chat,
    sessions,
    supervise,
    agents,
    jobs,
    replay,
    check,
    fork,
    prove,
    encrypt,
    doctor,
    permissions,
  ])
    program.addCommand(command.exitOverride());
  try {
    await program.exitOverride().parseAsync(args, { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
    else if (!isExpected(error)) throw error;
    else {
      console.error(`${styleText('red', '✗', { stream: process.stderr })} ${error.message} (${error.code})`);
      process.exitCode = 1;
    }
  }
}

/** Errors that a person can act on; any other is a defect and prints its stack. */
const isExpected = (error: unknown): error is Complaint | Refused | JournalError | NatsError =>
  error instanceof Complaint ||
  error instanceof Refused ||
  error instanceof JournalError ||
  // Compared by name, so that a command without NATS does not load its client.
  (error instanceof Error && error.name === 'NatsError');
