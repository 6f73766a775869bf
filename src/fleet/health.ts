// The health of a node (E8): its agents, resources and dependencies, each `healthy`, `warning` or `degraded`.
import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { AgentPool } from '../agents/pool.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';

export const grades = ['healthy', 'warning', 'degraded'] as const;
export type Grade = (typeof grades)[number];

export interface AgentsHealth {
  readonly healthy_agents: number;
  /** Agents without an instance that can be called. */
  readonly unhealthy_agents: number;
  readonly total_agents: number;
  /** `degraded` if more than half are unhealthy, `warning` if one is, or one instance of one. */
  readonly system_health: Grade;
}

/** A resource or dependency of a node. `value` and `limit` are in `unit`. */
export interface Part {
  readonly name: string;
  readonly status: Grade;
  readonly value?: number;
  readonly limit?: number;
  readonly unit?: string;
  readonly detail?: string;
}

export interface HealthView {
  readonly system_health: Grade;
  readonly agents: AgentsHealth;
  readonly resources: readonly Part[];
  readonly dependencies: readonly Part[];
}

export interface HealthHost {
  readonly pool: AgentPool;
  readonly journal: Journal;
  readonly cluster: Cluster | undefined;
  readonly clock: Clock;
}

/** Shares of the limit from which a resource is `warning` and `degraded`. */
const MEMORY = { warning: 0.85, degraded: 0.95 };
const DISK = { warning: 0.9, degraded: 0.98 };
/** 99th percentile of the event loop's delay, ms. */
const LAG = { warning: 200, degraded: 1_000 };
/** Timeout of a dependency's check, ms. */
const TIMEOUT = 2_000;
/** Time for which a result is cached, ms, so that frequent requests cost nothing. */
const FRESH = 1_000;
/** Longest window of the event loop's delays, ms. */
const WINDOW = 60_000;

export class Health {
  readonly #host: HealthHost;
  #delays: ReturnType<typeof monitorEventLoopDelay> | undefined;
  #since = 0;
  #found: { readonly at: number; readonly parts: Promise<Pick<HealthView, 'resources' | 'dependencies'>> } | undefined;

  constructor(host: HealthHost) {
    this.#host = host;
  }

  /** The health of a tenant's agents. */
  agents(tenant: string): AgentsHealth {
    const states = this.#host.pool.list(tenant).map(({ state }) => state);
    const unhealthy = states.filter((state) => state === 'unavailable').length;
    const weak = states.some((state) => state === 'unavailable' || state === 'degraded');
    return {
      healthy_agents: states.length - unhealthy,
      unhealthy_agents: unhealthy,
      total_agents: states.length,
      system_health: unhealthy * 2 > states.length ? 'degraded' : weak ? 'warning' : 'healthy',
    };
  }

  /** The health of the node: as bad as its worst component. */
  async view(tenant: string): Promise<HealthView> {
    const agents = this.agents(tenant);
    const { resources, dependencies } = await this.#parts();
    const all = [agents.system_health, ...[...resources, ...dependencies].map(({ status }) => status)];
    return { system_health: worst(all), agents, resources, dependencies };
  }

  stop(): void {
    this.#delays?.disable();
  }

  #parts() {
    const now = performance.now();
    if (!this.#found || now - this.#found.at >= FRESH) this.#found = { at: now, parts: this.#look() };
    return this.#found.parts;
  }

  async #look(): Promise<Pick<HealthView, 'resources' | 'dependencies'>> {
    const [disk, journal] = await Promise.all([this.#disk(), this.#journal()]);
    return {
      resources: [memory(), this.#eventLoop(), ...(disk ? [disk] : [])],
      dependencies: [journal, ...this.#nats()],
    };
  }

  /** Measured from the first request on. */
  #eventLoop(): Part {
    if (!this.#delays) {
      this.#delays = monitorEventLoopDelay({ resolution: 20 });
      this.#delays.enable();
      this.#since = performance.now();
    }
    const p99 = this.#delays.count > 0 ? this.#delays.percentile(99) / 1e6 : 0;
    // The histogram's resolution is part of each measurement.
    const value = Math.max(0, Math.round(p99 - 20));
    if (performance.now() - this.#since > WINDOW) {
      this.#delays.reset();
      this.#since = performance.now();
    }
    return { name: 'event_loop', status: gradeOf(value, LAG), value, limit: LAG.degraded, unit: 'ms' };
  }

  /** The disk of the journal, if it is a file. */
  async #disk(): Promise<Part | undefined> {
    const { path } = this.#host.journal;
    if (path === undefined) return undefined;
    try {
      const { blocks, bavail, bsize } = await statfs(dirname(path));
      const limit = blocks * bsize;
      const value = limit - bavail * bsize;
      return { name: 'disk', status: gradeOf(value / limit, DISK), value, limit, unit: 'bytes' };
    } catch (error) {
      return { name: 'disk', status: 'degraded', detail: (error as Error).message };
    }
  }

  async #journal(): Promise<Part> {
    const began = performance.now();
    const { journal, clock } = this.#host;
    let timer: unknown;
    const late = new Promise<never>((_, reject) => {
      timer = clock.setTimeout(() => reject(new Error(`no answer within ${TIMEOUT} ms`)), TIMEOUT);
    });
    try {
      await Promise.race([journal.last({ tenant: 'default', session: '@health' }), late]);
      const value = Math.round(performance.now() - began);
      return { name: 'journal', status: 'healthy', value, limit: TIMEOUT, unit: 'ms' };
    } catch (error) {
      return { name: 'journal', status: 'degraded', detail: (error as Error).message };
    } finally {
      clock.clearTimeout(timer);
    }
  }

  #nats(): Part[] {
    const { cluster } = this.#host;
    if (!cluster) return [];
    if (cluster.away) return [{ name: 'nats', status: 'degraded', detail: 'the other nodes cannot be reached' }];
    return [{ name: 'nats', status: 'healthy', value: cluster.members.live().length, unit: 'nodes' }];
  }
}

function memory(): Part {
  const { used_heap_size: value, heap_size_limit: limit } = getHeapStatistics();
  return { name: 'memory', status: gradeOf(value / limit, MEMORY), value, limit, unit: 'bytes' };
}

const gradeOf = (value: number, { warning, degraded }: { warning: number; degraded: number }): Grade =>
  value >= degraded ? 'degraded' : value >= warning ? 'warning' : 'healthy';

const worst = (all: readonly Grade[]): Grade => grades.findLast((grade) => all.includes(grade)) ?? 'healthy';
