// The bodies of the job chart's names: pure functions of context and event.
import { setup } from 'xstate';
import type { Failure } from '../session/events.ts';
import { type JobContext, type JobEmitted, type JobEvent, type JobInput, type JobRun, jobSettings } from './events.ts';

type Args = { context: JobContext; event: JobEvent };
type Of<T extends JobEvent['type']> = Extract<JobEvent, { type: T }>;

const { assign, emit } = setup({
  types: { context: {} as JobContext, events: {} as JobEvent, emitted: {} as JobEmitted },
});

// Results come in as XState's own error events, which the event type does not list.
const failure = (event: unknown): Failure | undefined => (event as { error?: Failure }).error;

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
  wait_ms: 0,
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
  // An attempt that took too long may be quicker the next time.
  triesLeft: ({ context, event }: Args) =>
    (failure(event)?.retryable ?? true) && context.attempts < context.settings.attempts,
  recoveredTooOften: ({ context }: Args) => context.recoveries >= context.settings.recoveries,
};

export const delays = {
  delay: ({ context }: Args) => context.delay_ms,
  attemptTimeout: ({ context }: Args) => context.settings.attempt_ms,
  backoff: ({ context: { attempts, settings, wait_ms } }: Args) =>
    Math.max(wait_ms, Math.min(LONGEST_BACKOFF, settings.backoff_ms * 2 ** (attempts - 1))),
};

const because = (error: JobContext['error'], wait_ms = 0) => ({ error, wait_ms });

const base = ({ id, orchestrator, attempts }: JobContext) => ({ job_id: id, orchestrator, attempt: attempts });

export const actions = {
  take: assign(({ event }) => {
    const { orchestrator, priority, delay_ms, settings, parent, at } = event as Of<'enqueue'>;
    return { orchestrator, priority, delay_ms, settings, enqueued_at: at, ...(parent !== undefined && { parent }) };
  }),
  begin: assign(({ context }) => ({ attempts: context.attempts + 1, recoveries: 0, progress: 0, note: null })),
  recordProgress: assign(({ context, event }) => {
    const { progress, note } = event as Of<'progressed'>;
    return { progress, note: note ?? context.note };
  }),
  // Whoever gets on may crash again.
  recordStep: assign(({ context }) => ({ steps: context.steps + 1, recoveries: 0 })),
  recordRecovery: assign(({ context }) => ({ recoveries: context.recoveries + 1 })),
  recordFailure: assign(({ event }) => {
    const { code, message, retry_after_s = 0 } = failure(event)!;
    return because({ code, message }, retry_after_s * 1_000);
  }),
  recordTimeout: assign(({ context }) =>
    because({ code: 'timeout', message: `the attempt took longer than ${context.settings.attempt_ms} ms` }),
  ),
  recordCrashes: assign(({ context }) =>
    because({ code: 'crashed', message: `its process died ${context.recoveries + 1} times while it ran` }),
  ),
  recordBroken: assign(({ event }) => because({ code: 'internal', message: (event as Of<'fail'>).reason })),
  finish: assign({ progress: 1, error: null, wait_ms: 0 }),
  startOver: assign({ attempts: 0, recoveries: 0, progress: 0, note: null, wait_ms: 0 }),

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
