// The rules of NATS subjects: which are valid, and which pattern matches which subject.

import { BadSubject } from './transport.ts';

/** Matches exactly one token. */
export const ANY = '*';
/** Matches one or more tokens; allowed as the last token only. */
export const REST = '>';

// The characters that nats-server refuses in a token; it accepts other control characters.
const FORBIDDEN = /[\0\t\n\f\r ]/;

/** Whether messages can be published to the subject: no white space, no empty token, no wildcard. */
export function isSubject(subject: string): boolean {
  return !FORBIDDEN.test(subject) && eachToken(subject, (token) => token !== ANY && token !== REST);
}

/**
 * Whether a client can subscribe to the subject or pattern. A `*` or `>` inside a longer token is an ordinary
 * character.
 */
export function isPattern(pattern: string): boolean {
  return !FORBIDDEN.test(pattern) && eachToken(pattern, (token, last) => token !== REST || last);
}

/** Whether a valid pattern can match more than one subject. */
export function isWild(pattern: string): boolean {
  return !eachToken(pattern, (token) => token !== ANY && token !== REST);
}

/** Whether a valid pattern matches a valid subject. */
export function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  for (const [i, token] of wanted.entries()) {
    if (i === tokens.length) return false;
    if (token === REST) return true;
    if (token !== ANY && token !== tokens[i]) return false;
  }
  return wanted.length === tokens.length;
}

export function assertSubject(subject: string): void {
  if (!isSubject(subject)) throw new BadSubject(`not a subject to publish to: ${JSON.stringify(subject)}`);
}

export function assertPattern(pattern: string): void {
  if (!isPattern(pattern)) throw new BadSubject(`not a subject to subscribe to: ${JSON.stringify(pattern)}`);
}

/** NATS accepts any name without white space for a queue group. */
export function assertQueue(queue: string): void {
  if (queue === '' || FORBIDDEN.test(queue)) throw new BadSubject(`not a queue group: ${JSON.stringify(queue)}`);
}

// Runs on every publish, so it slices only tokens that can be a wildcard: those one character long.
function eachToken(subject: string, accept: (token: string, last: boolean) => boolean): boolean {
  for (let start = 0; ; ) {
    const dot = subject.indexOf('.', start);
    const end = dot < 0 ? subject.length : dot;
    if (end === start) return false;
    if (end === start + 1 && !accept(subject[start]!, dot < 0)) return false;
    if (dot < 0) return true;
    start = dot + 1;
  }
}
