// A nats-server of the proof's own: found where a shell looks, started on a free port with a store that goes with it.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Refused } from '../errors.ts';
import { freePort } from './ports.ts';

/** The program, on the path or where Debian puts it; `NATS_SERVER` goes before. */
export function natsServerPath(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const folders = [...(env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  return [env.NATS_SERVER, ...folders.map((folder) => join(folder, 'nats-server'))].find(isExecutable);
}

export class NatsServer implements AsyncDisposable {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #store: string;

  private constructor(url: string, child: ChildProcess, store: string) {
    this.url = url;
    this.#child = child;
    this.#store = store;
  }

  /** Rejects with `Refused` when there is no nats-server, or it does not come up. */
  static async start(): Promise<NatsServer> {
    const path = natsServerPath();
    if (!path)
      throw new Refused(
        'no_nats_server',
        'there is no nats-server on the path; install it (Debian: apt-get install nats-server), or say where it is with NATS_SERVER',
        503,
      );
    const port = await freePort();
    const store = mkdtempSync(join(tmpdir(), 'troupe-nats-'));
    const child = spawn(path, ['-a', '127.0.0.1', '-p', `${port}`, '-js', '-sd', store], { stdio: 'ignore' });
    const server = new NatsServer(`nats://127.0.0.1:${port}`, child, store);
    process.once('exit', () => child.kill('SIGKILL'));
    for (let tries = 0; !(await greets(port)); tries += 1) {
      if (tries === 250 || child.exitCode !== null) {
        await server[Symbol.asyncDispose]();
        throw new Refused('no_nats_server', `${path} does not come up`, 503);
      }
      await pause(20);
    }
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#store, { recursive: true, force: true });
  }
}

/** A NATS server speaks first. */
export function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const done = (greeted: boolean) => {
      socket.destroy();
      resolve(greeted);
    };
    socket.once('data', () => done(true));
    socket.once('error', () => done(false));
  });
}

function isExecutable(path: string | undefined): path is string {
  try {
    accessSync(path!, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
