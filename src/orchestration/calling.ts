// Agents called outside any conversation: a flow over them is performed, so tries, instances, stand-ins and time-outs are a flow's.
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
  /** The tools that a name stands for; none where there is no such thing. */
  readonly tools: (tenant: string, name: string) => Promise<readonly Tool[]>;
}

export interface Asked {
  readonly tenant: string;
  /** What agents are told as their run: the id of whoever calls. */
  readonly run_id: string;
  /** What they are told as their session; the run unless told. */
  readonly session_id?: string;
  readonly agents: readonly string[];
  /** One after the other, each with what the others before it came to, or all at once. */
  readonly mode: 'sequential' | 'parallel';
  readonly content: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly history?: () => Promise<readonly HistoryMessage[]>;
  /** Of all this; each try has a key of its own made from it. */
  readonly idempotency_key: string;
  readonly signal: AbortSignal;
  /** The longest one agent may take with all its tries, ms. */
  readonly timeout_ms?: number;
  /** Tries of each agent; 3 unless told. */
  readonly attempts?: number;
  /** Looks at an answer before it counts; what it throws is a failed try. */
  readonly check?: (text: string) => void;
}

/** What came of one of the agents that were asked. Either `text` or `error` is there. */
export interface Answered {
  /** The agent that was asked. */
  readonly asked: string;
  /** Who answered or failed in the end: itself, or one that stood in or was handed the call. */
  readonly agent: string;
  /** `agent/instance`, where it got as far as that. */
  readonly instance?: string;
  /** In all, with what was tried before, ms. */
  readonly ms: number;
  readonly text?: string;
  readonly error?: Failed;
}

/**
 * Calls agents through the pool, so that balancing, breakers and metrics apply, and resolves with what came of each, in order.
 * Rejects only when `asked.signal` is aborted, with its reason.
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
    // Nobody goes on from here: whoever asked remembers what came of it, if anybody does.
    remember: async () => {},
    tools: (name) => calling.tools(tenant, name),
    steps: [],
    told: [],
    events: [],
  };
  // That some or all of them failed is told of each; of one that was not reached, why the flow ended.
  let why: unknown;
  await flowPerformer(flow, calls)(call, io).catch((error) => {
    why = error;
  });
  signal.throwIfAborted();
  return agents.map((agent, n) => calls.cameOf(`${n + 1}`, agent, why));
}

/** As `callAgents` with one agent; rejects with the `Failed` that it came to. */
export async function callAgent(
  calling: Calling,
  { agent, ...asked }: Omit<Asked, 'agents' | 'mode'> & { readonly agent: string },
): Promise<Answered & { readonly text: string }> {
  const [answered] = await callAgents(calling, { ...asked, agents: [agent], mode: 'sequential' });
  if (answered!.error) throw answered!.error;
  return answered as Answered & { readonly text: string };
}

/** The pool as the flow calls it, noting what each step came to: the flow itself keeps no instance and no code of a failure. */
class Calls {
  readonly clock: Clock;
  readonly random = Math.random;
  readonly #calling: Calling;
  readonly #asked: Asked;
  readonly #came = new Map<string, Omit<Answered, 'asked' | 'ms'>>();
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
        this.#came.set(step, { agent, instance, text: result.final_message });
      } else if (result.type !== 'transfer') {
        const error = new Failed('agent_asks', `agent "${agent}" ${asks[result.type]}, and nobody is there`, false);
        this.#came.set(step, { agent, instance, error });
        throw error;
      }
      return done;
    } catch (error) {
      if (error instanceof Failed)
        this.#came.set(step, { agent, instance: error.details.endpoint as string | undefined, error: said(error) });
      throw error;
    } finally {
      this.#ended.set(step, this.clock.now());
    }
  };

  cameOf(step: string, asked: string, why: unknown): Answered {
    const came = this.#came.get(step) ?? { agent: asked, error: notCalled(asked, why) };
    const ms = (this.#ended.get(step) ?? this.#began) - this.#began;
    return { asked, ...came, ms };
  }

  /** A key for every try, the same whenever the same is asked again. */
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

/** The step of a call, without how often it went to another agent. */
const stepOf = ({ step = '' }: AgentCall): string => step.split('~', 1)[0]!;

/** A failure without what only the pool needs of it. */
function said(error: Failed): Failed {
  const { retry_after_s } = error.details;
  const failed = new Failed(error.code, error.message, error.retryable, {
    ...(retry_after_s !== undefined && { retry_after_s }),
  });
  failed.cause = error.cause;
  return failed;
}
