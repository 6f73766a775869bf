// The nodes of the proof: processes that are killed, frozen, upgraded and restarted on the same port.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Refused } from '../platform/errors.ts';
import type { Report } from './node.ts';
import { freePort } from './ports.ts';

const PROGRAM = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './node.ts' : './node.js', import.meta.url));
/** Time within which a process reports that it listens, ms. */
const TIMEOUT = 30_000;
/** Longer than a node takes to hand over its sessions and end its last requests, ms. */
const LEAVING = 60_000;

export class Node {
  readonly url: string;
  readonly #nats: string;
  readonly #replicas: number;
  /** Path of the older version's program, until the upgrade. */
  #older: string | undefined;
  readonly #name: string;
  readonly #onReport: (node: Node, report: Report) => void;
  /** The sessions whose answers this node is streaming, by idempotency key of the call. */
  readonly working = new Map<string, string>();
  #child: ChildProcess | undefined;
  #lives = 0;

  constructor(
    nats: string,
    name: string,
    port: number,
    hear: (node: Node, report: Report) => void,
    { replicas = 1, program }: NodesOptions,
  ) {
    this.#nats = nats;
    this.#replicas = replicas;
    this.#older = program;
    this.#name = name;
    this.url = `http://127.0.0.1:${port}`;
    this.#onReport = hear;
  }

  get name(): string {
    return this.#name;
  }

  /** Whether the node runs the older version's code. */
  get isOld(): boolean {
    return this.#older !== undefined;
  }

  /** Resolves when it listens. Each start has a new node id: a node that died does not come back. */
  async start(): Promise<void> {
    this.#lives += 1;
    const args = [this.#nats, new URL(this.url).port, `${this.#name}-${this.#lives}`, `${this.#replicas}`];
    const child = fork(this.#older ?? PROGRAM, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
    this.#child = child;
    let said = '';
    child.stderr!.on('data', (chunk) => {
      said += chunk;
    });
    await new Promise<void>((listens, reject) => {
      const refuse = (why: string) => reject(new Refused('no_node', `a node ${why}\n${said}`, 503));
      const late = setTimeout(() => refuse('does not come up'), TIMEOUT);
      child.once('exit', (code, signal) => {
        this.working.clear();
        clearTimeout(late);
        refuse(`ended with ${signal ?? code}`);
      });
      child.on('message', (report: Report) => {
        if (report.type === 'invoked') this.working.set(report.key, report.session);
        if (report.type === 'ended') this.working.delete(report.key);
        if (report.type === 'listening') {
          clearTimeout(late);
          listens();
        }
        this.#onReport(this, report);
      });
    });
  }

  /** Sends SIGTERM and starts this version's code in its place. Rejects with `Refused` if it does not leave or does not start. */
  async upgrade(): Promise<void> {
    const child = this.#child!;
    const late = setTimeout(() => child.kill('SIGKILL'), LEAVING);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const [code, signal] = await ended;
    clearTimeout(late);
    if (code !== 0)
      throw new Refused('no_node', `${this.#name} does not leave in order: it ended with ${signal ?? code}`, 503);
    this.#older = undefined;
    await this.start();
  }

  /** Sends SIGKILL; resolves when the process is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  /** Stops the process with SIGSTOP, without notice to any other. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  /** Continues the process, now a zombie. */
  thaw(): void {
    this.#child?.kill('SIGCONT');
  }
}

export interface NodesOptions {
  /** Replicas of the journal. Default 1. */
  readonly replicas?: number;
  /** Program of the nodes until their upgrade, see `programIn`. Default: this version's. */
  readonly program?: string;
}

/** The nodes' program in a checkout or an installed package. Throws `Refused('no_troupe')` if there is none. */
export function programIn(directory: string): string {
  const places = ['src/prove/node.ts', 'dist/src/prove/node.js'].map((place) => resolve(directory, place));
  const found = places.find((place) => existsSync(place));
  if (found) return found;
  throw new Refused(
    'no_troupe',
    `there is no troupe in ${directory} that could be upgraded: neither ${places.join(' nor ')}`,
    404,
  );
}

/** Starts `count` nodes on a NATS server or cluster; resolves when all of them listen. */
export async function startNodes(
  nats: string,
  count: number,
  hear: (node: Node, report: Report) => void,
  options: NodesOptions = {},
): Promise<Node[]> {
  const nodes: Node[] = [];
  for (let index = 0; index < count; index += 1)
    nodes.push(new Node(nats, `n${index + 1}`, await freePort(), hear, options));
  process.once('exit', () => {
    for (const node of nodes) void node.kill();
  });
  await Promise.all(nodes.map((node) => node.start()));
  return nodes;
}
