// What can happen to a circuit breaker: the schemas of its limits, its events and its context.
import { z } from 'zod';

const count = z.int().min(0);
const usd = z.number().min(0);
const ms = z.number().min(0);

/** When a breaker opens and how it closes again. Times are in milliseconds. */
export const breakerLimits = z.object({
  /** Opens after so many failures in a row. */
  failure_threshold: z.int().min(1).default(5),
  /** How long it stays open before it lets a trial call through. */
  recovery_ms: ms.default(60_000),
  /** How many trial calls may run at once while it is half open. */
  trial_calls: z.int().min(1).default(1),
  /** A trial that has not come back after so long counts as failed. */
  trial_ms: ms.default(300_000),
  /** Failures and slow calls are forgotten after so long, and budgets are per so long. */
  window_ms: ms.default(600_000),
  /** A call that took at least so long was slow. Not set: no call is. */
  slow_ms: ms.optional(),
  /** Slowness is judged over so many calls, beginning with a slow one. */
  slow_sample: z.int().min(1).default(20),
  /** Opens when at least this share of the sample was slow. */
  slow_rate: z.number().min(0).max(1).default(0.5),
  /** Opens for the rest of a window once its calls have cost so much, as they reported it. Not set: no limit. */
  budget_usd: usd.optional(),
});
export type BreakerInput = z.input<typeof breakerLimits>;

export const breakerContext = z.object({
  limits: breakerLimits,
  /** How often it has opened. A call is told this number when it is admitted and brings it back with its result. */
  opened: count,
  /** Failures since the last success. */
  failures: count,
  /** Calls since the sample began with a slow one, and how many of them were slow. */
  sampled: count,
  slow: count,
  cost_usd: usd,
  /** Trial calls running; only while half open. */
  trials: count,
});
export type BreakerContext = z.infer<typeof breakerContext>;

/** `context.opened` as it was when the call was let through. */
const admission = count;

export const breakerEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('call.started') }),
  z.object({ type: z.literal('call.succeeded'), admission, ms, cost_usd: usd.optional() }),
  z.object({ type: z.literal('call.failed'), admission, code: z.string() }),
  /** Also a failure that says nothing about the endpoint's health: the agent refused the request. */
  z.object({ type: z.literal('call.abandoned'), admission }),
]);
export type BreakerEvent = z.infer<typeof breakerEvent>;
