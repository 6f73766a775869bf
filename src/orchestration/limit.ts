// The longest that something may take: a signal that is aborted when the time is over, or when whoever waits leaves.
import type { Clock } from '../platform/clock.ts';

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** Whether it was the time that ended it. */
  readonly over: boolean;
  /** To be called when it is done: nothing is timed any more. */
  end(): void;
}

/** `left` is aborted when nobody waits any more. */
export function timeLimit(ms: number, clock: Clock, left?: AbortSignal): TimeLimit {
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')), ms);
  return {
    signal: left ? AbortSignal.any([left, late.signal]) : late.signal,
    get over() {
      return late.signal.aborted && !left?.aborted;
    },
    end: () => clock.clearTimeout(timer),
  };
}
