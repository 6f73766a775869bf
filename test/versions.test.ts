// Versions of charts: one that changed has a new version, and a migration from every version before.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, assign } from 'xstate';
import { breakerMachine } from '../machines/breaker/machine.ts';
import { machines } from '../machines/index.ts';
import { fingerprint } from '../src/testing.ts';
import { breakerWorld } from './worlds/breaker.ts';
import { fingerprints, type Versions, versionsFile } from './worlds/versions.ts';

const kept = JSON.parse(readFileSync(versionsFile, 'utf8')) as Versions;

test.each(Object.entries(fingerprints()))(
  'the %s chart is what its version says: one that changed needs another version, and `npm run versions`',
  (name, { version, fingerprint }) => {
    expect(kept[name]?.[version]).toBe(fingerprint);
  },
);

test.each(Object.entries<AnyStateMachine>(machines))(
  'the %s chart migrates what every version before it has stored',
  (_, { version, root }) => {
    const before = Array.from({ length: Number(version) - 1 }, (_, index) => `${index + 1}`);
    expect(Object.keys((root.meta as { migrate?: object } | undefined)?.migrate ?? {})).toEqual(before);
  },
);

describe('the fingerprint of a chart', () => {
  const own = fingerprint(breakerMachine, [breakerWorld]);
  const of = (change: object): string => fingerprint(breakerMachine.provide(change as never), [breakerWorld]);

  test('is the same every time', () => {
    expect(fingerprint(breakerMachine, [breakerWorld])).toBe(own);
    expect(of({})).toBe(own);
  });

  test.each([
    ['a guard', { guards: { failedTooOften: () => false } }],
    ['an action', { actions: { countOpening: assign({ opened: 0 }) } }],
    ['a delay', { delays: { recovery: 1 } }],
  ])('is another when %s does otherwise', (_, change) => {
    expect(of(change)).not.toBe(own);
  });

  test('is another when a transition leads elsewhere, though no event shows it', () => {
    const { config, implementations } = breakerMachine;
    const changed = new (breakerMachine.constructor as any)(
      { ...config, states: { ...config.states, open: { ...config.states!.open, after: { recovery: 'closed' } } } },
      implementations,
    );
    expect(fingerprint(changed, [breakerWorld])).not.toBe(own);
    expect(fingerprint(changed, []).split('.')[0]).not.toBe(own.split('.')[0]);
  });
});
