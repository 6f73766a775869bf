// Requests that every node receives: the session's owner acts; the others buffer the request until it is answered, in
// case that node dies before it replies.
import { hash } from 'node:crypto';
import type { Key } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import type { Message, Subscription, Transport } from '../transport/transport.ts';
import type { Cluster } from './cluster.ts';

export interface RequestsOptions {
  readonly cluster: Cluster;
  readonly transport: Transport;
  readonly clock: Clock;
  /** The session of a request. */
  readonly keyOf: (message: Message) => Key;
  /**
   * Acts and replies; never rejects. The name is the request's idempotency key: a second node that acts for it passes
   * the same one.
   */
  readonly act: (message: Message, name: string | undefined) => Promise<void>;
}

interface Kept {
  readonly message: Message;
  readonly key: Key;
  /** Time of arrival, ms since the epoch. */
  readonly at: number;
  acting: boolean;
}

/** A node announces here which requests it has answered: reply subjects, one a line. */
export const answeredSubject = (node: string | '*'): string => `troupe.node.${node}.answered`;

/** Announcements are batched at this interval, ms. */
const TELL = 20;
/** Maximum of buffered requests; beyond it the oldest is dropped. */
const MOST = 10_000;
/**
 * Maximum age of a buffered request, ms: the announcement of its reply may have been lost. Acting again is harmless
 * while the session has its idempotency key.
 */
const LONGEST = 120_000;

export class Requests {
  readonly #options: RequestsOptions;
  /** By reply subject, which is unique per request. */
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

  /** Accepts a request, which all nodes get. Without a reply subject it cannot be identified, and is not buffered. */
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

  // A node without its lease, or one that has just been frozen, may only believe that it owns the session.
  #isMine(key: Key): boolean {
    const { cluster } = this.#options;
    return !cluster.away && cluster.assigned(key) === cluster.id;
  }

  /** The node that was to act for a request may be dead, or may have taken another node for the owner. */
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
