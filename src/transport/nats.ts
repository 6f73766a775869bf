// The transport over a NATS server: core NATS over one connection.

import type { Msg, NatsConnection, Subscription as Subscribed } from '@nats-io/transport-node';
import { decodeHeaders, encodeHeaders } from '../nats/headers.ts';
import { Replies } from '../nats/replies.ts';
import { assertPattern, assertQueue, assertSubject } from './subjects.ts';
import {
  type Headers,
  type Message,
  MessageTooLarge,
  type PublishOptions,
  type RequestOptions,
  RequestTimeout,
  type Subscription,
  type Transport,
} from './transport.ts';

export { MessageTooLarge };

export interface NatsTransportOptions {
  /** Called with the error of a handler that threw. By default the error becomes a process warning. */
  readonly onError?: (error: unknown, message: Message) => void;
  /**
   * Called when the server's permissions forbid a publish or subscribe; the server reports that some time after the
   * call. By default a process warning.
   */
  readonly onDenied?: (error: Error) => void;
}

/**
 * The transport over a connection from `connectNats`. Closing the transport leaves the connection open for its other
 * users.
 *
 * Messages that are published while the server is unreachable are dropped, as core NATS does; a request waits for the
 * server within its timeout. `publish` throws `MessageTooLarge`, and `request` rejects with it. A request that the
 * server's permissions forbid rejects with `Denied`.
 */
export function natsTransport(connection: NatsConnection, options: NatsTransportOptions = {}): Transport {
  return new NatsTransport(connection, options);
}

class NatsTransport implements Transport {
  readonly #connection: NatsConnection;
  readonly #replies: Replies;
  readonly #subscribed = new Set<Subscribed>();
  readonly #onError: (error: unknown, message: Message) => void;
  #closed = false;

  constructor(connection: NatsConnection, { onError = warn, onDenied = warnDenied }: NatsTransportOptions) {
    this.#connection = connection;
    this.#onError = onError;
    this.#replies = new Replies(connection, { onDenied });
  }

  publish(subject: string, data: Uint8Array | string, { headers, reply }: PublishOptions = {}): void {
    this.#assertOpen();
    assertSubject(subject);
    if (reply !== undefined) assertSubject(reply);
    const { bytes, encoded } = this.#prepare(subject, data, headers);
    this.#connection.publish(subject, bytes, { headers: encoded?.forClient, reply });
  }

  subscribe(subject: string, handler: (message: Message) => void, { queue }: { queue?: string } = {}): Subscription {
    this.#assertOpen();
    assertPattern(subject);
    if (queue !== undefined) assertQueue(queue);
    const subscribed = this.#connection.subscribe(subject, {
      queue,
      callback: (refused, message) => {
        if (!refused) this.#deliver(handler, toMessage(message));
      },
    });
    this.#subscribed.add(subscribed);
    const unsubscribe = () => {
      if (this.#subscribed.delete(subscribed)) subscribed.unsubscribe();
    };
    return { subject, unsubscribe };
  }

  async request(
    subject: string,
    data: Uint8Array | string,
    { headers, timeout = 5000 }: RequestOptions = {},
  ): Promise<Message> {
    this.#assertOpen();
    assertSubject(subject);
    const { bytes, encoded } = this.#prepare(subject, data, headers);
    let left = timeout;
    if (!this.#replies.isUp) {
      const began = performance.now();
      await this.#replies.up(timeout);
      this.#assertOpen();
      left -= performance.now() - began;
      if (!this.#replies.isUp || left <= 0) {
        throw new RequestTimeout(`${subject} was not asked: the NATS server could not be reached for ${timeout} ms`);
      }
    }
    return toMessage(await this.#replies.ask(subject, bytes, left, encoded));
  }

  async flush(): Promise<void> {
    this.#assertOpen();
    // The server answers a ping on this connection after it has processed all earlier messages on it.
    await this.#connection.flush();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      if (this.#replies.isUp) await this.flush();
    } finally {
      this.#closed = true;
      for (const subscribed of this.#subscribed) subscribed.unsubscribe();
      this.#replies.close(closed());
    }
  }

  #deliver(handler: (message: Message) => void, message: Message): void {
    try {
      const result: unknown = handler(message);
      // An async handler satisfies the type of one that returns nothing; its rejection must not end the process.
      if (result instanceof Promise) result.catch((error: unknown) => this.#onError(error, message));
    } catch (error) {
      this.#onError(error, message);
    }
  }

  #prepare(subject: string, data: Uint8Array | string, headers: Headers | undefined) {
    // The client writes at the end of this turn of the event loop, and the caller may reuse its array before that.
    const bytes = typeof data === 'string' ? encoder.encode(data) : new Uint8Array(data);
    const encoded = headers && encodeHeaders(headers);
    const size = bytes.length + (encoded?.bytes.length ?? 0);
    const most = this.#connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (size <= most) return { bytes, encoded };
    throw new MessageTooLarge(`a message of ${size} bytes to ${subject} is too large: the NATS server takes ${most}`);
  }

  #assertOpen(): void {
    if (this.#closed) throw closed();
  }
}

const encoder = new TextEncoder();

function toMessage(message: Msg): Message {
  const headers = decodeHeaders(message.headers);
  return {
    subject: message.subject,
    data: message.data,
    ...(headers && { headers }),
    ...(message.reply && { reply: message.reply }),
  };
}

function warn(error: unknown, message: Message): void {
  process.emitWarning(`a handler of ${message.subject} failed: ${error instanceof Error ? error.stack : error}`);
}

function warnDenied(error: Error): void {
  process.emitWarning(`NATS: ${error.message}`);
}

function closed(): Error {
  return new Error('the transport is closed');
}
