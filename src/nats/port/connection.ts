// The connection of one client of the port: performs its operations on the transport and sends it the messages of its
// subscriptions.

import type { Socket } from 'node:net';
import type { Clock } from '../../platform/clock.ts';
import {
  BadSubject,
  type Headers,
  type Message,
  type Subscription,
  type Transport,
} from '../../transport/transport.ts';
import {
  type ConnectOptions,
  type Operation,
  Parser,
  type ParserLimits,
  ProtocolError,
  type Publication,
} from '../protocol.ts';
import { readHeaders, writeHeaders } from './headers.ts';
import { Outbox } from './outbox.ts';

export interface ConnectionLimits extends ParserLimits {
  /** Bytes that may be pending for a client that does not read. */
  readonly maxPending: number;
  /** Milliseconds between pings. */
  readonly pingInterval: number;
  /** Unanswered pings after which the connection counts as stale. */
  readonly maxPingsOut: number;
}

export interface ConnectionSettings {
  readonly transport: Transport;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /**
   * Called once, at the end; with a reason when the port ended the connection, with a cause when the runtime failed.
   */
  readonly closed: (reason?: string, cause?: unknown) => void;
}

interface PortSubscription {
  readonly sid: string;
  subscription: Subscription;
  delivered: number;
  max: number;
}

/** nats-server's defaults before CONNECT: verbose and pedantic. */
const DEFAULTS = { verbose: true, pedantic: true, echo: true, headers: false, no_responders: false };
/** Time for a client to close its side before the socket is destroyed, ms. */
const LINGER = 1_000;
/** The newest version of the client protocol that CONNECT may ask for. */
const PROTOCOL = 1;

/**
 * The publishing connection, as a header under a symbol: the memory transport passes it on, but it goes onto no wire
 * and no listing shows it. `echo: false` compares it.
 */
const ORIGIN = Symbol('origin');

export class Connection {
  readonly #socket: Socket;
  readonly #settings: ConnectionSettings;
  readonly #parser: Parser;
  readonly #outbox: Outbox;
  readonly #subscriptions = new Map<string, PortSubscription>();
  #options: Required<Omit<ConnectOptions, 'protocol'>> = DEFAULTS;
  /** Whether an operation is waiting for a flush of earlier publications. */
  #waits = false;
  #pingsOut = 0;
  #pinging: unknown;
  #closed = false;

