// One client of the port: performs what it says on the transport, tells it what its subscriptions hear.

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
  /** Bytes that may wait for a client that does not read. */
  readonly maxPending: number;
  /** Milliseconds between pings. */
  readonly pingInterval: number;
  /** Pings without an answer after which the client is taken to be gone. */
  readonly maxPingsOut: number;
}

export interface ConnectionSettings {
  readonly transport: Transport;
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  /** Told once; with a reason when it was not the client's own wish, with a cause when it was our fault. */
  readonly closed: (reason?: string, cause?: unknown) => void;
}

interface Heard {
  readonly sid: string;
  subscription: Subscription;
  delivered: number;
  max: number;
}

/** As nats-server has it: until CONNECT says otherwise a client is answered verbosely and pedantically. */
const UNTOLD = { verbose: true, pedantic: true, echo: true, headers: false, no_responders: false };
/** How long a client may take to leave when it is told to, ms. */
const LINGER = 1_000;
/** The newest version of the client protocol that CONNECT may ask for. */
const PROTOCOL = 1;

/**
 * Who published a message, among its headers: a symbol goes through the memory transport with them, but onto no wire and into
 * nobody's listing. It tells `echo: false` apart.
 */
const ORIGIN = Symbol('origin');

export class Connection {
  readonly #socket: Socket;
  readonly #settings: ConnectionSettings;
  readonly #parser: Parser;
  readonly #outbox: Outbox;
  readonly #subscriptions = new Map<string, Heard>();
  #options: Required<Omit<ConnectOptions, 'protocol'>> = UNTOLD;
  /** An operation waits for what was published before it. */
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
    socket.on('data', (chunk) => this.#hear(chunk));
    socket.on('error', () => this.#abandon());
    socket.on('close', () => this.#end());
    this.#outbox.line(`INFO ${JSON.stringify(info)} `);
    this.#outbox.flush();
    this.#ping();
  }

  /** Sends what waits and ends the connection; with a `reason`, says it first. `cause` is what broke on our side. */
  close(reason?: string, cause?: unknown): void {
    if (this.#closed) return;
    if (reason !== undefined) this.#outbox.line(`-ERR '${reason}'`);
    this.#outbox.flush();
    this.#end(reason, cause);
    // Read on until the client has left too: bytes that nobody read would take the last words with them. But not for ever.
    this.#socket.end();
    this.#socket.resume();
    const { clock } = this.#settings;
    const late = clock.setTimeout(() => this.#socket.destroy(), LINGER);
    this.#socket.once('close', () => clock.clearTimeout(late));
  }

  #hear(chunk: Buffer): void {
    if (this.#closed) return;
    this.#pingsOut = 0;
    this.#parser.push(chunk);
    if (!this.#waits) this.#work();
  }

  /** Performs all operations that have come, one after the other. */
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

  // Whoever sees PONG has seen all that was published before PING, and whoever leaves still gets what was chosen for him
  // until then; a transport so far behind that more is chosen for him while it flushes drops that.
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

  #connect({ protocol = 0, ...told }: ConnectOptions): void {
    this.#options = { ...this.#options, ...told };
    if (protocol < 0 || protocol > PROTOCOL) throw new ProtocolError('invalid client protocol');
    if (this.#options.no_responders && !this.#options.headers)
      throw new ProtocolError('no responders requires headers support');
    this.#ok();
  }

  #publish({ subject, reply, header, payload }: Publication): void {
    if (header && !this.#options.headers) throw new ProtocolError('message headers not supported');
    const headers = this.#headersOf(header);
    // Of bad subjects nats-server tells only pedantic clients. The transport does not take them, so all are told.
    this.#attempt('Invalid Publish Subject', () =>
      this.#settings.transport.publish(subject, payload, { headers, reply }),
    );
  }

  #headersOf(header: Uint8Array | undefined): Headers | undefined {
    const headers = header && readHeaders(header);
    return this.#options.echo ? headers : ({ ...headers, [ORIGIN]: this } as Headers);
  }

  #subscribe({ sid, subject, queue }: Extract<Operation, { op: 'SUB' }>): void {
    const heard = { sid, delivered: 0, max: Number.POSITIVE_INFINITY } as Heard;
    const deliver = (message: Message): void => this.#deliver(heard, message);
    this.#attempt('Invalid Subject', () => {
      // A second subscription of the same name is not made, and not refused either.
      if (this.#subscriptions.has(sid)) return;
      heard.subscription = this.#settings.transport.subscribe(subject, deliver, { queue });
      this.#subscriptions.set(sid, heard);
    });
  }

  #unsubscribe({ sid, max = 0 }: Extract<Operation, { op: 'UNSUB' }>): void {
    const heard = this.#subscriptions.get(sid);
    if (heard) {
      heard.max = max;
      if (heard.delivered >= heard.max) this.#forget(heard);
    }
    this.#ok();
  }

  #deliver(heard: Heard, { subject, data, headers, reply }: Message): void {
    const { echo, no_responders, headers: takesHeaders } = this.#options;
    if (!echo && (headers as { [ORIGIN]?: unknown } | undefined)?.[ORIGIN] === this) return;
    // Only who asked for it is told that nobody listens; others would take it for an empty answer.
    if (!no_responders && data.length === 0 && headers?.Status === '503') return;
    const header = takesHeaders ? writeHeaders(headers) : undefined;
    const to = reply === undefined ? `${subject} ${heard.sid}` : `${subject} ${heard.sid} ${reply}`;
    if (header) this.#outbox.message(`HMSG ${to} ${header.length} ${header.length + data.length}`, header, data);
    else this.#outbox.message(`MSG ${to} ${data.length}`, undefined, data);
    heard.delivered += 1;
    if (heard.delivered >= heard.max) this.#forget(heard);
  }

  #forget(heard: Heard): void {
    heard.subscription.unsubscribe();
    this.#subscriptions.delete(heard.sid);
  }

  /** Does it and says so; a bad subject is a complaint that the connection survives. */
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

  /** Ends at once, without a word: there is nobody who would read it. */
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
