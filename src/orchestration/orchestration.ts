// Runs orchestrators: validates the payload, builds the run's context, and puts the result into the envelope.
import { randomUUID } from 'node:crypto';
import { token } from '../../machines/session/events.ts';
import type { AgentPool } from '../agents/pool.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { unlessAborted } from '../platform/abort.ts';
import type { Clock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import type { Access } from '../routing/access.ts';
import type { Directory } from '../routing/directory.ts';
import type { Calling } from './calling.ts';
import { type Catalog, NamedItems } from './catalog.ts';
import { type RunMemory, type RunParts, RunWork } from './context.ts';
import { checkOrchestrator, type OrchestratorDefinition, type OrchestratorView, viewOf } from './definition.ts';
import { type Envelope, envelope } from './envelope.ts';
import { timeLimit } from './limit.ts';

/** One run, inline or as an attempt of a job. */
export interface RunOptions {
  readonly tenant: string;
  readonly signal: AbortSignal;
  /** Default: random. */
  readonly run_id?: string;
  readonly job_id?: string;
  readonly attempt?: number;
  readonly idempotency_key?: string;
  /** Prefix of the idempotency keys of its calls: the same for every delivery of this attempt. */
  readonly call_key?: string;
  readonly memory?: RunMemory;
  readonly enqueue: RunParts['enqueue'];
}

/** Options of a run whose caller waits for it. */
export interface InlineRun {
  /** Default `default`. */
  readonly tenant?: string;
  readonly signal?: AbortSignal;
  /** Timeout, ms. */
  readonly timeout_ms?: number;
  /** The run's `ctx.idempotency_key`. Default: random. */
  readonly idempotencyKey?: string;
}

/** Longest envelope, in characters of JSON: as the last entry of a job it must fit into one NATS message. */
const LONGEST = 400_000;

export class Orchestration implements Calling {
  readonly pool: AgentPool;
  readonly clock: Clock;
  readonly tools: Calling['tools'];
  readonly #access: Access;
  readonly orchestrators: Catalog<OrchestratorDefinition, OrchestratorView>;

  constructor(
    { pool, directory, access }: { readonly pool: AgentPool; readonly directory: Directory; readonly access: Access },
    clock: Clock,
    orchestrators: readonly OrchestratorDefinition[] = [],
  ) {
    this.pool = pool;
    this.clock = clock;
    this.#access = access;
    this.tools = (tenant, name) => directory.tools(tenant, name);
    this.orchestrators = new NamedItems('orchestrator', checkOrchestrator, viewOf);
    for (const definition of orchestrators) this.orchestrators.register(definition.name, definition);
  }

  /** As `run`, with a timeout, for a caller that waits; runs that it enqueues go to `jobs`. */
  async runInline(
    name: string,
    payload: unknown,
    jobs: Pick<Jobs, 'enqueue'>,
    { signal, idempotencyKey, timeout_ms, ...options }: InlineRun,
  ): Promise<Envelope> {
    const tenant = parse(token, options.tenant ?? 'default', 'tenant');
    const { timeout_ms: own } = this.check(name, payload);
    if (this.#access.asks) await this.#access.check({ tenant, action: 'run', orchestrator: name });
    const longest = Math.min(own ?? Number.POSITIVE_INFINITY, timeout_ms ?? 300_000);
    const limit = timeLimit(longest, this.clock, signal);
    try {
      return await this.run(name, payload, {
        tenant,
        signal: limit.signal,
        ...(idempotencyKey !== undefined && { idempotency_key: `${tenant}/${idempotencyKey}` }),
        enqueue: (next, given, more) => jobs.enqueue(next, given, { ...more, tenant }),
      });
    } catch (error) {
      if (!limit.over) throw error;
      throw new Failed('timed_out', `orchestrator "${name}" took longer than ${longest} ms`);
    } finally {
      limit.end();
    }
  }

  /** Throws `Refused`: `unknown_orchestrator`, or `bad_request` if the payload does not fit. */
  check(name: string, payload: unknown): OrchestratorDefinition {
    const definition = this.orchestrators.get(name);
    parse(definition.payload, payload, 'payload');
    return definition;
  }

  /**
   * Runs an orchestrator once. Rejects with `Refused` as `check` does; with `Failed` if the run failed: with the code of the
   * failed call, `bad_record`, `result_too_large`; and with any other error of the run.
   */
  async run(name: string, payload: unknown, options: RunOptions): Promise<Envelope> {
    const definition = this.orchestrators.get(name);
    const input = parse(definition.payload, payload, 'payload');
    const { tenant, run_id = `o-${randomUUID()}`, job_id, attempt = 1, signal, memory, enqueue } = options;
    const { idempotency_key = `${tenant}/${run_id}`, call_key = idempotency_key } = options;
    const work = new RunWork({
      pool: this.pool,
      clock: this.clock,
      tools: this.tools,
      run: { tenant, run_id, job_id, attempt, idempotency_key, signal },
      call_key,
      record: definition.record,
      memory,
      enqueue,
    });
    const started_at = this.clock.now();
    // A run that ignores its signal is not waited for.
    const records = await unlessAborted(Promise.resolve(definition.run(input, work)), signal);
    const { warnings, counts } = work;
    return checked(definition, {
      metadata: {
        orchestrator: name,
        version: definition.version,
        run_id,
        tenant,
        started_at,
        finished_at: this.clock.now(),
        counts: { records: Array.isArray(records) ? records.length : 0, ...counts },
        warnings,
      },
      records,
    });
  }
}

/** Validates the envelope of a run; the error is written for the orchestrator's author. */
function checked({ name }: OrchestratorDefinition, made: unknown): Envelope {
  const { success, data, error } = envelope.safeParse(made);
  if (!success) {
    const [issue] = error.issues;
    const where = issue!.path.join('.');
    const should = 'run must return an array of what ctx.record made';
    throw new Failed('bad_record', `orchestrator "${name}": ${where}: ${issue!.message}; ${should}`, false);
  }
  const length = JSON.stringify(data).length;
  if (length > LONGEST)
    throw new Failed(
      'result_too_large',
      `orchestrator "${name}" made ${length} characters of JSON, and ${LONGEST} are the most: keep the records elsewhere and refer to them`,
      false,
    );
  return data;
}
