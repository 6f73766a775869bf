// Polls for a condition.
import { setTimeout as pause } from 'node:timers/promises';
import { Refused } from '../platform/errors.ts';

/**
 * Polls until `ask` returns a truthy value, which it resolves to; errors count as none. Rejects with `Refused('no_nats_server')`
 * after `ms`.
 */
export async function eventually<T>(ms: number, otherwise: string, ask: () => Promise<T>): Promise<NonNullable<T>> {
  for (const end = Date.now() + ms; ; await pause(50)) {
    const found = await ask().catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Refused('no_nats_server', otherwise, 503);
  }
}
