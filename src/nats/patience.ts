// Patience with the NATS client's own calls, while the servers of a cluster elect who answers them, or another node creates the
// stream they are about.
import { setTimeout as pause } from 'node:timers/promises';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { BEING_CREATED, PASSING } from './jetstream.ts';

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
      if (!mayPass(error) || performance.now() > end) throw error;
    }
  }
}

/** Where a stream has no leader the client says that JetStream is not enabled; its cause is that nobody responded. */
function mayPass(error: unknown): boolean {
  if (error instanceof JetStreamApiError) return PASSING.has(error.code) || BEING_CREATED.has(error.code);
  if (error instanceof errors.TimeoutError) return true;
  if (error instanceof errors.RequestError) return error.isNoResponders() || error.cause instanceof errors.TimeoutError;
  return error instanceof Error && error.cause instanceof errors.RequestError && error.cause.isNoResponders();
}
