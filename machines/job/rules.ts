// The bodies of the job chart's names: pure functions of context and event.
import { assign, setup } from 'xstate';
import type { AttemptDetails, AttemptType, JobEmitted } from '../../src/emitted/emitted.ts';
import { action } from '../action.ts';
import { failureOf, judge, mayRecover } from '../attempt/policy.ts';
import { performed } from '../performed.ts';
import { type JobContext, type JobEvent, type JobInput, type JobRun, jobSettings } from './events.ts';

type Args = { context: JobContext; event: JobEvent };
type Of<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;
const act = action<JobContext, JobEvent, JobEmitted>();

const LONGEST_BACKOFF = 300_000;

export const initialContext = ({ input }: { input: JobInput }): JobContext => ({
  id: input.id,
  orchestrator: '',
  priority: 'normal',
  delay_ms: 0,
  settings: jobSettings.parse({}),
  enqueued_at: 0,
  attempts: 0,
  recoveries: 0,
  steps: 0,
  progress: 0,
  note: null,
  error: null,
  verdict: null,
});

export const inputs = {
  run: ({ context: { orchestrator, attempts: attempt, steps } }: Args): JobRun => ({ orchestrator, attempt, steps }),
};

/** What there is of an attempt when it begins. */
const nothing = { recoveries: 0, progress: 0, note: null, verdict: null };

/** Emits an event of the job: its id, orchestrator and attempt, and `more`. */
const emitJob = <T extends AttemptType>(type: T, more: (args: Args) => AttemptDetails<T>) =>
  act(({ context, event }) => {
    const { id: job_id, orchestrator, attempts: attempt } = context;
    return { emit: [{ type, job_id, orchestrator, attempt, ...more({ context, event }) } as JobEmitted] };
  });

export const { createMachine } = setup({
  types: {
    context: {} as JobContext,
    events: {} as JobEvent,
    input: {} as JobInput,
    emitted: {} as JobEmitted,
    tags: {} as 'passing',
  },
  actors: { run: performed<unknown, JobRun>() },
  guards: {
    hasDelay: ({ event }) => (event as Of<'enqueue'>).delay_ms > 0,
    isHigh: ({ context }) => context.priority === 'high',
    isLow: ({ context }) => context.priority === 'low',
    triesAgain: ({ context }) => context.verdict!.type === 'again',
    recoveriesLeft: ({ context }) => mayRecover(context, context.settings.recoveries),
  },
  actions: {
    take: assign(({ event }) => {
      const { orchestrator, priority, delay_ms, settings, parent, at } = event as Of<'enqueue'>;
      return { orchestrator, priority, delay_ms, settings, enqueued_at: at, ...(parent !== undefined && { parent }) };
    }),
    begin: assign(({ context }) => ({ ...nothing, attempts: context.attempts + 1 })),
    recordProgress: assign(({ context, event }) => {
      const { progress, note } = event as Of<'progressed'>;
      return { progress, note: note ?? context.note };
    }),
    // A job that got on may crash again.
    recordStep: assign(({ context }) => ({ steps: context.steps + 1, recoveries: 0 })),
    recordRecovery: assign(({ context }) => ({ recoveries: context.recoveries + 1 })),
    recordFailure: assign(({ context, event }) => {
      const failure = failureOf(event, `the attempt took longer than ${context.settings.attempt_ms} ms`);
      const limits = { ...context.settings, longest_ms: LONGEST_BACKOFF };
      const { code, message } = failure;
      return { error: { code, message }, verdict: judge({ failures: context.attempts, next: [] }, failure, limits) };
    }),
    recordCrashes: assign(({ context }) => ({
      error: { code: 'crashed', message: `its process died ${context.recoveries + 1} times while it ran` },
    })),
    recordBroken: assign(({ event }) => ({ error: { code: 'internal', message: (event as Of<'fail'>).reason } })),
    finish: assign({ progress: 1, error: null }),
    startOver: assign({ ...nothing, attempts: 0 }),

    tellEnqueued: act(({ context: { id: job_id }, event }) => {
      const { orchestrator, priority, delay_ms } = event as Of<'enqueue'>;
      return { emit: [{ type: 'job_enqueued', job_id, orchestrator, priority, delay_ms }] };
    }),
    tellStarted: emitJob('job_started', () => ({})),
    tellProgress: emitJob('job_progressed', ({ context: { progress, note } }) => ({ progress, note })),
    tellStep: emitJob('job_step_done', ({ event }) => ({ name: (event as Of<'step_done'>).name })),
    tellRecovered: emitJob('job_recovered', ({ context: { recoveries } }) => ({ recoveries })),
    tellFailed: emitJob('job_attempt_failed', ({ context }) => context.error!),
    tellDead: emitJob('job_dead', ({ context }) => context.error!),
    tellDone: emitJob('job_done', () => ({})),
    tellCancelled: emitJob('job_cancelled', ({ event }) => {
      const { by, reason } = event as Of<'cancel'>;
      return { by, reason };
    }),
    tellRetried: emitJob('job_retried', ({ event }) => ({ by: (event as Of<'retry'>).by })),
  },
  delays: {
    delay: ({ context }) => context.delay_ms,
    attemptTimeout: ({ context }) => context.settings.attempt_ms,
    backoff: ({ context }) => (context.verdict as { wait_ms: number }).wait_ms,
  },
});
