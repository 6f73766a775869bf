// A nats-server of the proof's own: on a free port, with a store that goes with it; it can be killed and started again.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Refused } from '../platform/errors.ts';
import { type Binary, neededServer } from './nats-binaries.ts';
import { freePort } from './ports.ts';

/** The oldest that is used at all. */
const OLDEST = '2.9.0';

export class NatsServer implements AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly #binary: Binary;
  readonly #port: number;
  readonly #options: readonly string[];
  readonly #store = mkdtempSync(join(tmpdir(), 'troupe-nats-'));
  #child: ChildProcess | undefined;

  /** `options` are more words of its command line. */
  constructor(binary: Binary, port: number, name: string, options: readonly string[] = []) {
    this.#binary = binary;
    this.#port = port;
    this.#options = options;
    this.name = name;
    this.url = `nats://127.0.0.1:${port}`;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  /** Starts one that is alone. Rejects with `Refused` when there is no nats-server, or it does not come up. */
  static async start(): Promise<NatsServer> {
    const server = new NatsServer(neededServer(OLDEST, 'these nodes'), await freePort(), 's1');
    try {
      await server.start();
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    return server;
  }

  /** Starts it, for the first time or again, on the same port and store. Rejects with `Refused` when it does not come up. */
  async start(): Promise<void> {
    const own = ['-a', '127.0.0.1', '-p', `${this.#port}`, '-n', this.name, '-js', '-sd', this.#store];
    const child = spawn(this.#binary.path, [...own, ...this.#options], { stdio: 'ignore' });
    this.#child = child;
    for (let tries = 0; !(await greets(this.#port)); tries += 1) {
      if (tries === 250 || child.exitCode !== null)
        throw new Refused('no_nats_server', `${this.#binary.path} does not come up`, 503);
      await pause(20);
    }
  }

  /** `kill -9`; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
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
