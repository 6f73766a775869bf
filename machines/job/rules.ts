// The bodies of the job chart's names: pure functions of context and event.
import { setup } from 'xstate';
import type { Failure } from '../attempt/events.ts';
import { judge, mayRecover } from '../attempt/policy.ts';
import { type JobContext, type JobEmitted, type JobEvent, type JobInput, type JobRun, jobSettings } from './events.ts';

type Args = { context: JobContext; event: JobEvent };
type Of<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

const { assign, emit } = setup({
  types: { context: {} as JobContext, events: {} as JobEvent, emitted: {} as JobEmitted },
});

/** Why an attempt failed; one that took too long may be quicker the next time. */
const failureOf = ({ context, event }: Args): Failure =>
  (event as { error?: Failure }).error ?? {
    code: 'timeout',
    message: `the attempt took longer than ${context.settings.attempt_ms} ms`,
    retryable: true,
  };

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
  run: ({ context: { orchestrator, attempts, steps } }: { context: JobContext }): JobRun => ({
    orchestrator,
    attempt: attempts,
    steps,
  }),
};

export const guards = {
  hasDelay: ({ event }: Args) => (event as Of<'enqueue'>).delay_ms > 0,
  isHigh: ({ context }: Args) => context.priority === 'high',
  isLow: ({ context }: Args) => context.priority === 'low',
  triesAgain: ({ context }: Args) => context.verdict!.type === 'again',
  recoveriesLeft: ({ context }: Args) => mayRecover(context, context.settings.recoveries),
};

export const delays = {
  delay: ({ context }: Args) => context.delay_ms,
  attemptTimeout: ({ context }: Args) => context.settings.attempt_ms,
  backoff: ({ context }: Args) => (context.verdict as { wait_ms: number }).wait_ms,
};

const base = ({ id, orchestrator, attempts }: JobContext) => ({ job_id: id, orchestrator, attempt: attempts });

export const actions = {
  take: assign(({ event }) => {
    const { orchestrator, priority, delay_ms, settings, parent, at } = event as Of<'enqueue'>;
    return { orchestrator, priority, delay_ms, settings, enqueued_at: at, ...(parent !== undefined && { parent }) };
  }),
  begin: assign(({ context }) => ({
    attempts: context.attempts + 1,
    recoveries: 0,
    progress: 0,
    note: null,
    verdict: null,
  })),
  recordProgress: assign(({ context, event }) => {
    const { progress, note } = event as Of<'progressed'>;
    return { progress, note: note ?? context.note };
  }),
  // Whoever gets on may crash again.
  recordStep: assign(({ context }) => ({ steps: context.steps + 1, recoveries: 0 })),
  recordRecovery: assign(({ context }) => ({ recoveries: context.recoveries + 1 })),
  recordFailure: assign(({ context, event }) => {
    const failure = failureOf({ context, event });
    const { attempts, backoff_ms } = context.settings;
    const limits = { attempts, backoff_ms, longest_ms: LONGEST_BACKOFF };
    const { code, message } = failure;
    return { error: { code, message }, verdict: judge({ failures: context.attempts, next: [] }, failure, limits) };
  }),
  recordCrashes: assign(({ context }) => ({
    error: { code: 'crashed', message: `its process died ${context.recoveries + 1} times while it ran` },
  })),
  recordBroken: assign(({ event }) => ({ error: { code: 'internal', message: (event as Of<'fail'>).reason } })),
  finish: assign({ progress: 1, error: null }),
  startOver: assign({ attempts: 0, recoveries: 0, progress: 0, note: null, verdict: null }),

  tellEnqueued: emit(({ context, event }) => {
    const { orchestrator, priority, delay_ms } = event as Of<'enqueue'>;
    return { type: 'job_enqueued', job_id: context.id, orchestrator, priority, delay_ms };
  }),
  tellStarted: emit(({ context }) => ({ type: 'job_started', ...base(context) })),
  tellProgress: emit(({ context }) => ({
    type: 'job_progressed',
    ...base(context),
    progress: context.progress,
    note: context.note,
  })),
  tellStep: emit(({ context, event }) => ({
    type: 'job_step_done',
    ...base(context),
    name: (event as Of<'step_done'>).name,
  })),
  tellRecovered: emit(({ context }) => ({ type: 'job_recovered', ...base(context), recoveries: context.recoveries })),
  tellFailed: emit(({ context }) => ({ type: 'job_attempt_failed', ...base(context), ...context.error })),
  tellDead: emit(({ context }) => ({ type: 'job_dead', ...base(context), ...context.error })),
  tellDone: emit(({ context }) => ({ type: 'job_done', ...base(context) })),
  tellCancelled: emit(({ context, event }) => {
    const { by, reason } = event as Of<'cancel'>;
    return { type: 'job_cancelled', ...base(context), by, reason };
  }),
  tellRetried: emit(({ context, event }) => ({
    type: 'job_retried',
    ...base(context),
    by: (event as Of<'retry'>).by,
  })),
};
