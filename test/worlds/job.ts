// Everything that can happen to a job, as little of it as its guards and delays can tell apart.
import type { AnyMachineSnapshot } from 'xstate';
import { type JobContext, type JobEvent, jobSettings, priorities } from '../../machines/job/events.ts';
import type { jobMachine } from '../../machines/job/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

/** Small limits, so that each is met. */
export const settings = jobSettings.parse({ attempts: 2, recoveries: 1 });

const order = {
  type: 'enqueue',
  orchestrator: 'lead',
  payload: {},
  settings,
  delay_ms: 0,
  ticket: 't',
  at: 1,
} as const;

const events: JobEvent[] = [
  ...priorities.map((priority) => ({ ...order, priority })),
  { ...order, priority: 'high', delay_ms: 1_000 },
  { type: 'start' },
  { type: 'progressed', progress: 0.5, note: 'half' },
  { type: 'step_done', name: 'one', result: 1 },
  { type: 'recovered' },
  { type: 'cancel', by: 'ann' },
  { type: 'retry', by: 'ann' },
  { type: 'fail', reason: 'test' },
];

export const jobWorld = {
  input: { id: 'j1' },
  events,
  results: {
    run: [
      { output: { records: [] } },
      { error: { code: 'test', message: 'no', retryable: true } },
      { error: { code: 'test', message: 'later', retryable: true, retry_after_s: 7 } },
      { error: { code: 'test', message: 'never', retryable: false } },
    ],
  },
  /** The value, and of the context what guards and delays read. Steps only ever grow. */
  serialize: ({ value, context }: AnyMachineSnapshot): unknown => {
    const { priority, attempts, recoveries, verdict } = context as JobContext;
    const { attempts: most, recoveries: longest } = settings;
    return [value, priority, Math.min(attempts, most + 1), Math.min(recoveries, longest + 1), verdict];
  },
} satisfies ExploreOptions<typeof jobMachine>;
