// A job's view for callers and lists, read from its last entry.
import { z } from 'zod';
import type { JobContext, Order } from '../../machines/job/events.ts';
import { type Priority, priorities } from '../../machines/job/events.ts';
import type { Entry } from '../journal/journal.ts';
import { type Envelope, envelope } from '../orchestration/envelope.ts';

export const jobStates = ['delayed', 'waiting', 'running', 'backingOff', 'done', 'dead', 'cancelled'] as const;
export type JobState = (typeof jobStates)[number];

/** States that a job leaves only by a retry. */
export const ENDED: ReadonlySet<string> = new Set<JobState>(['done', 'dead', 'cancelled']);

export interface JobView {
  readonly job_id: string;
  readonly orchestrator: string;
  readonly state: JobState;
  readonly priority: Priority;
  /** 0 … 1 */
  readonly progress: number;
  readonly note: string | null;
  /** Attempts begun since it was enqueued or last retried by hand. */
  readonly attempts: number;
  /** Count of completed steps, which are not repeated. */
  readonly steps: number;
  /** The job that enqueued it. */
  readonly parent?: string;
  /** Times are ms since the epoch. */
  readonly enqueued_at: number;
  readonly updated_at: number;
  /** Time of its next attempt, if it waits for one. */
  readonly due_at?: number;
  /** Error of the last failed attempt. */
  readonly error: { readonly code: string; readonly message: string } | null;
  /** The run's result, once it is done. */
  readonly result?: Envelope;
}

const time = z.number().describe('ms since the epoch');

export const jobView: z.ZodType<JobView> = z.object({
  job_id: z.string(),
  orchestrator: z.string(),
  state: z.enum(jobStates),
  priority: z.enum(priorities),
  progress: z.number().describe('0 to 1'),
  note: z.string().nullable(),
  attempts: z.int(),
  steps: z.int().describe('done, and not done again by another attempt'),
  parent: z.string().optional().describe('the job that enqueued it'),
  enqueued_at: time,
  updated_at: time,
  due_at: time.optional().describe('when it goes on by itself'),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  result: envelope.optional(),
});

export function viewOf({ at, event, state, snapshot, owed }: Entry): JobView {
  const { id, orchestrator, priority, progress, note, attempts, steps, parent, enqueued_at, error } =
    snapshot.context as JobContext;
  const top = state.split('.', 1)[0] as JobState;
  const due = top === 'running' ? undefined : owed.find((one) => one.due !== undefined)?.due;
  return {
    job_id: id,
    orchestrator,
    state: top,
    priority,
    progress,
    note,
    attempts,
    steps,
    ...(parent !== undefined && { parent }),
    enqueued_at,
    updated_at: at,
    ...(due !== undefined && { due_at: due }),
    error,
    ...(top === 'done' && { result: event.output as Envelope }),
  };
}

/** The order that the job was created with, from its first entry. */
export const orderOf = ({ event }: Entry): Order => event as unknown as Order;