  constructor(socket: Socket, info: object, settings: ConnectionSettings) {
    const { limits } = settings;
    this.#socket = socket;
    this.#settings = settings;
    this.#parser = new Parser(limits);
    this.#outbox = new Outbox(socket, limits.maxPending, () => this.#abandon('slow consumer'));
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => this.#abandon());
    socket.on('close', () => this.#end());
    this.#outbox.line(`INFO ${JSON.stringify(info)} `);
    this.#outbox.flush();
    this.#ping();
  }

  /**
   * Flushes pending messages and ends the connection; sends `reason` first when there is one. `cause` is an error of
   * the runtime.
   */
  close(reason?: string, cause?: unknown): void {
    if (this.#closed) return;
    if (reason !== undefined) this.#outbox.line(`-ERR '${reason}'`);
    this.#outbox.flush();
    this.#end(reason, cause);
    // Reads on until the client closes its side, with a time limit: a reset over unread bytes would discard the last
    // lines sent to it.
    this.#socket.end();
    this.#socket.resume();
    const { clock } = this.#settings;
    const late = clock.setTimeout(() => this.#socket.destroy(), LINGER);
    this.#socket.once('close', () => clock.clearTimeout(late));
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#pingsOut = 0;
    this.#parser.push(chunk);
    if (!this.#waits) this.#work();
  }

  /** Performs all operations received so far, in order. */
  #work(): void {
    try {
      while (!this.#closed) {
        const operation = this.#parser.next();
        if (!operation) return;
        if (operation.op === 'PING' || operation.op === 'UNSUB') {
          this.#workAfterFlush(operation);
          return;
        }
        this.#perform(operation);
      }
    } catch (error) {
      this.#refuse(error);
    }
  }

  // A client that sees PONG must have all messages published before its PING, and one that unsubscribes still gets the
  // messages assigned to it until then. A transport that assigns more to it during the flush drops those.
  #workAfterFlush(operation: Operation): void {
    this.#waits = true;
    this.#socket.pause();
    const goOn = () => {
      this.#waits = false;
      if (this.#closed) return;
      this.#perform(operation);
      this.#socket.resume();
      this.#work();
    };
    const leaving = operation.op === 'UNSUB' && !operation.max ? this.#subscriptions.get(operation.sid) : undefined;
    const done = leaving?.subscription.drain?.() ?? this.#settings.transport.flush();
    done.then(goOn, (error) => this.#refuse(error));
  }

  #perform(operation: Operation): void {
    if (operation.op === 'PUB') this.#publish(operation);
    else if (operation.op === 'SUB') this.#subscribe(operation);
    else if (operation.op === 'UNSUB') this.#unsubscribe(operation);
    else if (operation.op === 'CONNECT') this.#connect(operation.options);
    else if (operation.op === 'PING') this.#outbox.line('PONG');
  }

  #connect({ protocol = 0, ...given }: ConnectOptions): void {
    this.#options = { ...this.#options, ...given };
    if (protocol < 0 || protocol > PROTOCOL) throw new ProtocolError('invalid client protocol');
    if (this.#options.no_responders && !this.#options.headers)
      throw new ProtocolError('no responders requires headers support');
    this.#ok();
  }

  #publish({ subject, reply, header, payload }: Publication): void {
    if (header && !this.#options.headers) throw new ProtocolError('message headers not supported');
    const headers = this.#headersOf(header);
    // nats-server reports bad subjects only to pedantic clients. The transport refuses them, so the port reports them
    // to all.
    this.#attempt('Invalid Publish Subject', () =>
      this.#settings.transport.publish(subject, payload, { headers, reply }),
    );
  }

  #headersOf(header: Uint8Array | undefined): Headers | undefined {
    const headers = header && readHeaders(header);
    return this.#options.echo ? headers : ({ ...headers, [ORIGIN]: this } as Headers);
  }

  #subscribe({ sid, subject, queue }: Extract<Operation, { op: 'SUB' }>): void {
    const subscriber = { sid, delivered: 0, max: Number.POSITIVE_INFINITY } as PortSubscription;
    const deliver = (message: Message): void => this.#deliver(subscriber, message);
    this.#attempt('Invalid Subject', () => {
      // A second subscription with the same sid is ignored, without an error.
      if (this.#subscriptions.has(sid)) return;
      subscriber.subscription = this.#settings.transport.subscribe(subject, deliver, { queue });
      this.#subscriptions.set(sid, subscriber);
    });
  }

  #unsubscribe({ sid, max = 0 }: Extract<Operation, { op: 'UNSUB' }>): void {
    const subscriber = this.#subscriptions.get(sid);
    if (subscriber) {
      subscriber.max = max;
      if (subscriber.delivered >= subscriber.max) this.#forget(subscriber);
    }
    this.#ok();
  }

  #deliver(subscriber: PortSubscription, { subject, data, headers, reply }: Message): void {
    const { echo, no_responders, headers: takesHeaders } = this.#options;
    if (!echo && (headers as { [ORIGIN]?: unknown } | undefined)?.[ORIGIN] === this) return;
    // Only clients that asked for `no_responders` get the 503; others would take it for an empty reply.
    if (!no_responders && data.length === 0 && headers?.Status === '503') return;
    const header = takesHeaders ? writeHeaders(headers) : undefined;
    const to = reply === undefined ? `${subject} ${subscriber.sid}` : `${subject} ${subscriber.sid} ${reply}`;
    if (header) this.#outbox.message(`HMSG ${to} ${header.length} ${header.length + data.length}`, header, data);
    else this.#outbox.message(`MSG ${to} ${data.length}`, undefined, data);
    subscriber.delivered += 1;
    if (subscriber.delivered >= subscriber.max) this.#forget(subscriber);
  }

  #forget(subscriber: PortSubscription): void {
    subscriber.subscription.unsubscribe();
    this.#subscriptions.delete(subscriber.sid);
  }

  /** Performs an action and acknowledges it; on a bad subject sends an error, and the connection stays open. */
  #attempt(complaint: string, action: () => void): void {
    try {
      action();
      this.#ok();
    } catch (error) {
      if (!(error instanceof BadSubject)) throw error;
      this.#outbox.line(`-ERR '${complaint}'`);
    }
  }

  #ok(): void {
    if (this.#options.verbose) this.#outbox.line('+OK');
  }

  #ping(): void {
    const { clock, limits } = this.#settings;
    this.#pinging = clock.setTimeout(() => {
      if (this.#pingsOut >= limits.maxPingsOut) return this.close('Stale Connection');
      this.#pingsOut += 1;
      this.#outbox.line('PING');
      this.#ping();
    }, limits.pingInterval);
  }

  #refuse(error: unknown): void {
    if (error instanceof ProtocolError) this.close(error.message);
    else this.close('Server Shutdown', error);
  }

  /** Ends the connection at once and sends nothing, because the client does not read. */
  #abandon(reason?: string): void {
    this.#end(reason);
    this.#socket.destroy();
  }

  #end(reason?: string, cause?: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#settings.clock.clearTimeout(this.#pinging);
    for (const { subscription } of this.#subscriptions.values()) subscription.unsubscribe();
    this.#subscriptions.clear();
    this.#settings.closed(reason, cause);
  }
}
