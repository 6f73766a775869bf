// The events that the job chart emits, as schemas.
import { z } from 'zod';
import { priorities } from '../../machines/job/events.ts';
import { event } from './event.ts';

const text = z.string();
const ofAttempt = { job_id: text, orchestrator: text, attempt: z.int().describe('counted from 1; 0 before the first') };
const error = { code: text, message: text };

export const jobEvents = [
  event('job_enqueued', 'A job is taken.', {
    job_id: text,
    orchestrator: text,
    priority: z.enum(priorities),
    delay_ms: z.number(),
  }),
  event('job_started', 'An attempt begins.', ofAttempt),
  event('job_progressed', 'The attempt at work says how far it is.', {
    ...ofAttempt,
    progress: z.number().describe('0 to 1'),
    note: text.nullable(),
  }),
  event('job_step_done', 'A step is done, and will not be done again.', { ...ofAttempt, name: text }),
  event('job_recovered', 'The process that ran the job died; another runs it again.', {
    ...ofAttempt,
    recoveries: z.int(),
  }),
  event('job_attempt_failed', 'An attempt failed, and there will be another.', { ...ofAttempt, ...error }),
  event('job_done', 'The job is done.', ofAttempt),
  event('job_dead', 'The job has failed for good; a person may try it again.', { ...ofAttempt, ...error }),
  event('job_cancelled', 'The job was cancelled.', { ...ofAttempt, by: text.optional(), reason: text.optional() }),
  event('job_retried', 'A person tries the job again.', { ...ofAttempt, by: text.optional() }),
] as const;
