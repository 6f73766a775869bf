// A troupe whose one orchestrator takes its time, and writes down outside of the runtime what it has done.
import { appendFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { defineAgent, defineOrchestrator } from '../../src/index.ts';

const courier = defineAgent({ id: 'courier', run: (message) => `delivered ${message}` });

const deliver = defineOrchestrator({
  name: 'deliver',
  version: '1',
  payload: z.object({ n: z.number() }),
  async run({ n }, { step, progress, call, record, idempotency_key }) {
    for (const name of ['pick', 'pack', 'send']) {
      await step(name, async () => {
        await pause(15);
        appendFileSync('ledger', `${idempotency_key} ${name}\n`);
      });
      progress(0.3, name);
    }
    return [record({ n }, await call('courier', String(n)))];
  },
});

export default { agents: [courier], orchestrators: [deliver] };
