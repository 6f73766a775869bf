// Retries of the NATS client's own calls while the servers of a cluster elect a leader, or another node creates the
// same stream.
import { setTimeout as pause } from 'node:timers/promises';

/** The retry window, ms: an election takes up to 9 s. */
const LONGEST = 20_000;
const BETWEEN = 100;

/**
 * Repeats an attempt while no server replies or the stream is being created, for 20 s at most; then rejects with the
 * last attempt's error. Only for idempotent calls.
 */
export async function whileNobodyLeads<T>(attempt: () => Promise<T>): Promise<T> {
  for (const end = performance.now() + LONGEST; ; await pause(BETWEEN)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(await mayPass(error)) || performance.now() > end) throw error;
    }
  }
}

/**
 * For a stream without a leader the client reports that JetStream is not enabled, with "no responders" as the cause.
 */
async function mayPass(error: unknown): Promise<boolean> {
  // Here and not above: every runtime imports what a cluster is made of, and most are in none.
  const { BEING_CREATED, PASSING } = await import('./jetstream.ts');
  const { JetStreamApiError } = await import('@nats-io/jetstream');
  const { errors } = await import('@nats-io/transport-node');
  if (error instanceof JetStreamApiError) return PASSING.has(error.code) || BEING_CREATED.has(error.code);
  if (error instanceof errors.TimeoutError) return true;
  if (error instanceof errors.RequestError) return error.isNoResponders() || error.cause instanceof errors.TimeoutError;
  return error instanceof Error && error.cause instanceof errors.RequestError && error.cause.isNoResponders();
}
