// Periodic health checks of endpoints, which report to the endpoints' charts.

import { asFailed } from '../../actors/performer.ts';
import type { Clock } from '../platform/clock.ts';
import type { Endpoint } from './endpoint.ts';

export interface CheckSettings {
  /** Milliseconds between the end of one check and the next. */
  readonly interval_ms: number;
  /** Milliseconds after which a check has failed. */
  readonly timeout_ms: number;
}

export class HealthChecks {
  readonly #settings: CheckSettings;
  readonly #clock: Clock;
  readonly #stops = new Map<Endpoint, () => void>();

  constructor(settings: CheckSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  get interval_ms(): number {
    return this.#settings.interval_ms;
  }

  /** Checks an endpoint now and at every interval; ignores an endpoint without a check. */
  watch(endpoint: Endpoint): void {
    const { check } = endpoint.definition;
    if (!check) return;
    const { interval_ms, timeout_ms } = this.#settings;
    let timer: unknown;
    let running: AbortController | undefined;
    let watching = true;

    const again = async () => {
      running = new AbortController();
      const late = () => running?.abort(new DOMException('no answer in time', 'TimeoutError'));
      timer = this.#clock.setTimeout(late, timeout_ms);
      const { signal } = running;
      const failure = await check(signal).then(
        () => undefined,
        (error) => asFailed(error, signal, endpoint.id),
      );
      this.#clock.clearTimeout(timer);
      if (!watching) return;
      endpoint.checked(failure);
      if (watching) timer = this.#clock.setTimeout(again, interval_ms);
    };

    this.#stops.set(endpoint, () => {
      watching = false;
      this.#clock.clearTimeout(timer);
      running?.abort();
    });
    void again();
  }

  forget(endpoint: Endpoint): void {
    this.#stops.get(endpoint)?.();
    this.#stops.delete(endpoint);
  }

  stop(): void {
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
  }
}
