// Prometheus metrics of jobs: how many wait and run on this node, and the outcomes of those that ended here.
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Emitted, EmittedOf } from '../../emitted/emitted.ts';
import type { Troupe } from '../../troupe.ts';
import type { App } from './requests.ts';

const OUTCOMES = {
  job_done: 'done',
  job_dead: 'dead',
  job_cancelled: 'cancelled',
  job_attempt_failed: 'attempt_failed',
} as const;

const isOutcome = (one: Emitted): one is EmittedOf<keyof typeof OUTCOMES> => Object.hasOwn(OUTCOMES, one.type);

export function jobMetrics(app: App, { jobs, orchestrator }: Troupe, registers: Registry[]): void {
  new Gauge({
    name: 'troupe_jobs',
    help: 'Jobs of this node that wait for a worker, and that have one',
    labelNames: ['state'],
    registers,
    collect() {
      const { waiting, running } = jobs.queue.counts;
      this.set({ state: 'waiting' }, waiting);
      this.set({ state: 'running' }, running);
    },
  });
  const ended = new Counter({
    name: 'troupe_jobs_total',
    help: 'Jobs that ended, by orchestrator and how, and attempts that failed',
    labelNames: ['orchestrator', 'outcome'],
    registers,
  });
  const unhear = orchestrator.hearAll((_, { emitted }) => {
    for (const one of emitted)
      if (isOutcome(one)) ended.inc({ orchestrator: one.orchestrator, outcome: OUTCOMES[one.type] });
  });
  app.addHook('onClose', async () => unhear());
}
