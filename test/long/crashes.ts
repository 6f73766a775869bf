// Random scripts in a process that dies at each of its steps.
import { scenario } from '../crash.scripts.ts';
import { random } from '../random.ts';
import type { Suite } from './suite.ts';

export const crashes: Suite = {
  name: 'crash',
  patience: 120_000,
  async round(seed) {
    const { deaths, happened } = await scenario(random(seed), `seed ${seed}`);
    return { counts: { scripts: 1, deaths: deaths.length, events: happened.length } };
  },
};
