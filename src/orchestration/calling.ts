// Calls agents outside a session, as a flow over them, so that attempts, instances, fallbacks and timeouts are those of flows.
import type { PerformerIO } from '../../actors/performer.ts';
import type { AgentCall, HistoryMessage } from '../agents/definition.ts';
import { flowPerformer } from '../agents/performers/flow.ts';
import type { AgentPool, Performed } from '../agents/pool.ts';
import type { Clock } from '../platform/clock.ts';
import { Failed } from '../platform/errors.ts';
import type { Tool } from '../tools/tool.ts';

export interface Calling {
  readonly pool: AgentPool;
  readonly clock: Clock;
  /** The tools of a name; empty if there are none. */
  readonly tools: (tenant: string, name: string) => Promise<readonly Tool[]>;
}

export interface Asked {
  readonly tenant: string;
  /** Run id that the agents receive: the caller's. */
  readonly run_id: string;
  /** Session id that the agents receive. Default: the run id. */
  readonly session_id?: string;
  readonly agents: readonly string[];
  /** `sequential`: one after the other, each with the results of those before; `parallel`: all at once. */
  readonly mode: 'sequential' | 'parallel';
  readonly content: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly history?: () => Promise<readonly HistoryMessage[]>;
  /** Idempotency key of the whole; each attempt's key is derived from it. */
  readonly idempotency_key: string;
  readonly signal: AbortSignal;
  /** Longest time for one agent including its retries, ms. */
  readonly timeout_ms?: number;
  /** Attempts per agent. Default 3. */
  readonly attempts?: number;
  /** Validates an answer; an error it throws fails the attempt. */
  readonly check?: (text: string) => void;
}

/** The result of one agent. Has either `text` or `error`. */
export interface Answered {
  /** The agent that was called first. */
  readonly asked: string;
  /** The agent that answered or failed in the end: the one asked, its fallback, or the target of a transfer. */
  readonly agent: string;
  /** `agent/instance`, if the call reached one. */
  readonly instance?: string;
  /** Total time including failed attempts, ms. */
  readonly ms: number;
  readonly text?: string;
  readonly error?: Failed;
}

/**
 * Calls agents through the pool, so that balancing, breakers and metrics apply, and resolves with the result of each, in order.
 * Rejects only if `asked.signal` aborts, with its reason.
 */
export async function callAgents(calling: Calling, asked: Asked): Promise<Answered[]> {
  const { tenant, run_id, session_id = run_id, agents, mode, content, params, context = {}, signal } = asked;
  const { timeout_ms, attempts, history = async () => [], idempotency_key } = asked;
  const calls = new Calls(calling, asked);
  const steps = agents.map((agent, n) => ({ id: `${n + 1}`, agent, timeout_ms }));
  const flow = { id: 'orchestrate', kind: 'flow', mode, steps, on_failure: 'continue', attempts } as const;
  const call: AgentCall = {
    tenant,
    session_id,
    run_id,
    agent_id: flow.id,
    attempt: 1,
    idempotency_key,
    input: [{ role: 'user', content }],
    guidance: [],
    context,
    params,
    tried: [],
  };
  const io: PerformerIO = {
    signal,
    part: () => {},
    history: async (limit = 50) => (await history()).slice(-limit),
    // Nothing is journaled here: a job journals the result of its step, and an inline run ends with its process.
    remember: async () => {},
    tools: (name) => calling.tools(tenant, name),
    steps: [],
    told: [],
    events: [],
  };
  // A failed agent has its own error; an agent that was not reached gets the error that ended the flow.
  let why: unknown;
  await flowPerformer(flow, calls)(call, io).catch((error) => {
    why = error;
  });
  signal.throwIfAborted();
  return agents.map((agent, n) => calls.resultOf(`${n + 1}`, agent, why));
}

/** As `callAgents` with one agent; rejects with its `Failed`. */
export async function callAgent(
  calling: Calling,
  { agent, ...asked }: Omit<Asked, 'agents' | 'mode'> & { readonly agent: string },
): Promise<Answered & { readonly text: string }> {
  const [answered] = await callAgents(calling, { ...asked, agents: [agent], mode: 'sequential' });
  if (answered!.error) throw answered!.error;
  return answered as Answered & { readonly text: string };
}

/**
 * The pool as the flow calls it. Records the result of each step, because the flow keeps neither the instance nor the error code.
 */
class Calls {
  readonly clock: Clock;
  readonly random = Math.random;
  readonly #calling: Calling;
  readonly #asked: Asked;
  readonly #results = new Map<string, Omit<Answered, 'asked' | 'ms'>>();
  readonly #tries = new Map<string, number>();
  readonly #began: number;
  readonly #ended = new Map<string, number>();

  constructor(calling: Calling, asked: Asked) {
    this.clock = calling.clock;
    this.#calling = calling;
    this.#asked = asked;
    this.#began = calling.clock.now();
  }

  readonly fallbacks = (tenant: string, agent_id: string): readonly string[] =>
    this.#calling.pool.get(tenant, agent_id)?.definition.fallbacks ?? [];

  readonly call = async (call: AgentCall, io: Parameters<AgentPool['call']>[1]): Promise<Performed> => {
    const step = stepOf(call);
    const { agent_id: agent } = call;
    try {
      const done = await this.#calling.pool.call({ ...call, ...this.#identity(step) }, io);
      const { result, endpoint: instance } = done;
      if (result.type === 'answer') {
        this.#asked.check?.(result.final_message);
        this.#results.set(step, { agent, instance, text: result.final_message });
      } else if (result.type !== 'transfer') {
        const error = new Failed('agent_asks', `agent "${agent}" ${asks[result.type]}, and nobody is there`, false);
        this.#results.set(step, { agent, instance, error });
        throw error;
      }
      return done;
    } catch (error) {
      if (error instanceof Failed)
        this.#results.set(step, {
          agent,
          instance: error.details.endpoint as string | undefined,
          error: publicFailure(error),
        });
      throw error;
    } finally {
      this.#ended.set(step, this.clock.now());
    }
  };

  resultOf(step: string, asked: string, why: unknown): Answered {
    const came = this.#results.get(step) ?? { agent: asked, error: notCalled(asked, why) };
    const ms = (this.#ended.get(step) ?? this.#began) - this.#began;
    return { asked, ...came, ms };
  }

  /** The attempt's number and idempotency key: the same call gets the same keys when it is repeated. */
  #identity(step: string): Pick<AgentCall, 'idempotency_key' | 'attempt'> {
    const attempt = (this.#tries.get(step) ?? 0) + 1;
    this.#tries.set(step, attempt);
    const { idempotency_key, agents } = this.#asked;
    const of = agents.length > 1 ? `${idempotency_key}/${step}` : idempotency_key;
    return { idempotency_key: `${of}.${attempt}`, attempt };
  }
}

const asks = {
  input_required: 'asks the user something',
  approval_required: 'asks for an approval',
  tool_required: 'asks its caller to run a tool',
  handoff: 'wants a person to go on',
} as const;

const notCalled = (agent: string, why: unknown): Failed =>
  new Failed('not_called', `agent "${agent}" was not called${why instanceof Error ? `: ${why.message}` : ''}`);

/** The step of a call, without its count of transfers. */
const stepOf = ({ step = '' }: AgentCall): string => step.split('~', 1)[0]!;

/** A failure without the details that only the pool needs. */
function publicFailure(error: Failed): Failed {
  const { retry_after_s } = error.details;
  const failed = new Failed(error.code, error.message, error.retryable, {
    ...(retry_after_s !== undefined && { retry_after_s }),
  });
  failed.cause = error.cause;
  return failed;
}
