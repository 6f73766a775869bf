// Agents for the inspector's tests: one that answers at once, one that goes on word by word when it is told to, one that asks.
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import type { TroupeOptions } from '../../src/index.ts';

export default {
  agents: [
    { id: 'echo', triggers: ['say'], run: (message) => message },
    { id: 'shout', run: (message) => message.toUpperCase() },
    {
      id: 'reader',
      triggers: ['read out'],
      /** Says the next word when a file of that name lies in the folder of the service, so that a test decides when. */
      async *run(message, { signal, call }) {
        const words = message.split(' ').slice(2);
        for (const [index, word] of words.entries()) {
          while (!existsSync(`${call.session_id}.${index}`)) await pause(10, undefined, { signal });
          yield index === 0 ? word : ` ${word}`;
        }
      },
    },
    {
      id: 'refunds',
      triggers: ['refund'],
      run: (_, { call }) =>
        call.decision?.kind === 'approval'
          ? `It was a clear ${call.decision.decision}.`
          : { type: 'approval_required', action: 'refund', summary: 'Pay 20 back?' },
    },
  ],
} satisfies TroupeOptions;
