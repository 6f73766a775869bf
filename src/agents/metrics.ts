// Metrics of an endpoint: counts since the start, rates and latencies over its last calls, in constant memory.

/** Milliseconds; null before the first success. */
export interface Latency {
  readonly avg: number | null;
  readonly p50: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
}

const WINDOW = 256;

export class Metrics {
  /** Calls begun and calls failed since the start. An abandoned call is neither a failure nor a success. */
  requests = 0;
  failures = 0;
  // The latencies of the last successes and the outcomes of the last calls, as rings with running sums: a call costs a
  // few writes, and percentiles are computed only for a view.
  readonly #latencies = new Float64Array(WINDOW);
  readonly #outcomes = new Uint8Array(WINDOW);
  #timed = 0;
  #total = 0;
  #ended = 0;
  #good = 0;

  succeeded(ms: number): void {
    const at = this.#timed % WINDOW;
    this.#total += ms - this.#latencies[at]!;
    this.#latencies[at] = ms;
    this.#timed += 1;
    this.#outcome(1);
  }

  /** `counts`: the failure was the endpoint's, not the request's. */
  failed(counts: boolean): void {
    this.failures += 1;
    if (counts) this.#outcome(0);
  }

  #outcome(good: 0 | 1): void {
    const at = this.#ended % WINDOW;
    this.#good += good - this.#outcomes[at]!;
    this.#outcomes[at] = good;
    this.#ended += 1;
  }

  /** Share of successes among the last 256 calls, 0 to 1; 1 before the first. */
  get successRate(): number {
    return this.#ended === 0 ? 1 : this.#good / Math.min(this.#ended, WINDOW);
  }

  /** Mean latency of the last 256 successes in ms, or undefined before the first. */
  get average(): number | undefined {
    return this.#timed === 0 ? undefined : this.#total / Math.min(this.#timed, WINDOW);
  }

  latency(): Latency {
    const sorted = this.#latencies.slice(0, Math.min(this.#timed, WINDOW)).sort();
    const at = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? null;
    return { avg: this.average ?? null, p50: at(0.5), p95: at(0.95), p99: at(0.99) };
  }
}
