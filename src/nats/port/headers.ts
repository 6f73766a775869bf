// Codec of the headers of HPUB and HMSG: a version line that may carry a status, then one line per header.

import type { Headers } from '../../transport/transport.ts';

const VERSION = 'NATS/1.0';
const NAME = /^[\x21-\x39\x3b-\x7e]+$/;
const STATUS = /^\d{3}$/;

/**
 * The bytes of headers, or `undefined` when there are none. A `Status` of three digits goes into the version line,
 * where clients look for it. Names that would break the protocol are left out and line breaks in values replaced,
 * because there is no publisher left to report an error to.
 */
export function writeHeaders(headers: Headers | undefined): Buffer | undefined {
  if (!headers) return undefined;
  let first = VERSION;
  let lines = '';
  for (const [name, value] of Object.entries(headers)) {
    if (name === 'Status' && STATUS.test(value)) first += ` ${value}${described(headers)}`;
    else if (NAME.test(name) && !(name === 'Description' && isStatus(headers)))
      lines += `${name}: ${oneLine(value)}\r\n`;
  }
  return first === VERSION && lines === '' ? undefined : Buffer.from(`${first}\r\n${lines}\r\n`);
}

/** Decodes headers; of several values of one name the first counts. Lines that are not headers are skipped. */
export function readHeaders(bytes: Uint8Array): Headers | undefined {
  const [first = '', ...lines] = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString().split('\r\n');
  const headers: Headers = {};
  const [, status, description] = /^NATS\/\d\.\d +(\d{3})(?: +(.*))?$/.exec(first) ?? [];
  if (status) headers.Status = status;
  if (description) headers.Description = description.trim();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    if (colon > 0 && NAME.test(name) && !Object.hasOwn(headers, name)) headers[name] = line.slice(colon + 1).trim();
  }
  return Object.keys(headers).length === 0 ? undefined : headers;
}

const isStatus = ({ Status }: Headers): boolean => Status !== undefined && STATUS.test(Status);
const described = ({ Description }: Headers): string => (Description ? ` ${oneLine(Description)}` : '');
const oneLine = (value: string): string => value.replace(/[\r\n]+/g, ' ');
