// What the present version of every chart is and does, for comparison with what is kept in machines/versions.json.
import type { AnyStateMachine } from 'xstate';
import { machines } from '../../machines/index.ts';
import { fingerprint } from '../../src/testing.ts';
import { worlds } from './all.ts';

/** By chart, the fingerprint of each version. */
export type Versions = Record<string, Record<string, string>>;

export const versionsFile = new URL('../../machines/versions.json', import.meta.url);

export const fingerprints = (): Record<string, { readonly version: string; readonly fingerprint: string }> =>
  Object.fromEntries(
    Object.entries<AnyStateMachine>(machines).map(([name, machine]) => {
      const { version } = machine;
      return [name, { version: version!, fingerprint: fingerprint(machine, worlds[name as keyof typeof machines]) }];
    }),
  );
