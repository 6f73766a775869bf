// The dwell time of sessions by part of their state: a Prometheus histogram whose buckets the fleet counts.
import { Histogram } from 'prom-client';
import { BOUNDS } from '../../fleet/dwell.ts';
import { EVERYBODY, type Fleet } from '../../fleet/fleet.ts';

const NAME = 'troupe_session_dwell_seconds';
const HELP = 'How long sessions stayed in a part of their state, by the part that they left';

/** Reads its buckets from the fleet at each scrape; prom-client's own histogram would count every observation twice. */
export class DwellMetric extends Histogram<'part'> {
  readonly #fleet: Fleet;

  constructor(fleet: Fleet) {
    super({ name: NAME, help: HELP, labelNames: ['part'], buckets: BOUNDS.map((ms) => ms / 1_000), registers: [] });
    this.#fleet = fleet;
  }

  override async get(): ReturnType<Histogram<'part'>['get']> {
    const values = Object.entries(this.#fleet.dwell(EVERYBODY)).flatMap(([part, { count, sum_ms, buckets }]) => {
      let sum = 0;
      const cumulative = buckets.map(({ le_ms, count }) => {
        sum += count;
        const le = le_ms === null ? '+Inf' : le_ms / 1_000;
        return { metricName: `${NAME}_bucket`, labels: { le, part }, value: sum };
      });
      return [
        ...cumulative,
        { metricName: `${NAME}_sum`, labels: { part }, value: sum_ms / 1_000 },
        { metricName: `${NAME}_count`, labels: { part }, value: count },
      ];
    });
    // prom-client's type demands fields that a registry does not read.
    return { name: NAME, help: HELP, type: 'histogram', values, aggregator: 'sum' } as never;
  }

  /** The registry calls this method instead of `get` on histograms. */
  getForPromString() {
    return this.get();
  }
}
