// A nats-server for the proof, on a free port with a temporary store; it can be killed and restarted.
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

/** Oldest supported version. */
const OLDEST = '2.9.0';

export class NatsServer implements AsyncDisposable {
  readonly url: string;
  readonly name: string;
  readonly #binary: Binary;
  readonly #port: number;
  readonly #options: readonly string[];
  readonly #store = mkdtempSync(join(tmpdir(), 'troupe-nats-'));
  #child: ChildProcess | undefined;

  /** `options` are further arguments of its command line. */
  constructor(binary: Binary, port: number, name: string, options: readonly string[] = []) {
    this.#binary = binary;
    this.#port = port;
    this.#options = options;
    this.name = name;
    this.url = `nats://127.0.0.1:${port}`;
    process.once('exit', () => this.#child?.kill('SIGKILL'));
  }

  /** Starts a single server. Rejects with `Refused` if there is no nats-server, or it does not start. */
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

  /** Starts or restarts the server on its port and store. Rejects with `Refused` if it does not start. */
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

  /** Sends SIGKILL; resolves when the process is gone. */
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

/** Whether a server listens: NATS servers send the first message. */
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
