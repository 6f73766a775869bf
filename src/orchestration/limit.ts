// A time limit: a signal that aborts when the time is over, or when the caller leaves.
import type { Clock } from '../platform/clock.ts';

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** Whether the time is over. */
  readonly over: boolean;
  /** Cancels the timer; call it when the work is done. */
  end(): void;
}

/** The caller's signal `left` aborts the limit's signal too. */
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
