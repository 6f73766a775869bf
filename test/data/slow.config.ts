// A troupe with one agent that takes its time: it counts to what it is told, a word every few milliseconds.
import { setTimeout as pause } from 'node:timers/promises';
import type { TroupeOptions } from '../../src/troupe.ts';

export default {
  agents: [
    {
      id: 'counter',
      triggers: ['count to'],
      async *run(message, { signal }) {
        const last = Number(/\d+/.exec(message)?.[0] ?? 3);
        for (let n = 1; n <= last; n += 1) {
          await pause(20, undefined, { signal });
          yield n === 1 ? '1' : ` ${n}`;
        }
      },
    },
  ],
} satisfies TroupeOptions;
