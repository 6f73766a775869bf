// NATS core semantics inside one process: the transport of the embedded default, and the reference implementation.

import { type Clock, realClock } from '../platform/clock.ts';
import { Deliveries } from './deliveries.ts';
import { Interest } from './interest.ts';
import { assertPattern, assertQueue, assertSubject } from './subjects.ts';
import {
  type Headers,
  type Message,
  NoResponders,
  type PublishOptions,
  type RequestOptions,
  RequestTimeout,
  type Subscription,
  type Transport,
} from './transport.ts';

export interface MemoryTransportOptions {
  /** Called with the error of a handler that threw. By default the error becomes a process warning. */
  readonly onError?: (error: unknown, message: Message) => void;
  /** Chooses a member of a queue group: a number from 0 up to, not including, 1. */
  readonly random?: () => number;
  /** The clock of request timeouts. */
  readonly clock?: Clock;
}

export function memoryTransport(options: MemoryTransportOptions = {}): Transport {
  return new MemoryTransport(options);
}

interface Subscriber {
  readonly handler: (message: Message) => void;
  readonly queue: string | undefined;
  open: boolean;
}

class MemoryTransport implements Transport {
  readonly #interest = new Interest<Subscriber>();
  readonly #deliveries = new Deliveries();
  /** Rejects each pending request. */
  readonly #waiting = new Set<(error: Error) => void>();
  readonly #onError: (error: unknown, message: Message) => void;
  readonly #random: () => number;
  readonly #clock: Clock;
  #inboxes = 0;
  #closed = false;

  constructor({ onError = warn, random = Math.random, clock = realClock }: MemoryTransportOptions) {
    this.#onError = onError;
    this.#random = random;
    this.#clock = clock;
  }

  publish(subject: string, data: Uint8Array | string, { headers, reply }: PublishOptions = {}): void {
    this.#assertOpen();
    assertSubject(subject);
    if (reply !== undefined) assertSubject(reply);
    const heard = this.#send(subject, data, headers, reply);
    // As nats-server does: a publisher with a reply subject gets a 503 there at once when there are no responders.
    if (!heard && reply !== undefined) this.#send(reply, '', { Status: '503' });
  }

  subscribe(subject: string, handler: (message: Message) => void, { queue }: { queue?: string } = {}): Subscription {
    this.#assertOpen();
    assertPattern(subject);
    if (queue !== undefined) assertQueue(queue);
    const subscriber: Subscriber = { handler, queue, open: true };
    this.#interest.add(subject, subscriber);
    const unsubscribe = () => {
      subscriber.open = false;
      this.#interest.remove(subject, subscriber);
    };
    const drain = async () => {
      this.#interest.remove(subject, subscriber);
      await this.flush();
      subscriber.open = false;
    };
    return { subject, unsubscribe, drain };
  }

  async request(
    subject: string,
    data: Uint8Array | string,
    { headers, timeout = 5000 }: RequestOptions = {},
  ): Promise<Message> {
    this.#assertOpen();
    assertSubject(subject);
    this.#inboxes += 1;
    const inbox = `_INBOX.${this.#inboxes}`;
    const { promise, resolve, reject } = Promise.withResolvers<Message>();
    const subscription = this.subscribe(inbox, resolve);
    const timer = this.#clock.setTimeout(
      () => reject(new RequestTimeout(`no reply on ${subject} within ${timeout} ms`)),
      timeout,
    );
    this.#waiting.add(reject);
    if (!this.#send(subject, data, headers, inbox)) reject(new NoResponders(subject));
    try {
      return await promise;
    } finally {
      subscription.unsubscribe();
      this.#clock.clearTimeout(timer);
      this.#waiting.delete(reject);
    }
  }

  hears(subject: string): boolean {
    return this.#interest.match(subject).length > 0;
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    await new Promise<void>((resolve) => this.#deliveries.add(resolve));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await this.flush();
    this.#closed = true;
    for (const giveUp of this.#waiting) giveUp(closed());
  }

  /** Queues one delivery for each current subscriber of the subject; false when there is none. */
  #send(subject: string, data: Uint8Array | string, headers?: Headers, reply?: string): boolean {
    const receivers = this.#onePerQueue(this.#interest.match(subject));
    if (receivers.length === 0) return false;
    const message: Message = {
      subject,
      // The publisher may reuse its array and its headers before the delivery.
      data: typeof data === 'string' ? encoder.encode(data) : new Uint8Array(data),
      ...(headers && { headers: { ...headers } }),
      ...(reply !== undefined && { reply }),
    };
    for (const receiver of receivers) this.#deliveries.add(() => this.#deliver(receiver, message));
    return true;
  }

  // A queue group is identified by its name alone: members with different patterns belong to the same group.
  #onePerQueue(matching: Subscriber[]): Subscriber[] {
    if (!matching.some(({ queue }) => queue !== undefined)) return matching;
    const groups = Map.groupBy(matching, ({ queue }) => queue);
    const chosen = groups.get(undefined) ?? [];
    for (const [queue, members] of groups) {
      if (queue !== undefined) chosen.push(members[Math.floor(this.#random() * members.length)]!);
    }
    return chosen;
  }

  #deliver(receiver: Subscriber, message: Message): void {
    if (!receiver.open || this.#closed) return;
    try {
      const result: unknown = receiver.handler(message);
      // An async handler satisfies the type of one that returns nothing; its rejection must not end the process.
      if (result instanceof Promise) result.catch((error: unknown) => this.#onError(error, message));
    } catch (error) {
      this.#onError(error, message);
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw closed();
  }
}

const encoder = new TextEncoder();

function warn(error: unknown, message: Message): void {
  process.emitWarning(`a handler of ${message.subject} failed: ${error instanceof Error ? error.stack : error}`);
}

function closed(): Error {
  return new Error('the transport is closed');
}
