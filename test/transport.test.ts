// The memory transport keeps the promises of every transport, and its subjects match as NATS's do.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SteppedClock } from '../src/platform/clock.ts';
import { Interest } from '../src/transport/interest.ts';
import { memoryTransport } from '../src/transport/memory.ts';
import { isPattern, isSubject, matches } from '../src/transport/subjects.ts';
import { RequestTimeout } from '../src/transport/transport.ts';
import { transportConformance } from './transport.ts';

transportConformance('memory', (onError) => memoryTransport({ onError }));

describe('memory transport', () => {
  test('the members of a queue group take turns as chance has it', async () => {
    const chance = [0, 0.99, 0.5, 0.2];
    const transport = memoryTransport({ random: () => chance.shift()! });
    const turns: string[] = [];
    for (const name of ['ann', 'bob', 'cy']) transport.subscribe('work', () => turns.push(name), { queue: 'q' });
    for (let i = 0; i < 4; i++) transport.publish('work', '');
    await transport.flush();
    expect(turns).toEqual(['ann', 'cy', 'bob', 'ann']);
  });

  test('requests time out by the clock they are given', async () => {
    const clock = new SteppedClock();
    const transport = memoryTransport({ clock });
    transport.subscribe('silent', () => {});
    const outcome = expect(transport.request('silent', '', { timeout: 60_000 })).rejects.toThrow(RequestTimeout);
    clock.advance(60_000);
    await outcome;
    expect(clock.next()).toBeUndefined();
  });
});

describe('subjects', () => {
  // Few tokens, so that patterns and subjects meet often; some that only look like wildcards.
  const token = fc.constantFrom('a', 'b', 'c', 'a*', '>b', '**');
  const subjects = fc.array(token, { minLength: 1, maxLength: 5 }).map((tokens) => tokens.join('.'));
  const patterns = fc
    .tuple(fc.array(fc.oneof(token, fc.constant('*')), { maxLength: 4 }), fc.constantFrom('a', 'b', '*', '>'))
    .map(([tokens, last]) => [...tokens, last].join('.'));

  /** The rule of NATS, written as a regular expression. */
  function reference(pattern: string, subject: string): boolean {
    const tokens = pattern.split('.').map((token) => {
      if (token === '*') return '[^.]+';
      if (token === '>') return '.+';
      return token.replaceAll('*', '\\*');
    });
    return new RegExp(`^${tokens.join('\\.')}$`).test(subject);
  }

  test('a pattern matches exactly the subjects that the rule says', () => {
    fc.assert(
      fc.property(patterns, subjects, (pattern, subject) => {
        expect(matches(pattern, subject)).toBe(reference(pattern, subject));
      }),
    );
  });

  test('of many patterns, some of them taken away again, exactly the matching ones are found', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(patterns, fc.boolean())), subjects, (filed, subject) => {
        const interest = new Interest<number>();
        for (const [i, [pattern]] of filed.entries()) interest.add(pattern, i);
        for (const [i, [pattern, kept]] of filed.entries()) if (!kept) interest.remove(pattern, i);
        const expected = [...filed.entries()].filter(([, [pattern, kept]]) => kept && reference(pattern, subject));
        expect(interest.match(subject).sort((a, b) => a - b)).toEqual(expected.map(([i]) => i));
      }),
    );
  });

  test('a subject is valid when it has no empty token, no white space and no wildcard; a pattern may end in >', () => {
    const tokens = fc.array(fc.constantFrom('a', 'bc', '', ' ', 'a b', '*', '>', '*a', '\0', 'ü'), { maxLength: 4 });
    fc.assert(
      fc.property(tokens, (parts) => {
        const subject = parts.join('.');
        const words = subject.split('.');
        const plain = words.every((word) => /^[^\s\0]+$/.test(word));
        expect(isSubject(subject)).toBe(plain && words.every((word) => word !== '*' && word !== '>'));
        expect(isPattern(subject)).toBe(plain && words.slice(0, -1).every((word) => word !== '>'));
      }),
    );
  });
});
