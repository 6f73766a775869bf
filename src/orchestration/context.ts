// The context of an orchestrator's run: calls of agents and tools, steps done once, records with provenance.
import { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { performTool } from '../tools/perform.ts';
import { type Calling, callAgent } from './calling.ts';
import { digestOf } from './digest.ts';
import type { EnvelopeRecord, Provenance } from './envelope.ts';

/** A possible source of a record. Plain JSON, so that a step can journal it. */
export interface Source {
  readonly provenance: Provenance;
}

export interface Answer<Data = unknown> extends Source {
  readonly text: string;
  /** The answer parsed by the call's `output` schema; without a schema, parsed JSON if it parses, else undefined. */
  readonly data: Data;
}

export interface ToolAnswer extends Source {
  readonly output: unknown;
}

export interface Enqueued extends Source {
  readonly job_id: string;
}

export interface CallOptions<Data = unknown> {
  /** Longest time including retries, ms. */
  readonly timeout_ms?: number;
  /** Attempts per agent. Default 3. */
  readonly attempts?: number;
  /** Schema of the answer's JSON; an answer that does not fit fails the attempt (`bad_answer`). */
  readonly output?: z.ZodType<Data>;
  /** Passed to the agent as `call.params`. */
  readonly params?: Readonly<Record<string, unknown>>;
  /** Passed to the agent as `call.context`. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** Reference to the input, for the provenance of records. */
  readonly ref?: string;
}

export interface EnqueueOptions {
  readonly priority?: 'high' | 'normal' | 'low';
  readonly delay_ms?: number;
  /** Names the job: enqueued again with this key it is the same job. Default: numbered by the run. */
  readonly key?: string;
}

/** The context that `run` receives. Its members may be destructured. */
export interface RunContext {
  readonly tenant: string;
  readonly run_id: string;
  /** The job whose attempt this is; undefined for an inline run. */
  readonly job_id: string | undefined;
  /** From 1. */
  readonly attempt: number;
  /** The same for every attempt of a job: pass it to services that must not repeat work. */
  readonly idempotency_key: string;
  /** Aborts if the run is cancelled or timed out. */
  readonly signal: AbortSignal;
  /**
   * Calls an agent with text, or JSON as text. Retries at other instances and at its fallbacks; rejects with the last `Failed`.
   */
  call<Data = unknown>(agent: string, input: unknown, options?: CallOptions<Data>): Promise<Answer<Data>>;
  /** Calls a tool of the runtime. Rejects with `Failed`: `unknown_tool`, `bad_tool_input`, `tool_failed` or the tool's own. */
  tool(name: string, input: unknown, options?: { readonly ref?: string }): Promise<ToolAnswer>;
  /**
   * Runs `work` once: in a job its result, as JSON, is journaled before it resolves, and an attempt after a crash or a failure
   * gets that result instead of running `work` again. Each name may be used once per run.
   */
  step<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result>;
  /** A record of the envelope. `from` is its source: an answer, a tool's answer, an enqueued run. */
  record(data: unknown, from: Source, options?: { readonly id?: string }): EnvelopeRecord;
  /** Adds a warning to the envelope. */
  warn(text: string): void;
  /** Reports the progress, 0 … 1, to readers of the job. */
  progress(fraction: number, note?: string): void;
  /** Enqueues a run of an orchestrator as a job of its own. */
  enqueue(orchestrator: string, payload: unknown, options?: EnqueueOptions): Promise<Enqueued>;
}

/** The journaled memory that a job lends to its run. */
export interface RunMemory {
  /** The result of a step, if it is done. */
  recall(name: string): { readonly result: unknown } | undefined;
  /** Resolves when it is durable; rejects if the run is over. */
  remember(name: string, result: unknown): Promise<void>;
  progress(fraction: number, note?: string): void;
}

export interface RunParts extends Calling {
  readonly clock: Clock;
  readonly run: Pick<RunContext, 'tenant' | 'run_id' | 'job_id' | 'attempt' | 'idempotency_key' | 'signal'>;
  /** Prefix of the idempotency keys of its calls. */
  readonly call_key: string;
  readonly record?: z.ZodType;
  readonly memory?: RunMemory;
  /** Resolves to the job's id and the version of its orchestrator. */
  readonly enqueue: (
    orchestrator: string,
    payload: unknown,
    options: EnqueueOptions,
  ) => Promise<{ readonly job_id: string; readonly version: string }>;
}

/** Longest note, characters. */
const LONGEST_NOTE = 500;
/** Longest name of a step, characters. */
const LONGEST_NAME = 200;

export class RunWork implements RunContext {
  readonly tenant: string;
  readonly run_id: string;
  readonly job_id: string | undefined;
  readonly attempt: number;
  readonly idempotency_key: string;
  readonly signal: AbortSignal;
  readonly counts = { calls: 0, failed_calls: 0 };
  readonly warnings: string[] = [];
  readonly #parts: RunParts;
  readonly #steps = new Set<string>();
  #enqueued = 0;

  constructor(parts: RunParts) {
    this.#parts = parts;
    const { tenant, run_id, job_id, attempt, idempotency_key, signal } = parts.run;
    this.tenant = tenant;
    this.run_id = run_id;
    this.job_id = job_id;
    this.attempt = attempt;
    this.idempotency_key = idempotency_key;
    this.signal = signal;
  }

  call = async <Data>(agent: string, input: unknown, options: CallOptions<Data> = {}): Promise<Answer<Data>> => {
    const { output, ref, ...rest } = options;
    const content = typeof input === 'string' ? input : JSON.stringify(input);
    let data: unknown;
    const check = (text: string): void => {
      data = output ? readAs(output, text, agent) : jsonOf(text);
    };
    const { tenant, run_id, signal } = this;
    const idempotency_key = this.#callKey();
    const asked = { ...rest, tenant, run_id, signal, agent, content, idempotency_key, check };
    const done = await this.#counted(callAgent(this.#parts, asked));
    const version = this.#parts.pool.get(tenant, done.agent)?.definition.version;
    const provenance = this.#provenance(input, ref, {
      agent: done.agent,
      ...(version !== undefined && { agent_version: version }),
      instance: done.instance,
    });
    return { text: done.text, data: data as Data, provenance };
  };

  tool = async (name: string, input: unknown, { ref }: { readonly ref?: string } = {}): Promise<ToolAnswer> => {
    const { tenant, run_id, signal } = this;
    const tool = (await this.#parts.tools(tenant, name)).find((one) => one.name === name);
    if (!tool) throw new Failed('unknown_tool', `there is no tool "${name}"`, false);
    const idempotency_key = this.#callKey();
    const call = { id: idempotency_key, run_id, attempt: this.attempt };
    const io = { signal, tenant, session_id: run_id, idempotency_key, call, clock: this.#parts.clock };
    const output = await this.#counted(
      performTool(tool, input, io).then((outcome) => {
        if ('failed' in outcome) throw outcome.failed;
        return outcome.output;
      }),
    );
    return { output, provenance: this.#provenance(input, ref, { tool: name }) };
  };

  step = async <Result>(name: string, work: () => Result | Promise<Result>): Promise<Result> => {
    if (typeof name !== 'string' || name === '' || name.length > LONGEST_NAME)
      throw new Refused('bad_step', `a step needs a name of 1 to ${LONGEST_NAME} characters`);
    if (this.#steps.has(name)) throw new Refused('duplicate_step', `the run has a step "${name}" already`);
    this.#steps.add(name);
    const { memory } = this.#parts;
    const before = memory?.recall(name);
    if (before) return before.result as Result;
    this.signal.throwIfAborted();
    const result = await work();
    this.signal.throwIfAborted();
    if (!memory) return result;
    const plain = asJson(result, `the result of step "${name}"`);
    await memory.remember(name, plain);
    // The result after a round trip through JSON, as the next attempt would get it.
    return plain as Result;
  };

  record = (data: unknown, from: Source, { id }: { readonly id?: string } = {}): EnvelopeRecord => {
    if (!from?.provenance)
      throw new Failed('bad_record', 'a record must say what it was made of: ctx.record(data, from)', false);
    const { record } = this.#parts;
    const parsed = record?.safeParse(data);
    if (parsed?.success === false)
      throw new Failed('bad_record', `the data of a record does not fit: ${z.prettifyError(parsed.error)}`, false);
    const plain = asJson(parsed ? parsed.data : data, 'the data of a record') as EnvelopeRecord['data'];
    return { ...(id !== undefined && { id }), data: plain, provenance: from.provenance };
  };

  warn = (text: string): void => {
    this.warnings.push(text);
  };

  progress = (fraction: number, note?: string): void => {
    this.#parts.memory?.progress(Math.min(1, Math.max(0, fraction || 0)), note?.slice(0, LONGEST_NOTE));
  };

  enqueue = async (orchestrator: string, payload: unknown, options: EnqueueOptions = {}): Promise<Enqueued> => {
    this.#enqueued += 1;
    const key = options.key ?? `${this.idempotency_key}/${this.#enqueued}`;
    const { job_id, version } = await this.#parts.enqueue(orchestrator, payload, { ...options, key });
    const made = { orchestrator, orchestrator_version: version };
    return { job_id, provenance: this.#provenance(payload, `jobs/${job_id}`, made) };
  };

  /** Every call has its own key, and every attempt has other keys. */
  #callKey(): string {
    this.counts.calls += 1;
    return `${this.#parts.call_key}/${this.counts.calls}`;
  }

  async #counted<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      this.counts.failed_calls += 1;
      throw error;
    }
  }

  #provenance(input: unknown, ref: string | undefined, made: Partial<Provenance>): Provenance {
    return {
      ...made,
      run: this.run_id,
      at: this.#parts.clock.now(),
      input_digest: digestOf(input),
      ...(ref !== undefined && { input_ref: ref }),
    };
  }
}

function readAs(schema: z.ZodType, text: string, agent: string): unknown {
  const parsed = schema.safeParse(jsonOf(text));
  if (parsed.success) return parsed.data;
  throw new Failed('bad_answer', `agent "${agent}" answered what does not fit: ${z.prettifyError(parsed.error)}`);
}

/** The parsed JSON; undefined if it does not parse. */
function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function asJson(value: unknown, what: string): unknown {
  try {
    const text = JSON.stringify(value);
    return text === undefined ? null : JSON.parse(text);
  } catch (error) {
    throw new Failed('not_json', `${what} is no JSON: ${(error as Error).message}`, false);
  }
}
