// The `troupe` command as a process, as a person at a terminal or a script would run it.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const COMMAND = fileURLToPath(new URL('../bin/troupe.js', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that goes on running; `said` grows. */
export class Running {
  stdout = '';
  stderr = '';
  readonly child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown>;

  constructor(args: readonly string[], { cwd, env }: RunOptions = {}) {
    const environment = { ...process.env, NO_COLOR: '1', USER: 'tester', ...env };
    this.child = spawn(process.execPath, [COMMAND, ...args], { cwd, env: environment });
    this.child.stdout.on('data', (chunk) => {
      this.stdout += chunk;
    });
    this.child.stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    this.#ended = once(this.child, 'close');
    // Also when the test failed before it came to its end.
    onTestFinished(() => void this.child.kill());
  }

  type(line: string): void {
    this.child.stdin.write(`${line}\n`);
  }

  /** Ends the input; resolves when the command has ended. */
  async end(): Promise<Ran> {
    this.child.stdin.end();
    await this.#ended;
    return { code: this.child.exitCode, stdout: this.stdout, stderr: this.stderr };
  }
}

/** Runs a command to its end, with these lines as its input. */
export function troupe(args: readonly string[], lines: readonly string[] = [], options: RunOptions = {}): Promise<Ran> {
  const running = new Running(args, options);
  for (const line of lines) running.type(line);
  return running.end();
}
