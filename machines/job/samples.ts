// Examples for the chart of a job.
import { byType, type Samples } from '../samples.ts';
import { jobEvent, jobInput, jobSettings } from './events.ts';
import type { jobMachine } from './machine.ts';

export const job = {
  events: byType(jobEvent),
  input: jobInput,
  sample_input: { id: 'j1' },
  samples: {
    enqueue: {
      ...{ orchestrator: 'lead', payload: {}, priority: 'normal', delay_ms: 0, ticket: 't1', at: 0 },
      settings: jobSettings.parse({}),
    },
    progressed: { progress: 0.5, note: 'half of it' },
    step_done: { name: 'fetch', result: {} },
    fail: { reason: 'performing it broke the runtime' },
  },
  outputs: { run: {} },
} satisfies Samples<typeof jobMachine>;
