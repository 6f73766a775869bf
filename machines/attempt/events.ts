// What the attempt policy knows and says: the schemas of a failure, of how far the attempts of one piece of work are, of the verdict.
import { z } from 'zod';

/** Why an attempt failed, as it is journaled. */
export const failure = z.object({
  code: z.string(),
  message: z.string(),
  /** Whether the same attempt may go better another time. */
  retryable: z.boolean(),
  /** Nothing more may be tried: the time of the whole is over. */
  final: z.boolean().optional(),
  /** The instance that failed, where it got as far as one. */
  endpoint: z.string().optional(),
  /** How many instances that have not failed could take the call now. */
  alternatives: z.number().optional(),
  /** How long the failed endpoint asked to be left alone. */
  retry_after_s: z.number().optional(),
  /** Drawn by the runtime, 0 … 1: attempts that failed together are not repeated together. */
  jitter: z.number().optional(),
});
export type Failure = Readonly<z.infer<typeof failure>>;

const agents = z.array(z.string()).readonly();

/** How far the attempts of one piece of work are. */
export const plan = z.object({
  /** Failed attempts of the present agent since it last got on. */
  failures: z.int(),
  /** The endpoints that failed since. */
  tried: z.array(z.string()).readonly(),
  /** Agents to try, in order, when the present one has failed for good. */
  next: agents,
  /** Crashes of its process that it has outlived since it last got on. */
  recoveries: z.int(),
  /** How often it went from one agent to another of the agent's own will. */
  transfers: z.int(),
  /** There while the agent that transferred it gets it back should the present one fail: `next` as it was for that one. */
  back: agents.optional(),
});
export type Plan = Readonly<z.infer<typeof plan>>;

/** What follows from a failure. `wait_ms` is how long the next attempt waits. */
export const verdict = z.discriminatedUnion('type', [
  /** Another instance of the same agent, at once. */
  z.object({ type: z.literal('elsewhere') }),
  z.object({ type: z.literal('again'), wait_ms: z.number() }),
  /** The agent that it was transferred from. */
  z.object({ type: z.literal('give_back') }),
  /** The first of `next`. */
  z.object({ type: z.literal('next_agent') }),
  z.object({ type: z.literal('give_up') }),
]);
export type Verdict = Readonly<z.infer<typeof verdict>>;

/** What the policy keeps to. */
export interface Limits {
  /** Failed attempts of one agent before the work moves on or fails. */
  readonly attempts: number;
  /** The first wait between attempts, ms; it doubles … */
  readonly backoff_ms: number;
  /** … up to this, ms. */
  readonly longest_ms: number;
}
