// Codec of headers between a plain record and the bytes of the protocol.

import type { MsgHdrs } from '@nats-io/transport-node';
import type { Headers } from '../transport/transport.ts';

const NAME = /^[\x21-\x39\x3b-\x7e]+$/;
const LINE_BREAK = /[\r\n]/;
const encoder = new TextEncoder();

/** Encoded headers. */
export interface Encoded {
  readonly bytes: Uint8Array;
  /** For the client's `publish`, which only calls `encode` of the headers. */
  readonly forClient: MsgHdrs;
}

/** Encodes headers. Throws `TypeError` on a name or value that would break the protocol. */
export function encodeHeaders(headers: Headers): Encoded {
  let text = 'NATS/1.0\r\n';
  for (const name in headers) {
    const value = headers[name]!;
    if (!NAME.test(name)) throw new TypeError(`not the name of a header: ${JSON.stringify(name)}`);
    if (LINE_BREAK.test(value)) throw new TypeError(`the header ${name} must not contain line breaks`);
    text += `${name}: ${value}\r\n`;
  }
  const bytes = encoder.encode(`${text}\r\n`);
  return { bytes, forClient: { encode: () => bytes } as unknown as MsgHdrs };
}

/**
 * Decodes headers. The server's own status, such as 503 for "no responders", is in the version line and becomes the
 * header `Status`.
 */
export function decodeHeaders(headers: MsgHdrs | undefined): Headers | undefined {
  if (!headers) return undefined;
  const record: Headers = headers.code > 0 ? { Status: String(headers.code) } : {};
  for (const [name, values] of headers) record[name] = values[0]!;
  return record;
}
