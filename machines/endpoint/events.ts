// What can happen to an endpoint: the schemas of its events, its input and its context; the types follow from them.
import { z } from 'zod';

const count = z.int().min(0);
/** Calls that this node has running there, after the event. */
const in_flight = count;

export const endpointEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('call.started'), in_flight }),
  /** `ok`: it answered. */
  z.object({ type: z.literal('call.ended'), in_flight, ok: z.boolean().optional() }),
  z.object({ type: z.literal('probe.succeeded') }),
  z.object({ type: z.literal('probe.failed') }),
  z.object({
    type: z.literal('heartbeat'),
    /** The instance's own count. */
    in_flight: count.optional(),
    capacity: count.optional(),
    /** Seconds until the next one. */
    interval_s: z.number().positive().optional(),
  }),
  z.object({ type: z.literal('drain') }),
]);
export type EndpointEvent = z.infer<typeof endpointEvent>;

export const endpointContext = z.object({
  /** Health checks or heartbeats vouch for it; otherwise it is taken to be available. */
  watched: z.boolean(),
  /** Milliseconds between checks, or between heartbeats until one says otherwise. */
  interval_ms: z.number().positive(),
  /** Calls it takes at once; no limit unless told. Heartbeats may say otherwise later. */
  capacity: count.optional(),
  in_flight,
  /** Calls that others have running there, as of the last heartbeat. */
  others: count,
  /** It has sent a heartbeat, so silence means something. */
  beats: z.boolean(),
});
export type EndpointContext = z.infer<typeof endpointContext>;

/** Not watched by default; the interval is 30,000 ms then. */
export const endpointInput = endpointContext.pick({ watched: true, capacity: true, interval_ms: true }).partial();
export type EndpointInput = z.infer<typeof endpointInput>;
