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
export type JobSettings = z.infer<typeof jobSettings>;

export interface JobInput {
  readonly id: string;
}

/** What was asked for. The payload stays in the entry that took it: nothing but the run reads it. */
export interface Order {
  readonly orchestrator: string;
  readonly payload: unknown;
  readonly priority: Priority;
  /** How long it waits before it may begin, ms. */
  readonly delay_ms: number;
  readonly settings: JobSettings;
  /** The job that enqueued it. */
  readonly parent?: string;
  /** Names the request: the same one may come twice. */
  readonly ticket: string;
  /** ms since the epoch */
  readonly at: number;
}

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

export type JobEvent =
  | ({ readonly type: 'enqueue' } & Order)
  /** A worker is free. */
  | { readonly type: 'start' }
  | { readonly type: 'progressed'; readonly progress: number; readonly note?: string }
  | { readonly type: 'step_done'; readonly name: string; readonly result: unknown }
  /** The process that ran it died; another runs it again. */
  | { readonly type: 'recovered' }
  | { readonly type: 'cancel'; readonly by?: string; readonly reason?: string }
  | { readonly type: 'retry'; readonly by?: string }
  /** The runtime gives the job up: performing it broke the runtime again and again. */
  | { readonly type: 'fail'; readonly reason: string };

export type JobEmitted = { readonly type: string; readonly [member: string]: unknown };

/** What an attempt is made from; the payload and what steps came to are read from the job's entries. */
export interface JobRun {
  readonly orchestrator: string;
  readonly attempt: number;
  readonly steps: number;
}
