// The transport interface: messages on NATS subjects, with NATS's own rules for tokens, wildcards and queue groups.

/** Headers of a message. Names are compared without regard to case; each has one value. */
export type Headers = Record<string, string>;

export interface Message {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly headers?: Headers;
  /** The reply subject, when the publisher expects a reply. */
  readonly reply?: string;
}

export interface PublishOptions {
  readonly headers?: Headers;
  readonly reply?: string;
}

export interface RequestOptions {
  readonly headers?: Headers;
  /** Milliseconds to wait for the reply; default 5000. */
  readonly timeout?: number;
}

export interface Subscription {
  readonly subject: string;
  /** Unsubscribes at once and discards pending deliveries. */
  unsubscribe(): void;
  /** Accepts no new messages, delivers the pending ones, then unsubscribes. */
  drain?(): Promise<void>;
}

/** The subject of a request has no subscriber; reported at once, not after a timeout. */
export class NoResponders extends Error {
  override name = 'NoResponders';
  readonly subject: string;
  constructor(subject: string) {
    super(`nobody listens on ${subject}`);
    this.subject = subject;
  }
}

/** No reply arrived in time. */
export class RequestTimeout extends Error {
  override name = 'RequestTimeout';
}

/** The message exceeds the transport's limit: a NATS server's `max_payload`, 1 MB by default. It was not sent. */
export class MessageTooLarge extends Error {
  override name = 'MessageTooLarge';
}

/** A subject or pattern that NATS would refuse. */
export class BadSubject extends Error {
  override name = 'BadSubject';
}

/**
 * NATS core semantics. Subjects are tokens separated by `.`; in a subscription `*` matches one token and a last `>` one
 * or more. Exactly one subscriber of each queue group gets a message. Order holds per publisher and subscription.
 * Delivery is at most once: a message that must arrive is a request (with a reply) or a journal entry.
 */
export interface Transport {
  /** Publishes to all matching subscriptions. Throws `BadSubject` on an empty token, white space, or a wildcard. */
  publish(subject: string, data: Uint8Array | string, options?: PublishOptions): void;
  /** Delivers messages to `handler` from now on. A handler that throws does not affect others. Throws `BadSubject`. */
  subscribe(subject: string, handler: (message: Message) => void, options?: { queue?: string }): Subscription;
  /** Publishes with a reply subject and waits for the first reply. Rejects with `NoResponders` or `RequestTimeout`. */
  request(subject: string, data: Uint8Array | string, options?: RequestOptions): Promise<Message>;
  /**
   * Whether the subject has a subscriber, so that a publisher can skip building the message; absent where the transport
   * cannot tell.
   */
  hears?(subject: string): boolean;
  /** Resolves when everything published before has been delivered, or processed by the server. */
  flush(): Promise<void>;
  /** Flushes and closes; later calls throw. */
  close(): Promise<void>;
}
