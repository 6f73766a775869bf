// Liveness of agent instances that send heartbeats: an instance that misses them is gone, and its pending calls fail at
// once.
import type { Clock } from '../platform/clock.ts';
import type { Heartbeat } from './endpoint.ts';

interface Sign {
  beat: Heartbeat;
  /** When the heartbeat expires, ms since the epoch: one may be lost and the next one late. */
  until: number;
}

interface Watch {
  readonly gone: () => void;
  timer: unknown;
}

const INTERVAL_S = 30;
const PATIENCE = 2.5;

export class Instances {
  readonly #clock: Clock;
  /** By agent, then by instance. */
  readonly #signs = new Map<string, Map<string, Sign>>();
  readonly #watches = new Map<string, Set<Watch>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Records a heartbeat of an instance of a tenant's agent. */
  hear(tenant: string, agent_id: string, beat: Heartbeat): void {
    const signs = this.#signsOf(tenant, agent_id);
    const until = this.#clock.now() + intervalOf(beat) * PATIENCE * 1000;
    signs.set(beat.instance_id, { beat, until });
    for (const watch of this.#watches.get(nameOf(tenant, agent_id, beat.instance_id)) ?? [])
      if (watch.timer === undefined) this.#await(signs, beat.instance_id, watch);
  }

  /** The last heartbeats that have not expired. */
  beats(tenant: string, agent_id: string): Heartbeat[] {
    const signs = this.#signsOf(tenant, agent_id);
    const now = this.#clock.now();
    for (const [instance, { until }] of signs) if (until < now) signs.delete(instance);
    return [...signs.values()].map(({ beat }) => beat);
  }

  /**
   * Calls back, once, when an instance misses its heartbeats; never for one that sends none. Returns the function that
   * unsubscribes.
   */
  watch(tenant: string, agent_id: string, instance_id: string, gone: () => void): () => void {
    const name = nameOf(tenant, agent_id, instance_id);
    const watches = this.#watches.get(name) ?? new Set();
    this.#watches.set(name, watches);
    const watch: Watch = { gone, timer: undefined };
    watches.add(watch);
    const signs = this.#signsOf(tenant, agent_id);
    // An instance that is answering although its heartbeats are overdue is not gone.
    if ((signs.get(instance_id)?.until ?? 0) > this.#clock.now()) this.#await(signs, instance_id, watch);
    return () => {
      this.#clock.clearTimeout(watch.timer);
      watches.delete(watch);
      if (watches.size === 0) this.#watches.delete(name);
    };
  }

  /** Checks again when the next heartbeat is overdue; a heartbeat in the meantime postpones that. */
  #await(signs: Map<string, Sign>, instance_id: string, watch: Watch): void {
    const left = (signs.get(instance_id)?.until ?? 0) - this.#clock.now();
    if (left <= 0) watch.gone();
    else watch.timer = this.#clock.setTimeout(() => this.#await(signs, instance_id, watch), left);
  }

  #signsOf(tenant: string, agent_id: string): Map<string, Sign> {
    const name = `${tenant}/${agent_id}`;
    const signs = this.#signs.get(name) ?? new Map<string, Sign>();
    this.#signs.set(name, signs);
    return signs;
  }
}

/** Seconds until the next heartbeat. */
export const intervalOf = ({ interval_s = INTERVAL_S }: Heartbeat): number => interval_s;

const nameOf = (tenant: string, agent_id: string, instance_id: string): string =>
  `${tenant}/${agent_id}/${instance_id}`;
