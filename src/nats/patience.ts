// Patience with the NATS client's own calls, while the servers of a cluster elect who answers them, or another node creates the
// stream they are about.
import { setTimeout as pause } from 'node:timers/promises';

/** An election takes up to 9 s, ms. */
const LONGEST = 20_000;
const BETWEEN = 100;

/**
 * Attempts again while nobody answers or the stream is being created, for 20 s at most; then rejects with the last attempt's error.
 * For what is harmless to repeat.
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

/** Where a stream has no leader the client says that JetStream is not enabled; its cause is that nobody responded. */
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
