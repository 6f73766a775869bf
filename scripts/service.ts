// The service as a process of its own: started on a free port, killed without a warning, started again at the same place.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface ServiceOptions {
  /** The configuration file; nothing but the defaults unless told. */
  readonly config?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const COMMAND = fileURLToPath(new URL('../bin/troupe.js', import.meta.url));
const READY = /^Troupe listens at (\S+)$/m;

/** Its database lies in a folder of its own, which goes with it. */
export class ServiceProcess implements AsyncDisposable {
  readonly folder: string;
  readonly #options: ServiceOptions;
  #child: ChildProcess | undefined;
  #url = '';

  private constructor(folder: string, options: ServiceOptions) {
    this.folder = folder;
    this.#options = options;
  }

  /** Resolves when it listens. Rejects with what it said when it ended instead. */
  static async start(options: ServiceOptions = {}): Promise<ServiceProcess> {
    const service = new ServiceProcess(await mkdtemp(join(tmpdir(), 'troupe-')), options);
    try {
      await service.start();
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
    return service;
  }

  get url(): string {
    return this.#url;
  }

  get database(): string {
    return join(this.folder, 'troupe.db');
  }

  /** Starts it again where it was. */
  async start(): Promise<void> {
    const port = this.#url === '' ? '0' : new URL(this.#url).port;
    const { config, env } = this.#options;
    const args = ['start', '--port', port, '--db', this.database, ...(config ? ['--config', config] : [])];
    const child = spawn(process.execPath, [COMMAND, ...args], {
      cwd: this.folder,
      env: { ...process.env, LOG_LEVEL: 'warn', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#url = await new Promise<string>((resolve, reject) => {
      let said = '';
      const hear = (chunk: Buffer): void => {
        said += chunk;
        const url = READY.exec(said)?.[1];
        if (url) resolve(url);
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => reject(new Error(`the service ended with ${code}:\n${said}`)));
    });
  }

  /** Ends it in the middle of whatever it does: `kill -9`. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Asks it to end. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}
