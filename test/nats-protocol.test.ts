// The parser of the NATS protocol reads the same however the bytes are split, and breaks only with a sentence of its own.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Operation, Parser, ProtocolError } from '../src/nats/protocol.ts';

const LIMITS = { maxPayload: 64, maxControlLine: 80 };

/** What was read: operations, and at the end why not more. */
function read(chunks: readonly Buffer[]): unknown[] {
  const parser = new Parser(LIMITS);
  const found: unknown[] = [];
  try {
    for (const chunk of chunks) {
      parser.push(chunk);
      for (let one = parser.next(); one; one = parser.next()) found.push(plain(one));
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    found.push(error.message);
  }
  return found;
}

const plain = (operation: Operation): unknown =>
  operation.op === 'PUB'
    ? { ...operation, header: operation.header && [...operation.header], payload: [...operation.payload] }
    : operation;

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const token = fc.stringMatching(/^[a-z0-9_$*>ü-]{1,8}$/);
const subject = fc.array(token, { minLength: 1, maxLength: 3 }).map((tokens) => tokens.join('.'));
const cuts = fc.array(fc.nat(10_000), { maxLength: 12 });
const gap = fc.constantFrom(' ', '\t', '   ');
const end = fc.constantFrom('\r\n', '\n', ' \r\n');

interface Written {
  readonly bytes: Buffer;
  readonly operation: unknown;
}

const written = (line: readonly string[], space: string, lineEnd: string, operation: unknown, body?: Uint8Array) => ({
  bytes: Buffer.concat([Buffer.from(line.join(space) + lineEnd), ...(body ? [body, Buffer.from('\r\n')] : [])]),
  operation,
});

const verb = (word: string) => fc.constantFrom(word, word.toLowerCase(), word[0]!.toLowerCase() + word.slice(1));

const publications = fc
  .tuple(verb('PUB'), subject, fc.option(subject, { nil: undefined }), fc.uint8Array({ maxLength: 64 }), gap, end)
  .map(([word, to, reply, body, space, lineEnd]): Written => {
    const line = [word, to, ...(reply ? [reply] : []), `${body.length}`];
    const operation = { op: 'PUB', subject: to, ...(reply && { reply }), header: undefined, payload: [...body] };
    return written(line, space, lineEnd, operation, body);
  });
const withHeaders = fc
  .tuple(verb('HPUB'), subject, fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ maxLength: 30 }), gap, end)
  .map(([word, to, header, payload, space, lineEnd]): Written => {
    const line = [word, to, `${header.length}`, `${header.length + payload.length}`];
    const operation = { op: 'PUB', subject: to, header: [...header], payload: [...payload] };
    return written(line, space, lineEnd, operation, Buffer.concat([header, payload]));
  });
const subscriptions = fc
  .tuple(verb('SUB'), subject, fc.option(token, { nil: undefined }), token, gap, end)
  .map(([word, to, queue, sid, space, lineEnd]): Written => {
    const line = [word, to, ...(queue ? [queue] : []), sid];
    return written(line, space, lineEnd, { op: 'SUB', subject: to, ...(queue && { queue }), sid });
  });
const ends = fc
  .tuple(verb('UNSUB'), token, fc.option(fc.nat(1000), { nil: undefined }), gap, end)
  .map(([word, sid, max, space, lineEnd]): Written => {
    const line = [word, sid, ...(max === undefined ? [] : [`${max}`])];
    return written(line, space, lineEnd, { op: 'UNSUB', sid, ...(max !== undefined && { max }) });
  });
const words = fc
  .tuple(fc.constantFrom('PING', 'PONG', '+OK', 'INFO'), end)
  .map(([word, lineEnd]): Written => written([word], ' ', lineEnd, { op: word }));
const connects = fc
  .tuple(fc.record({ verbose: fc.boolean(), echo: fc.boolean() }, { requiredKeys: [] }), end)
  .map(([options, lineEnd]): Written => {
    const json = JSON.stringify({ ...options, lang: 'x y' });
    return written(['CONNECT', json], ' ', lineEnd, { op: 'CONNECT', options });
  });
const speech = fc.array(fc.oneof(publications, withHeaders, subscriptions, ends, words, connects), { maxLength: 8 });

describe('the parser', () => {
  test('reads what was written, however it is split', () => {
    fc.assert(
      fc.property(speech, cuts, (said, at) => {
        const bytes = Buffer.concat(said.map((one) => one.bytes));
        expect(read(split(bytes, at))).toEqual(said.map((one) => one.operation));
      }),
      { numRuns: 1000 },
    );
  });

  test('reads the same from bytes that are damaged, whole or split, and never fails but with a ProtocolError', () => {
    const damage = fc.array(fc.tuple(fc.nat(10_000), fc.nat(255)), { maxLength: 3 });
    fc.assert(
      fc.property(speech, damage, fc.uint8Array({ maxLength: 100 }), cuts, (said, hits, rest, at) => {
        const bytes = Buffer.concat([...said.map((one) => one.bytes), rest]);
        for (const [where, value] of hits) if (bytes.length > 0) bytes[where % bytes.length] = value;
        expect(read(split(bytes, at))).toEqual(read([bytes]));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    ['PUB a 65\r\n', 'Maximum Payload Violation'],
    ['HPUB a 12 65\r\n', 'Maximum Payload Violation'],
    [`SUB ${'a'.repeat(80)} 1\r\n`, 'maximum control line exceeded'],
    [`SUB ${'a'.repeat(80)}`, 'maximum control line exceeded'],
    ['GET', 'Unknown Protocol Operation'],
    ['\x16\x03\x01', 'Unknown Protocol Operation'],
    ['PUB a 2\r\nabc\r\n', 'Unknown Protocol Operation'],
    ['HPUB a 3 2\r\n', 'Unknown Protocol Operation'],
    ['HPUB 2\r\n', 'Unknown Protocol Operation'],
    ['UNSUB 1 -1\r\n', 'Unknown Protocol Operation'],
    ['CONNECT {"echo":"yes"}\r\n', 'Unknown Protocol Operation'],
  ])('%j is refused before any more has come', (said, complaint) => {
    expect(read([Buffer.from(said)])).toEqual([complaint]);
  });
});
