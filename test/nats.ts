// Real nats-servers to test with: started on free loopback ports with stores of their own, stopped, killed, restarted.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { greets } from '../src/prove/nats-server.ts';
import { type Binary, natsBinary } from './nats-binaries.ts';

export interface ServerOptions {
  /** The oldest server from 2.9 on unless told: what Troupe asks for on a single server. */
  readonly binary?: Binary;
  readonly jetstream?: boolean;
  /** Limits inside the `jetstream {}` block, e.g. `max_file_store: 1MB`. */
  readonly limits?: string;
  /** Bytes. */
  readonly maxPayload?: number;
  /** More lines of the server's configuration, e.g. `authorization { … }`. */
  readonly config?: string;
}

export interface NatsServer {
  /** `nats://127.0.0.1:<port>`. */
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** Ends the process with a signal and waits until it is gone: SIGKILL unless told. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again, on the same port and store. */
  start(): Promise<void>;
  /** Ends it and removes its store. */
  stop(): Promise<void>;
}

/** Starts one server. Rejects with what the server said when it does not come up. */
export async function startNats(options: ServerOptions = {}): Promise<NatsServer> {
  const [port] = await freePorts(1);
  const server = new Server(port!, options);
  await server.start();
  return server;
}

/** Starts servers that form one JetStream cluster. They are called s1, s2, s3. */
export async function startNatsCluster(options: ServerOptions, size = 3): Promise<NatsServer[]> {
  const ports = await freePorts(size * 2);
  const listeners = ports.slice(size).map((port) => `127.0.0.1:${port}`);
  const servers = listeners.map((listener, i) => {
    const routes = listeners.filter((other) => other !== listener).map((other) => `nats://${other}`);
    const cluster = `server_name: s${i + 1}
      cluster { name: test, listen: "${listener}", routes: ${JSON.stringify(routes)} }`;
    return new Server(ports[i]!, { ...options, jetstream: true, config: `${options.config ?? ''}\n${cluster}` });
  });
  // One after the other: of servers that connect to each other in the same instant one may never hear of the leader.
  for (const server of servers) await server.start();
  return servers;
}

// A test run that is cut short must not leave servers behind.
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

class Server implements NatsServer {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  readonly #binary: string;
  readonly #directory = mkdtempSync(join(tmpdir(), 'nats-'));
  #process: ChildProcess | undefined;

  constructor(port: number, { binary = natsBinary('2.9.0'), jetstream, limits, maxPayload, config }: ServerOptions) {
    if (!binary) throw new Error('there is no nats-server on the path; `npm run pretest` says how to get one');
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
    this.version = binary.version;
    this.#binary = binary.path;
    mkdirSync(join(this.#directory, 'store'));
    const lines = [`listen: "127.0.0.1:${port}"`];
    if (jetstream) lines.push(`jetstream { store_dir: "${join(this.#directory, 'store')}"\n${limits ?? ''} }`);
    if (maxPayload) lines.push(`max_payload: ${maxPayload}`);
    writeFileSync(this.#path('server.conf'), `${lines.join('\n')}\n${config ?? ''}\n`);
  }

  async start(): Promise<void> {
    const log = openSync(this.#path('server.log'), 'a');
    const child = spawn(this.#binary, ['-c', this.#path('server.conf')], { stdio: ['ignore', log, log] });
    this.#process = child;
    running.add(child);
    child.once('exit', () => running.delete(child));
    for (let tries = 0; !(await greets(this.port)); tries++) {
      if (child.exitCode !== null || tries === 500) {
        throw new Error(`nats-server did not start:\n${readFileSync(this.#path('server.log'), 'utf8')}`);
      }
      await sleep(20);
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #path(file: string): string {
    return join(this.#directory, file);
  }
}

async function freePorts(count: number): Promise<number[]> {
  const listeners = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(listeners.map((listener) => once(listener, 'listening')));
  const ports = listeners.map((listener) => (listener.address() as { port: number }).port);
  await Promise.all(listeners.map((listener) => once(listener.close(), 'close')));
  return ports;
}
