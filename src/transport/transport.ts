// The promise that every transport keeps: messages on NATS subjects, with NATS's own rules for tokens, wildcards and queues.

/** Headers of a message. Names are compared without regard to case; one value each. */
export type Headers = Record<string, string>;

export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: Headers;
  /** Where an answer is expected, when one is. */
  readonly reply?: string;
}

export interface PublishOptions {
  readonly headers?: Headers;
  readonly reply?: string;
}

export interface RequestOptions {
  readonly headers?: Headers;
  /** Milliseconds to wait for the reply; 5000 unless told. */
  readonly timeout?: number;
}

export interface Subscription {
  readonly subject: string;
  /** Stops at once. */
  unsubscribe(): void;
  /** Takes nothing new, still hears what is on its way, then stops. */
  drain?(): Promise<void>;
}

/** Nobody subscribes to the subject of a request: known at once, not after a time-out. */
export class NoResponders extends Error {
  override name = 'NoResponders';
  readonly subject: string;
  constructor(subject: string) {
    super(`nobody listens on ${subject}`);
    this.subject = subject;
  }
}

/** No reply came in time. */
export class RequestTimeout extends Error {
  override name = 'RequestTimeout';
}

/** The transport takes no message of this size: a NATS server's `max_payload`, 1 MB unless set. Nothing was sent. */
export class MessageTooLarge extends Error {
  override name = 'MessageTooLarge';
}

/** A subject or pattern that NATS would not take. */
export class BadSubject extends Error {
  override name = 'BadSubject';
}

/**
 * NATS core semantics. Subjects are tokens separated by `.`; in a subscription `*` stands for one token and a last `>` for one
 * or more. Of the subscribers in one queue group exactly one gets each message. Order is kept per publisher and subscription.
 * Delivery is at most once: what must arrive is a request (answered) or a journal entry.
 */
export interface Transport {
  /** Sends to all matching subscriptions. Throws `BadSubject` on an empty token, white space, or a wildcard. */
  publish(subject: string, data: Uint8Array | string, options?: PublishOptions): void;
  /** Hears messages from now on. A handler that throws does not disturb others. Throws `BadSubject`. */
  subscribe(subject: string, handler: (message: Message) => void, options?: { queue?: string }): Subscription;
  /** Publishes with a reply subject and waits for the first reply. Rejects with `NoResponders` or `RequestTimeout`. */
  request(subject: string, data: Uint8Array | string, options?: RequestOptions): Promise<Message>;
  /** Whether anybody would hear a message on this subject; absent where that cannot be known. Saves making the message. */
  hears?(subject: string): boolean;
  /** Resolves when everything published before has been handed over. */
  flush(): Promise<void>;
  /** Flushes and closes; later calls throw. */
  close(): Promise<void>;
}
