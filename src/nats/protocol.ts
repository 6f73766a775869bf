// Parser of the NATS client protocol, from bytes that may be split anywhere.

import { z } from 'zod';

/** The options of CONNECT, with nats-server's defaults. Unsupported fields are ignored. */
const connectOptions = z.object({
  verbose: z.boolean().optional(),
  pedantic: z.boolean().optional(),
  echo: z.boolean().optional(),
  headers: z.boolean().optional(),
  no_responders: z.boolean().optional(),
  protocol: z.number().optional(),
});
export type ConnectOptions = z.output<typeof connectOptions>;

export interface Publication {
  readonly op: 'PUB';
  readonly subject: string;
  readonly reply?: string;
  /** The raw headers with their version line; of HPUB only. */
  readonly header?: Uint8Array;
  readonly payload: Uint8Array;
}

export type Operation =
  | Publication
  | { readonly op: 'CONNECT'; readonly options: ConnectOptions }
  | { readonly op: 'SUB'; readonly subject: string; readonly queue?: string; readonly sid: string }
  | { readonly op: 'UNSUB'; readonly sid: string; readonly max?: number }
  | { readonly op: 'PING' | 'PONG' | 'INFO' | '+OK' };

/** A violation of the protocol by the client. The message goes into `-ERR`, and then the connection ends. */
export class ProtocolError extends Error {
  override name = 'ProtocolError';
}

export interface ParserLimits {
  /** Bytes of headers and payload in one message. */
  readonly maxPayload: number;
  /** Bytes of one line. */
  readonly maxControlLine: number;
}

/** A publication whose payload has not arrived yet. */
interface Announced {
  readonly subject: string;
  readonly reply: string | undefined;
  /** `undefined` for PUB, which has no headers. */
  readonly headerSize: number | undefined;
  readonly size: number;
}

const LF = 10;
const CRLF = '\r\n';
const NOTHING = Buffer.alloc(0);

/**
 * An incremental parser: `push` takes bytes from the socket, `next` returns operations. Payloads are views of those
 * bytes; copy them to retain them.
 *
 * The grammar is that of https://docs.nats.io/reference/reference-protocols/nats-protocol, parsed as leniently as
 * nats-server does: verbs in any case, tabs and several spaces between arguments, lines that end in a bare LF.
 */
export class Parser {
  readonly #limits: ParserLimits;
  #bytes: Buffer = NOTHING;
  /** The read position in `#bytes`. */
  #at = 0;
  /** Buffers that follow `#bytes`, joined to it only when the current operation may be complete. */
  #later: Buffer[] = [];
  #laterSize = 0;
  #announced: Announced | undefined;

  constructor(limits: ParserLimits) {
    this.#limits = limits;
  }

  push(chunk: Buffer): void {
    this.#later.push(chunk);
    this.#laterSize += chunk.length;
  }

  /**
   * The next operation, or `undefined` until more bytes arrive. Throws `ProtocolError`; the parser cannot be used after
   * that.
   */
  next(): Operation | undefined {
    if (!this.#announced) {
      const line = this.#line();
      if (line === undefined) return undefined;
      const read = this.#read(line);
      if ('op' in read) return read;
      this.#announced = read;
    }
    return this.#publication(this.#announced);
  }

