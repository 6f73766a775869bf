// Requests that every node hears: the node that has the session acts; the others keep the request until it is answered, in case
// that node cannot answer any more.
import { hash } from 'node:crypto';
import type { Key } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import type { Message, Subscription, Transport } from '../transport/transport.ts';
import type { Cluster } from './cluster.ts';

export interface RequestsOptions {
  readonly cluster: Cluster;
  readonly transport: Transport;
  readonly clock: Clock;
  /** Which session a request is for. */
  readonly keyOf: (message: Message) => Key;
  /** Acts and answers; never rejects. The name is the request's own: whoever acts for it a second time gives the same one. */
  readonly act: (message: Message, name: string | undefined) => Promise<void>;
}

interface Kept {
  readonly message: Message;
  readonly key: Key;
  /** When it came, ms since the epoch. */
  readonly at: number;
  acting: boolean;
}

/** Tells the other nodes which requests a node has answered: reply subjects, one a line. */
export const answeredSubject = (node: string | '*'): string => `troupe.node.${node}.answered`;

/** What was answered is told together, so often, ms. */
const TELL = 20;
/** More requests are not kept; the oldest is forgotten first. */
const MOST = 10_000;
/** Nor for longer, ms: that it was answered may have been told in vain. Acting again is harmless while the session knows its name. */
const LONGEST = 120_000;

export class Requests {
  readonly #options: RequestsOptions;
  /** By reply subject: a request has one of its own. */
  readonly #kept = new Map<string, Kept>();
  readonly #answered: Subscription;
  readonly #unchange: () => void;
  #told: string[] = [];
  #telling: unknown;
  #stopped = false;

  constructor(options: RequestsOptions) {
    const { cluster, transport } = options;
    this.#options = options;
    this.#answered = transport.subscribe(answeredSubject('*'), ({ data }) => {
      for (const reply of new TextDecoder().decode(data).split('\n')) this.#kept.delete(reply);
    });
    this.#unchange = cluster.onChange(() => this.#look());
  }

  /** A request came, to this node as to all others. Without a reply subject it cannot be told apart, and is not kept. */
  hear(message: Message): void {
    const { clock, keyOf } = this.#options;
    const key = keyOf(message);
    const kept: Kept = { message, key, at: clock.now(), acting: false };
    if (message.reply !== undefined) {
      this.#kept.set(message.reply, kept);
      if (this.#kept.size > MOST) this.#kept.delete(this.#kept.keys().next().value!);
    }
    if (this.#isMine(key)) this.#act(kept);
  }

  stop(): void {
    this.#tell();
    this.#stopped = true;
    this.#unchange();
    this.#answered.unsubscribe();
    this.#kept.clear();
  }

  // A node that is cut off or has just woken up may only believe that it has the session.
  #isMine(key: Key): boolean {
    const { cluster } = this.#options;
    return !cluster.away && cluster.assigned(key) === cluster.id;
  }

  /** Who was to act for it may be gone, or have thought that another one was. */
  #look(): void {
    const since = this.#options.clock.now() - LONGEST;
    for (const [reply, kept] of this.#kept) {
      if (kept.acting) continue;
      if (kept.at < since) this.#kept.delete(reply);
      else if (this.#isMine(kept.key)) this.#act(kept);
    }
  }

  #act(kept: Kept): void {
    const { reply } = kept.message;
    kept.acting = true;
    const name = reply === undefined ? undefined : `r-${hash('sha256', reply, 'base64url')}`;
    void this.#options.act(kept.message, name).then(() => {
      if (reply === undefined || this.#stopped) return;
      if (this.#kept.get(reply) === kept) this.#kept.delete(reply);
      this.#told.push(reply);
      this.#telling ??= this.#options.clock.setTimeout(() => this.#tell(), TELL);
    });
  }

  #tell(): void {
    const { cluster, transport, clock } = this.#options;
    clock.clearTimeout(this.#telling);
    this.#telling = undefined;
    if (this.#told.length > 0) transport.publish(answeredSubject(cluster.id), this.#told.join('\n'));
    this.#told = [];
  }
}
