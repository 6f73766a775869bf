// Requests over one connection: a single inbox for all replies, and a map from reply token to pending request.
//
// The client's own `request` makes several promises and a random token each time. This makes 1.5 to 2 times as many
// requests a second, and can report that the connection was lost while a request was pending.

import {
  createInbox,
  errors,
  type Msg,
  type NatsConnection,
  type Status,
  type Subscription,
} from '@nats-io/transport-node';
import { NoResponders, RequestTimeout } from '../transport/transport.ts';
import { inboxPrefix } from './connect.ts';
import type { Encoded } from './headers.ts';

/** The connection was lost while a request was pending: the responder may or may not have received it. */
export class ConnectionLost extends Error {
  override name = 'ConnectionLost';
}

/** The server's permissions forbid this user to publish to the subject, or to receive replies. */
export class Denied extends Error {
  override name = 'Denied';
}

export interface RepliesOptions {
  /**
   * Whether losing the connection rejects pending requests at once, with `ConnectionLost`: for requests that are safe
   * to send again. Otherwise a reply that arrives after reconnecting still counts.
   */
  readonly failWhenLost?: boolean;
  /** Called for every violation of the server's permissions on this connection. */
  readonly onDenied?: (error: Denied) => void;
}

interface Waiting {
  readonly subject: string;
  readonly resolve: (message: Msg) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class Replies {
  readonly #connection: NatsConnection;
  readonly #inbox: string;
  readonly #waiting = new Map<string, Waiting>();
  readonly #failWhenLost: boolean;
  readonly #onDenied: (error: Denied) => void;
  readonly #subscription: Subscription;
  readonly #statuses: AsyncIterable<Status> & { stop?(): void };
  #next = 0;
  #refusal: Error | undefined;
  /** Pending while the connection is down. */
  #up = Promise.withResolvers<void>();
  #isUp = true;
  readonly #onReconnect = new Set<() => void>();

  constructor(connection: NatsConnection, { failWhenLost = false, onDenied = () => {} }: RepliesOptions = {}) {
    this.#connection = connection;
    this.#failWhenLost = failWhenLost;
    this.#onDenied = onDenied;
    this.#inbox = `${createInbox(inboxPrefix(connection))}.`;
    this.#subscription = connection.subscribe(`${this.#inbox}*`, {
      callback: (error, message) => this.#receive(error, message),
    });
    this.#statuses = connection.status();
    void this.#watch();
  }

  /** Whether the connection is up. The client drops messages that are published while it is down. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** Resolves when the connection is up, or after `ms`. */
  async up(ms: number): Promise<void> {
    if (this.#isUp) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await Promise.race([this.#up.promise, promise]);
    clearTimeout(timer);
  }

  /** Calls back after every reconnect. Returns the function that unsubscribes. */
  onReconnect(callback: () => void): () => void {
    this.#onReconnect.add(callback);
    return () => void this.#onReconnect.delete(callback);
  }

  /**
   * Publishes, and waits at most `timeout` ms for the first reply. Rejects with `NoResponders`, `RequestTimeout`,
   * `Denied`, `ConnectionLost`, or the client's own error when the message is too large or the connection closed.
   */
  ask(subject: string, data: Uint8Array | string, timeout: number, headers?: Encoded): Promise<Msg> {
    return new Promise((resolve, reject) => {
      if (this.#refusal) return reject(this.#refusal);
      if (this.#failWhenLost && !this.#isUp) return reject(new ConnectionLost('the NATS server cannot be reached'));
      const token = (this.#next++).toString(36);
      this.#connection.publish(subject, data, { reply: this.#inbox + token, headers: headers?.forClient });
      const timer = setTimeout(() => this.#expire(token, timeout), timeout);
      this.#waiting.set(token, { subject, resolve, reject, timer });
    });
  }

  /** Rejects every pending request with this error, and every later one. */
  close(error: Error): void {
    this.#refusal = error;
    this.#failAll(error);
    this.#up.resolve();
    this.#statuses.stop?.();
    this.#subscription.unsubscribe();
  }

  #receive(error: Error | null, message: Msg): void {
    if (error) {
      this.#refusal = new Denied(error.message, { cause: error });
      this.#failAll(this.#refusal);
      return;
    }
    const waiting = this.#take(message.subject.slice(this.#inbox.length));
    if (!waiting) return;
    if (message.data.length === 0 && message.headers?.code === 503) waiting.reject(new NoResponders(waiting.subject));
    else waiting.resolve(message);
  }

  // After a long block of the event loop, timers fire before the replies that wait in the socket are read, so they get
  // one more turn.
  #expire(token: string, timeout: number): void {
    setImmediate(() => {
      const waiting = this.#take(token);
      waiting?.reject(new RequestTimeout(`no reply on ${waiting.subject} within ${timeout} ms`));
    });
  }

  #take(token: string): Waiting | undefined {
    const waiting = this.#waiting.get(token);
    if (!waiting) return undefined;
    this.#waiting.delete(token);
    clearTimeout(waiting.timer);
    return waiting;
  }

  #failAll(error: Error, concerned: (waiting: Waiting) => boolean = () => true): void {
    for (const [token, waiting] of this.#waiting) if (concerned(waiting)) this.#take(token)!.reject(error);
  }

  async #watch(): Promise<void> {
    for await (const status of this.#statuses) {
      if (status.type === 'disconnect') {
        if (this.#isUp) this.#up = Promise.withResolvers();
        this.#isUp = false;
        if (this.#failWhenLost) this.#failAll(new ConnectionLost('the connection to NATS was lost'));
      } else if (status.type === 'reconnect') {
        this.#isUp = true;
        this.#up.resolve();
        for (const callback of [...this.#onReconnect]) callback();
      } else if (status.type === 'error' && status.error instanceof errors.PermissionViolationError) {
        // The server reports the subject, not the message, so all pending requests on that subject are rejected.
        const { operation, subject, message } = status.error;
        const denied = new Denied(message);
        this.#onDenied(denied);
        if (operation === 'publish') this.#failAll(denied, (waiting) => waiting.subject === subject);
      }
    }
    if (!this.#refusal) this.close(new errors.ClosedConnectionError());
  }
}