  #publication({ subject, reply, headerSize, size }: Announced): Publication | undefined {
    const whole = size + CRLF.length;
    if (this.#bytes.length - this.#at + this.#laterSize < whole) return undefined;
    this.#join(whole);
    const start = this.#at;
    const end = start + size;
    if (this.#bytes.toString('latin1', end, end + CRLF.length) !== CRLF) throw unknownOperation();
    this.#at = end + CRLF.length;
    this.#announced = undefined;
    const body = start + (headerSize ?? 0);
    return {
      op: 'PUB',
      subject,
      ...(reply !== undefined && { reply }),
      ...(headerSize !== undefined && { header: this.#bytes.subarray(start, body) }),
      payload: this.#bytes.subarray(body, end),
    };
  }

  #line(): string | undefined {
    const { maxControlLine } = this.#limits;
    let end = this.#bytes.indexOf(LF, this.#at);
    if (end < 0 && this.#laterSize > 0) {
      this.#join(Number.POSITIVE_INFINITY);
      end = this.#bytes.indexOf(LF, this.#at);
    }
    const length = (end < 0 ? this.#bytes.length : end) - this.#at;
    if (end < 0 || length > maxControlLine) {
      // A client of another protocol may never send a line, so its first bytes are checked already.
      if (!mayBegin(this.#bytes.toString('latin1', this.#at, this.#at + LONGEST_VERB))) throw unknownOperation();
      if (length > maxControlLine) throw new ProtocolError('maximum control line exceeded');
      return undefined;
    }
    const line = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 1;
    return line;
  }

  /** Concatenates the following buffers with the unread bytes, unless `wanted` bytes are there already. */
  #join(wanted: number): void {
    if (this.#laterSize === 0 || this.#bytes.length - this.#at >= wanted) return;
    const rest = this.#bytes.subarray(this.#at);
    this.#bytes =
      rest.length === 0 && this.#later.length === 1 ? this.#later[0]! : Buffer.concat([rest, ...this.#later]);
    this.#at = 0;
    this.#later = [];
    this.#laterSize = 0;
  }

  #read(line: string): Operation | Announced {
    const [word = '', ...args] = words(line);
    const verb = word.toUpperCase();
    switch (verb) {
      case 'PUB':
        return this.#announce(args, false);
      case 'HPUB':
        return this.#announce(args, true);
      case 'SUB':
        return subscription(args);
      case 'UNSUB':
        return unsubscription(args);
      case 'CONNECT':
        return { op: 'CONNECT', options: connectOptionsOf(line.trim().slice(word.length)) };
      case 'PING':
      case 'PONG':
      case 'INFO':
      case '+OK':
        return { op: verb };
      default:
        throw unknownOperation();
    }
  }

  #announce(args: string[], withHeaders: boolean): Announced {
    const sizes = args.splice(withHeaders ? -2 : -1).map(sizeOf);
    const [subject, reply, ...more] = args;
    const size = sizes.at(-1);
    const headerSize = withHeaders ? sizes[0] : undefined;
    if (subject === undefined || more.length > 0 || size === undefined || (headerSize ?? 0) > size)
      throw unknownOperation();
    if (size > this.#limits.maxPayload) throw new ProtocolError('Maximum Payload Violation');
    return { subject, reply, headerSize, size };
  }
}

const VERBS = ['PUB', 'HPUB', 'SUB', 'UNSUB', 'CONNECT', 'PING', 'PONG', 'INFO', '+OK'];
const LONGEST_VERB = Math.max(...VERBS.map(({ length }) => length));

const mayBegin = (start: string): boolean => {
  const [word = ''] = start.split(/[ \t\r]/, 1);
  return VERBS.some((verb) => verb.startsWith(word.toUpperCase()));
};

// Lines with single spaces between arguments, which all clients write, are split without a regular expression.
const words = (line: string): string[] => {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  const parts = text.split(' ');
  return parts.includes('') || text.includes('\t') ? text.split(/[ \t]+/).filter((part) => part !== '') : parts;
};

function subscription(args: string[]): Operation {
  const [subject, second, third, ...more] = args;
  if (subject === undefined || second === undefined || more.length > 0) throw unknownOperation();
  return third === undefined ? { op: 'SUB', subject, sid: second } : { op: 'SUB', subject, queue: second, sid: third };
}

function unsubscription([sid, max, ...more]: string[]): Operation {
  if (sid === undefined || more.length > 0) throw unknownOperation();
  return max === undefined ? { op: 'UNSUB', sid } : { op: 'UNSUB', sid, max: sizeOf(max) };
}

function connectOptionsOf(json: string): ConnectOptions {
  try {
    return connectOptions.parse(JSON.parse(json));
  } catch {
    throw unknownOperation();
  }
}

function sizeOf(digits: string): number {
  if (!/^\d{1,9}$/.test(digits)) throw unknownOperation();
  return Number(digits);
}

const unknownOperation = (): ProtocolError => new ProtocolError('Unknown Protocol Operation');
