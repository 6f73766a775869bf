// What can happen to a job: the schemas of its settings, its events, input and context.
import { z } from 'zod';
import type { Failure, Verdict } from '../attempt/events.ts';

export const priorities = ['high', 'normal', 'low'] as const;
export type Priority = (typeof priorities)[number];

/** What a job keeps to for its life. Times in milliseconds. */
export const jobSettings = z.strictObject({
  /** Attempts before the job is dead; a person may then try it again. */
  attempts: z.int().min(1).max(100).default(3),
  /** The longest attempt. */
  attempt_ms: z.int().positive().default(300_000),
  /** The first wait between attempts; it doubles up to 5 minutes. */
  backoff_ms: z.int().min(0).default(1_000),
  /** How often an attempt may outlive a crash of its process, without a step in between, before the job is dead. */
  recoveries: z.int().min(0).default(5),
});

const text = z.string();

export const jobInput = z.object({ id: text });
export type JobInput = z.infer<typeof jobInput>;

/** What was asked for. The payload stays in the entry that took it: nothing but the run reads it. */
export const order = z.object({
  orchestrator: text,
  payload: z.unknown(),
  priority: z.enum(priorities),
  /** How long it waits before it may begin, ms. */
  delay_ms: z.number().min(0),
  settings: jobSettings,
  /** The job that enqueued it. */
  parent: text.optional(),
  /** Names the request: the same one may come twice. */
  ticket: text,
  /** ms since the epoch */
  at: z.number(),
});
export type Order = z.infer<typeof order>;

export interface JobContext extends Omit<Order, 'payload' | 'ticket' | 'at'> {
  readonly id: string;
  readonly enqueued_at: number;
  /** Attempts begun since it was enqueued, or a person tried it again. */
  readonly attempts: number;
  /** Crashes that this attempt has outlived since its last step. */
  readonly recoveries: number;
  /** Steps that are done and will not be done again; what they came to is in their entries. */
  readonly steps: number;
  /** 0 … 1 */
  readonly progress: number;
  readonly note: string | null;
  readonly error: Pick<Failure, 'code' | 'message'> | null;
  /** What follows from the last attempt, if that failed; null while one is at work or none was begun. */
  readonly verdict: Verdict | null;
}

export const jobEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('enqueue'), ...order.shape }),
  /** A worker is free. */
  z.object({ type: z.literal('start') }),
  z.object({ type: z.literal('progressed'), progress: z.number().min(0).max(1), note: text.optional() }),
  z.object({ type: z.literal('step_done'), name: text, result: z.unknown() }),
  /** The process that ran it died; another runs it again. */
  z.object({ type: z.literal('recovered') }),
  z.object({ type: z.literal('cancel'), by: text.optional(), reason: text.optional() }),
  z.object({ type: z.literal('retry'), by: text.optional() }),
  /** The runtime gives the job up: performing it broke the runtime again and again. */
  z.object({ type: z.literal('fail'), reason: text }),
]);
export type JobEvent = z.infer<typeof jobEvent>;

/** What an attempt is made from; the payload and what steps came to are read from the job's entries. */
export interface JobRun {
  readonly orchestrator: string;
  readonly attempt: number;
  readonly steps: number;
}
