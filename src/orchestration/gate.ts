// Concurrency limit: at most `limit` calls at once; further calls are refused with 503 and `retry_after_s`.
import { Refused } from '../platform/errors.ts';

export class Gate {
  readonly limit: number;
  /** Count of calls in progress. */
  inside = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /**
   * Runs `work` within the limit. Rejects with `Refused('overloaded')`, 503, if the limit is reached; `work` was not started
   * then.
   */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.inside >= this.limit)
      throw new Refused('overloaded', `${this.limit} requests are at work already; try again`, 503, {
        retry_after_s: 1,
      });
    this.inside += 1;
    try {
      return await work();
    } finally {
      this.inside -= 1;
    }
  }
}
