// A histogram of dwell times in a state, in constant memory.

/** Upper bounds of the buckets, ms; one more bucket counts longer times. */
export const BOUNDS: readonly number[] = [
  10, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 1_800_000, 3_600_000, 86_400_000,
];

/** Each bucket counts times above the previous bound and up to its own; the last one has no bound. */
export interface DwellView {
  readonly count: number;
  readonly sum_ms: number;
  readonly buckets: readonly { readonly le_ms: number | null; readonly count: number }[];
}

export class Dwell {
  #count = 0;
  #sum = 0;
  readonly #buckets = new Uint32Array(BOUNDS.length + 1);

  /** Records one dwell time, ms. A clock that was set back counts as 0. */
  observe(ms: number): void {
    const stay = Math.max(0, ms);
    let bucket = 0;
    while (bucket < BOUNDS.length && stay > BOUNDS[bucket]!) bucket += 1;
    this.#buckets[bucket]! += 1;
    this.#count += 1;
    this.#sum += stay;
  }

  view(): DwellView {
    const buckets = [...this.#buckets].map((count, bucket) => ({ le_ms: BOUNDS[bucket] ?? null, count }));
    return { count: this.#count, sum_ms: this.#sum, buckets };
  }
}

/** The sum of two histograms of the same state. */
export const sumOf = (a: DwellView, b: DwellView): DwellView => ({
  count: a.count + b.count,
  sum_ms: a.sum_ms + b.sum_ms,
  buckets: a.buckets.map(({ le_ms, count }, bucket) => ({ le_ms, count: count + b.buckets[bucket]!.count })),
});
