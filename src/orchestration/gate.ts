// A gate: so many at once, and who comes when it is full is told to come again.
import { Refused } from '../platform/errors.ts';

export class Gate {
  readonly limit: number;
  /** How many are inside. */
  inside = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Does something inside. Rejects with `Refused('overloaded')`, 503, when it is full: nothing was begun then. */
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
