// Prometheus metrics, counted from entries as they are appended.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { isEnd, RUN_OUTCOMES } from '../../emitted/run.ts';
import { EVERYBODY } from '../../fleet/fleet.ts';
import { isSession } from '../../journal/journal.ts';
import type { Troupe } from '../../troupe.ts';
import { DwellMetric } from './dwell-metric.ts';
import { jobMetrics } from './job-metrics.ts';
import type { App } from './requests.ts';
import type { EventStreams } from './sse.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether the reply is a stream, whose duration is no latency. */
    stream?: boolean;
  }
}

const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300];

/** Serves `/metrics`. Every server has a registry of its own, so that several servers fit into one process. */
export function metricsRoutes(app: App, troupe: Troupe, streams: EventStreams): void {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  sessionMetrics(app, troupe, registers);
  fleetMetrics(troupe, registers);
  endpointMetrics(troupe, registers);
  jobMetrics(app, troupe, registers);
  new Gauge({
    name: 'troupe_event_streams',
    help: 'Listeners of server-sent events',
    registers,
    collect() {
      this.set(streams.size);
    },
  });
  const durations = new Histogram({
    name: 'troupe_http_request_duration_seconds',
    help: 'Time to answer a request; streams are left out',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers,
  });
  app.addHook('onResponse', (request: FastifyRequest, reply: FastifyReply, done) => {
    const { url, config } = request.routeOptions;
    if (!config.stream)
      durations.observe(
        { method: request.method, route: url ?? 'none', status: reply.statusCode },
        reply.elapsedTime / 1_000,
      );
    done();
  });
  app.get(
    '/metrics',
    { schema: { tags: ['node'], summary: 'Metrics in the Prometheus text format' } },
    async (_, reply) => reply.type(registry.contentType).send(await registry.metrics()),
  );
}

function sessionMetrics(app: App, { orchestrator }: Troupe, registers: Registry[]): void {
  const transitions = new Map<string, number>();
  const runs = new Map<string, number>();
  const count = (counts: Map<string, number>, name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  const unfollow = orchestrator.hearAll((key, entry) => {
    if (!isSession(key)) return;
    count(transitions, entry.state);
    for (const one of entry.emitted) if (isEnd(one)) count(runs, RUN_OUTCOMES[one.type].status);
  });
  app.addHook('onClose', async () => unfollow());

  new Gauge({
    name: 'troupe_sessions_resident',
    help: 'Sessions in memory',
    registers,
    collect() {
      this.set(orchestrator.sessions().length);
    },
  });
  for (const [name, help] of Object.entries(lives))
    counter(`troupe_sessions_${name}_total`, help, registers, function () {
      this.inc(orchestrator.counts[name as keyof typeof lives]);
    });
  counter('troupe_results_dropped_total', 'Results and timers that nobody waited for any more', registers, function () {
    this.inc(orchestrator.counts.dropped);
  });
  counter('troupe_transitions_total', 'Steps of sessions, by the state they led to', registers, function () {
    for (const [state, steps] of transitions) this.inc({ state }, steps);
  });
  counter('troupe_runs_total', 'Runs that ended, by how', registers, function () {
    for (const [outcome, ended] of runs) this.inc({ outcome }, ended);
  });
}

/** This node's counts of its own sessions. Each node is scraped; their sum is the fleet. */
function fleetMetrics({ fleet }: Troupe, registers: Registry[]): void {
  const { own } = fleet;
  new Gauge({
    name: 'troupe_sessions',
    help: 'Sessions of this node, by the state that they are in',
    labelNames: ['state'],
    registers,
    async collect() {
      this.reset();
      for (const [state, count] of Object.entries((await own.view(EVERYBODY)).states)) this.set({ state }, count);
    },
  });
  new Gauge({
    name: 'troupe_sessions_stuck',
    help: 'Sessions that have stayed longer in a part of their state than they should',
    labelNames: ['part'],
    registers,
    collect() {
      this.reset();
      for (const [part, count] of own.stuckByPart()) this.set({ part }, count);
    },
  });
  new Counter({
    name: 'troupe_session_steps_total',
    help: 'Steps of sessions, by where they led from and to, and the event; `from` is empty where a session came to be',
    labelNames: ['from', 'event', 'to'],
    registers,
    collect() {
      this.reset();
      for (const { from, event, to, count } of own.ways(EVERYBODY))
        this.inc({ from: from ?? '', event, to: to ?? '' }, count);
    },
  });
  registers[0]!.registerMetric(new DwellMetric(own));
}

const lives = {
  created: 'Sessions that came to be',
  woken: 'Sessions read back from the journal',
  passivated: 'Idle sessions that left memory',
  broken: 'Sessions stopped to be replayed',
} as const;

function endpointMetrics({ pool }: Troupe, registers: Registry[]): void {
  new Gauge({
    name: 'troupe_endpoint',
    help: '1 for the states that an endpoint of an agent and its breaker are in',
    labelNames: ['tenant', 'agent', 'endpoint', 'state', 'breaker'],
    registers,
    collect() {
      this.reset();
      for (const tenant of pool.tenants())
        for (const { agent_id, endpoints } of pool.list(tenant))
          for (const { id, state, breaker } of endpoints)
            this.set({ tenant, agent: agent_id, endpoint: id, state, breaker }, 1);
    },
  });
}

/** A counter whose values are read from elsewhere at each scrape. */
function counter(name: string, help: string, registers: Registry[], collect: (this: Counter) => void): void {
  const labelNames = ['state', 'outcome'];
  new Counter({
    name,
    help,
    labelNames,
    registers,
    collect() {
      this.reset();
      collect.call(this);
    },
  });
}
