// How long sessions stay in a part of their state, as a Prometheus histogram that somebody else counts.
import { Histogram } from 'prom-client';
import { BOUNDS } from '../../fleet/dwell.ts';
import { EVERYBODY, type Fleet } from '../../fleet/fleet.ts';

const NAME = 'troupe_session_dwell_seconds';
const HELP = 'How long sessions stayed in a part of their state, by the part that they left';

/** prom-client's own histogram would count everything a second time: this one is read when somebody looks. */
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
    // The types ask for more than a registry reads.
    return { name: NAME, help: HELP, type: 'histogram', values, aggregator: 'sum' } as never;
  }

  /** What the registry asks instead, of histograms. */
  getForPromString() {
    return this.get();
  }
}
