// Jobs: orchestrators' runs that are journaled like sessions, wait for a worker, and survive the death of processes.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { JOB, type Orchestrator } from '../../actors/orchestrator.ts';
import type { Work } from '../../actors/session.ts';
import { type JobEvent, type JobRun, jobSettings, type Order, priorities } from '../../machines/job/events.ts';
import { token } from '../../machines/session/events.ts';
import type { Entry, Journal, Key, Row } from '../journal/journal.ts';
import type { EnqueueOptions } from '../orchestration/context.ts';
import type { Envelope } from '../orchestration/envelope.ts';
import type { Orchestration } from '../orchestration/orchestration.ts';
import type { Clock } from '../platform/clock.ts';
import { Failed, Refused } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { parse } from '../platform/parse.ts';
import type { Access } from '../routing/access.ts';
import type { Conversations } from '../sessions/conversations.ts';
import { JobMemory } from './memory.ts';
import { JobQueue } from './queue.ts';
import { ENDED, type JobState, type JobView, jobStates, orderOf, viewOf } from './view.ts';

/** Services of the runtime that jobs use. */
export interface JobsHost {
  readonly access: Access;
  readonly orchestration: Orchestration;
  readonly orchestrator: Orchestrator;
  readonly conversations: Conversations;
  readonly journal: Journal;
  readonly log: Log;
}

export const enqueueOptions = z.strictObject({
  tenant: token.default('default'),
  priority: z.enum(priorities).default('normal'),
  /** Idempotency key: enqueued again with this key it is the same job. */
  key: z.string().min(1).max(500).optional(),
  /** Delay before its first attempt, ms. */
  delay_ms: z
    .int()
    .min(0)
    .max(365 * 86_400_000)
    .default(0),
  /** The job that enqueued it. */
  parent: z.string().optional(),
});

export interface JobQuery {
  readonly tenant?: string;
  readonly state?: JobState;
  /** Largest number of jobs. Default 100. */
  readonly limit?: number;
  /** Id of the last job of the previous page. */
  readonly after?: string;
}

/** Longest payload, in characters of JSON. */
const LONGEST = 400_000;

export class Jobs {
  readonly queue: JobQueue;
  readonly #host: JobsHost;
  readonly #clock: Clock;
  #newest = 0;

  /** `workers`: jobs that run concurrently on this node. */
  constructor(host: JobsHost, clock: Clock, workers: number) {
    this.#host = host;
    this.#clock = clock;
    this.queue = new JobQueue(host.orchestrator, { workers, clock, log: host.log });
  }

  /** Adopts the jobs that an earlier process left waiting; in a cluster they come with the shards. */
  async start(clustered: boolean): Promise<void> {
    for (let after: Key | undefined, full = !clustered; full; ) {
      const rows = await this.#host.journal.rows({ state: 'waiting', after, limit: 1_000 });
      this.queue.adopt(rows);
      after = rows.at(-1)?.key;
      full = rows.length === 1_000;
    }
    this.queue.open();
  }

  /**
   * Enqueues a run; resolves with its job when that is durable. Rejects with `Refused`: `unknown_orchestrator`, `bad_request`,
   * `payload_too_large`, `idempotency_key_reused` if the key named another request before.
   */
  async enqueue(
    name: string,
    payload: unknown,
    options: EnqueueOptions & { tenant?: string; parent?: string } = {},
  ): Promise<{ job_id: string; duplicate: boolean; version: string }> {
    const { orchestration, access } = this.#host;
    const { tenant, key, priority, delay_ms, parent } = parse(enqueueOptions, options, 'options');
    const definition = orchestration.check(name, payload);
    if (access.asks) await access.check({ tenant, action: 'enqueue', orchestrator: name });
    const length = JSON.stringify(payload ?? null).length;
    if (length > LONGEST)
      throw new Refused(
        'payload_too_large',
        `the payload has ${length} characters of JSON; ${LONGEST} are the most`,
        413,
      );
    const { attempts, timeout_ms: attempt_ms, backoff_ms } = definition;
    const order: Order = {
      orchestrator: name,
      payload: payload ?? null,
      priority,
      delay_ms,
      settings: jobSettings.parse({ attempts, attempt_ms, backoff_ms }),
      ...(parent !== undefined && { parent }),
      ticket: randomUUID(),
      at: this.#clock.now(),
    };
    const job_id = key === undefined ? this.#newId(order.at) : keyedId(name, key);
    const duplicate = await this.#create({ tenant, session: JOB + job_id }, order);
    return { job_id, duplicate, version: definition.version };
  }

