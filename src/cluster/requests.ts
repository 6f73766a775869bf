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

interface Buffered {
  readonly message: Message;
  readonly key: Key;
  /** Time of arrival, ms since the epoch. */
  readonly at: number;
  acting: boolean;
}

/** A node announces here which requests it has answered: reply subjects, one a line. */
export const answeredSubject = (node: string | '*'): string => `troupe.node.${node}.answered`;

/** Announcements are batched at this interval, ms. */
const ANNOUNCE = 20;
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
  readonly #buffered = new Map<string, Buffered>();
  readonly #answered: Subscription;
  readonly #unchange: () => void;
  #finished: string[] = [];
  #announcing: unknown;
  #stopped = false;

  constructor(options: RequestsOptions) {
    const { cluster, transport } = options;
    this.#options = options;
    this.#answered = transport.subscribe(answeredSubject('*'), ({ data }) => {
      for (const reply of new TextDecoder().decode(data).split('\n')) this.#buffered.delete(reply);
    });
    this.#unchange = cluster.onChange(() => this.#look());
  }

  /** Accepts a request, which all nodes get. Without a reply subject it cannot be identified, and is not buffered. */
  hear(message: Message): void {
    const { clock, keyOf } = this.#options;
    const key = keyOf(message);
    const buffered: Buffered = { message, key, at: clock.now(), acting: false };
    if (message.reply !== undefined) {
      this.#buffered.set(message.reply, buffered);
      if (this.#buffered.size > MOST) this.#buffered.delete(this.#buffered.keys().next().value!);
    }
    if (this.#isMine(key)) this.#act(buffered);
  }

  stop(): void {
    this.#announce();
    this.#stopped = true;
    this.#unchange();
    this.#answered.unsubscribe();
    this.#buffered.clear();
  }

  // A node without its lease, or one that has just been frozen, may only believe that it owns the session.
  #isMine(key: Key): boolean {
    const { cluster } = this.#options;
    return !cluster.away && cluster.assigned(key) === cluster.id;
  }

  /** The node that was to act for a request may be dead, or may have taken another node for the owner. */
  #look(): void {
    const since = this.#options.clock.now() - LONGEST;
    for (const [reply, buffered] of this.#buffered) {
      if (buffered.acting) continue;
      if (buffered.at < since) this.#buffered.delete(reply);
      else if (this.#isMine(buffered.key)) this.#act(buffered);
    }
  }

  #act(buffered: Buffered): void {
    const { reply } = buffered.message;
    buffered.acting = true;
    const name = reply === undefined ? undefined : `r-${hash('sha256', reply, 'base64url')}`;
    void this.#options.act(buffered.message, name).then(() => {
      if (reply === undefined || this.#stopped) return;
      if (this.#buffered.get(reply) === buffered) this.#buffered.delete(reply);
      this.#finished.push(reply);
      this.#announcing ??= this.#options.clock.setTimeout(() => this.#announce(), ANNOUNCE);
    });
  }

  #announce(): void {
    const { cluster, transport, clock } = this.#options;
    clock.clearTimeout(this.#announcing);
    this.#announcing = undefined;
    if (this.#finished.length > 0) transport.publish(answeredSubject(cluster.id), this.#finished.join('\n'));
    this.#finished = [];
  }
}