  /** Rejects with `Refused('unknown_job')`. */
  async get(job_id: string, { tenant = 'default' }: { tenant?: string } = {}): Promise<JobView> {
    return viewOf(await this.#last(this.#key(tenant, job_id)));
  }

  /** A page of a tenant's jobs, oldest first unless named by a key; `next` is the id to continue after. */
  async list({ tenant = 'default', state, limit = 100, after }: JobQuery = {}): Promise<{
    jobs: JobView[];
    next?: string;
  }> {
    const { journal } = this.#host;
    if (state !== undefined) parse(z.enum(jobStates), state, 'state');
    const from = { tenant, session: JOB + (after ?? '') };
    // All jobs of a tenant are adjacent in key order.
    const rows = (await journal.rows({ tenant, state, after: from, limit: limit + 1 })).filter(isJob);
    const page = rows.slice(0, limit);
    const stored = await Promise.all(page.map(({ key }) => journal.last(key)));
    const jobs = stored.flatMap((one) => (one ? [viewOf(one.entry)] : []));
    const last = page.at(-1)?.key.session.slice(JOB.length);
    return rows.length > limit && last !== undefined ? { jobs, next: last } : { jobs };
  }

  /** Cancels a job that has not ended, and aborts its run. Rejects with `Refused`: `unknown_job`, or 409 if it has ended. */
  cancel(job_id: string, { tenant = 'default', by, reason }: { tenant?: string; by?: string; reason?: string } = {}) {
    return this.#command(this.#key(tenant, job_id), { type: 'cancel', by, reason });
  }

  /** Retries a dead or cancelled job, with all its attempts; completed steps are not repeated. */
  retry(job_id: string, { tenant = 'default', by }: { tenant?: string; by?: string } = {}) {
    return this.#command(this.#key(tenant, job_id), { type: 'retry', by });
  }

  /** Resolves with the job when it is done, dead or cancelled, on any node. Rejects if `signal` aborts. */
  async ended(job_id: string, { tenant = 'default', signal }: { tenant?: string; signal?: AbortSignal } = {}) {
    const { journal } = this.#host;
    const key = this.#key(tenant, job_id);
    const heard = Promise.withResolvers<JobView>();
    const unfollow = journal.follow(key, (_, { entry }) => {
      const view = viewOf(entry);
      if (ENDED.has(view.state)) heard.resolve(view);
    });
    const leave = () => heard.reject(signal!.reason);
    signal?.addEventListener('abort', leave);
    try {
      const view = viewOf(await this.#last(key));
      if (ENDED.has(view.state)) return view;
      if (signal?.aborted) leave();
      return await heard.promise;
    } finally {
      unfollow();
      signal?.removeEventListener('abort', leave);
    }
  }

  /** Deletes the tenant's jobs that were done or cancelled more than `seconds` ago; resolves to their count. */
  async cleanUp(tenant: string, seconds: number): Promise<number> {
    const { journal, orchestrator } = this.#host;
    const before = this.#clock.now() - seconds * 1_000;
    let removed = 0;
    for (const state of ['done', 'cancelled'])
      for (let after: Key = { tenant, session: JOB }, full = true; full; ) {
        const rows = await journal.rows({ tenant, state, after, limit: 1_000 });
        const old = rows.filter((row) => isJob(row) && row.at <= before);
        for (const { key } of old) await orchestrator.forget(key);
        removed += old.length;
        after = rows.at(-1)?.key ?? after;
        full = rows.length === 1_000;
      }
    return removed;
  }

  /** Performs one attempt, as the job chart's invoke. */
  async perform(key: Key, { orchestrator, attempt, steps }: JobRun, work: Work): Promise<Envelope> {
    const { journal, orchestration } = this.#host;
    const job_id = key.session.slice(JOB.length);
    const stored = await journal.read(key, 1, steps > 0 ? undefined : 1);
    const { payload } = orderOf(stored[0]!.entry);
    const memory = new JobMemory(stored, work, this.#clock);
    try {
      return await orchestration.run(orchestrator, payload, {
        tenant: key.tenant,
        run_id: job_id,
        job_id,
        attempt,
        idempotency_key: `${key.tenant}/${job_id}`,
        call_key: work.key,
        signal: work.signal,
        memory,
        enqueue: (name, next, options) => this.enqueue(name, next, { ...options, tenant: key.tenant, parent: job_id }),
      });
    } catch (error) {
      throw forNow(error);
    } finally {
      memory.end();
    }
  }

  /** True if the job existed already. */
  async #create(key: Key, order: Order): Promise<boolean> {
    try {
      await this.#send(key, { type: 'enqueue', ...order });
      return false;
    } catch (error) {
      if (!isIllegal(error)) throw error;
    }
    const [first] = await this.#host.journal.read(key, 1, 1);
    const before = orderOf(first!.entry);
    // In a cluster a request may be delivered twice; then this job is the one it created.
    if (before.ticket === order.ticket) return false;
    if (isDeepStrictEqual(before.payload, plain(order.payload))) return true;
    throw new Refused(
      'idempotency_key_reused',
      'this key came with another payload before; a new job needs a new key',
      422,
    );
  }

  /** Ids sort in the order of creation, also within one millisecond. */
  #newId(now: number): string {
    this.#newest = Math.max(now, this.#newest + 1);
    return `${this.#newest.toString(36).padStart(9, '0')}-${randomBytes(6).toString('hex')}`;
  }

  async #command(key: Key, event: JobEvent & { readonly by?: string }): Promise<JobView> {
    const { orchestrator } = viewOf(await this.#last(key));
    const { access } = this.#host;
    if (access.asks)
      await access.check({ tenant: key.tenant, action: `${event.type}_job`, orchestrator, by: event.by });
    await this.#send(key, event);
    return viewOf(await this.#last(key));
  }

  #send(key: Key, event: JobEvent): Promise<void> {
    return this.#host.conversations.tell(key, event);
  }

  async #last(key: Key): Promise<Entry> {
    const stored = await this.#host.journal.last(key);
    if (stored) return stored.entry;
    throw new Refused('unknown_job', `there is no job "${key.session.slice(JOB.length)}"`, 404);
  }

  #key(tenant: string, job_id: string): Key {
    return { tenant: parse(token, tenant, 'tenant'), session: JOB + parse(token, job_id, 'job_id') };
  }
}

/** A temporary refusal becomes a retryable failure. */
const forNow = (error: unknown): unknown =>
  error instanceof Refused && error.status === 503 ? new Failed(error.code, error.message, true, error.details) : error;

const isJob = ({ key }: Row): boolean => key.session.startsWith(JOB);
const isIllegal = (error: unknown): boolean =>
  error instanceof Refused && (error.code === 'illegal_in_state' || error.code === 'session_ended');
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const keyedId = (orchestrator: string, key: string): string =>
  `k-${createHash('sha256').update(`${orchestrator}\n${key}`).digest('hex').slice(0, 32)}`;
