// One call of an agent outside any conversation: tried again, at other instances and at the agents that stand in for it.
import type { AgentPool, Performed } from '../../actors/pool.ts';
import type { AgentCall, HistoryMessage } from '../agent.ts';
import type { Clock } from '../clock.ts';
import { Failed } from '../errors.ts';
import type { Tool } from '../tools.ts';

export interface Calling {
  readonly pool: AgentPool;
  readonly clock: Clock;
  /** The tools that a name stands for; none where there is no such thing. */
  readonly tools: (tenant: string, name: string) => Promise<readonly Tool<any>[]>;
}

export interface Asked {
  readonly tenant: string;
  /** What agents are told as their session and run: the id of whoever calls. */
  readonly run_id: string;
  readonly agent: string;
  readonly content: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly context?: Readonly<Record<string, unknown>>;
  readonly history?: readonly HistoryMessage[];
  /** Of the call; each try has a key of its own made from it. */
  readonly idempotency_key: string;
  readonly signal: AbortSignal;
  /** The longest it may take with all its tries, ms. */
  readonly timeout_ms?: number;
  /** Tries of each agent; 3 unless told. */
  readonly attempts?: number;
  /** The first wait between tries, ms; it doubles up to 30 s. 500 unless told. */
  readonly backoff_ms?: number;
  /** Looks at an answer before it counts; what it throws is a failed try. */
  readonly check?: (text: string) => void;
}

export interface Answered {
  readonly text: string;
  /** Who answered in the end: the agent that was asked, or one that stood in or was handed the call. */
  readonly agent: string;
  readonly instance: string;
  readonly ms: number;
  /** The instances that failed on the way, in order. */
  readonly failed: readonly string[];
}

const LONGEST_WAIT = 30_000;
const MOST_TRANSFERS = 8;

/**
 * Calls an agent through the pool, so that balancing, breakers and metrics apply. Rejects with `Failed`: the last failure when
 * nobody is left to try, `timed_out` when the time is over, `agent_asks` when the agent wants something of a person.
 */
export async function callAgent(calling: Calling, asked: Asked): Promise<Answered> {
  const limit = within(asked.timeout_ms, asked.signal, calling.clock);
  try {
    return await new Call(calling, { ...asked, signal: limit.signal }).answer();
  } catch (error) {
    if (limit.over() && !asked.signal.aborted)
      throw new Failed('timed_out', `agent "${asked.agent}" did not answer within ${asked.timeout_ms} ms`);
    throw error;
  } finally {
    limit.end();
  }
}

class Call {
  readonly #calling: Calling;
  readonly #asked: Asked;
  readonly #failed: string[] = [];
  #tries = 0;
  #task: unknown;

  constructor(calling: Calling, asked: Asked) {
    this.#calling = calling;
    this.#asked = asked;
  }

  async answer(): Promise<Answered> {
    const { agent, context } = this.#asked;
    const agents = [agent, ...(this.#definition(agent)?.fallbacks ?? [])];
    for (;;) {
      const next = agents.shift()!;
      try {
        return await this.#agent(next, context);
      } catch (error) {
        if (this.#asked.signal.aborted || agents.length === 0) throw error;
        if (error instanceof Failed && error.code === 'agent_asks') throw error;
      }
    }
  }

  /** All tries of one agent; a call that it hands over goes on with the other. */
  async #agent(first: string, given: Asked['context']): Promise<Answered> {
    let agent = first;
    let context = given;
    for (let transfers = 0; ; transfers += 1) {
      const { result, endpoint, ms } = await this.#tried(agent, context);
      if (result.type === 'answer')
        return { text: result.final_message, agent, instance: endpoint, ms, failed: this.#failed };
      if (result.type !== 'transfer' || transfers === MOST_TRANSFERS)
        throw new Failed(
          'agent_asks',
          `agent "${agent}" answered ${result.type}, which nobody is there to take`,
          false,
        );
      context = { ...given, transfer: { from: agent, reason: result.reason, context: result.context } };
      agent = result.agent;
    }
  }

  async #tried(agent: string, context: Asked['context']): Promise<Performed> {
    const { attempts = 3, backoff_ms = 500, signal, check } = this.#asked;
    const tried: string[] = [];
    this.#task = undefined;
    for (let tries = 1; ; ) {
      try {
        const done = await this.#once(agent, context, tried);
        if (done.result.type === 'answer') check?.(done.result.final_message);
        return done;
      } catch (error) {
        if (!(error instanceof Failed) || !error.retryable || signal.aborted) throw error;
        const { endpoint, alternatives = 0, retry_after_s = 0 } = error.details as Partial<Located>;
        if (endpoint) {
          tried.push(endpoint);
          this.#failed.push(endpoint);
        }
        if (alternatives > 0) continue;
        if (tries >= attempts) throw error;
        const wait = Math.min(LONGEST_WAIT, backoff_ms * 2 ** (tries - 1));
        await pause(Math.max(wait, retry_after_s * 1_000), signal, this.#calling.clock);
        tries += 1;
      }
    }
  }

  #once(agent_id: string, context: Asked['context'] = {}, tried: readonly string[]): Promise<Performed> {
    const { tenant, run_id, content, params, history = [], signal, idempotency_key } = this.#asked;
    this.#tries += 1;
    const call: AgentCall = {
      tenant,
      session_id: run_id,
      run_id,
      agent_id,
      attempt: this.#tries,
      idempotency_key: `${idempotency_key}.${this.#tries}`,
      input: [{ role: 'user', content }],
      guidance: [],
      context,
      params,
      task: this.#task,
      tried,
    };
    return this.#calling.pool.call(call, {
      signal,
      part: () => {},
      history: async (limit = 50) => history.slice(-limit),
      // An agent that got on in a try that failed goes on from there in the next one.
      remember: async ({ task }) => {
        this.#task = task;
      },
      tools: (name) => this.#calling.tools(tenant, name),
    });
  }

  #definition(agent: string) {
    return this.#calling.pool.get(this.#asked.tenant, agent)?.definition;
  }
}

interface Located {
  readonly endpoint: string;
  readonly alternatives: number;
  readonly retry_after_s: number;
}

/** A signal that is also aborted when the time is over. */
function within(ms: number | undefined, signal: AbortSignal, clock: Clock) {
  if (ms === undefined) return { signal, over: () => false, end: () => {} };
  const late = new AbortController();
  const timer = clock.setTimeout(() => late.abort(new DOMException(`no answer within ${ms} ms`, 'TimeoutError')), ms);
  return {
    signal: AbortSignal.any([signal, late.signal]),
    over: () => late.signal.aborted,
    end: () => clock.clearTimeout(timer),
  };
}

function pause(ms: number, signal: AbortSignal, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const leave = () => {
      clock.clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = clock.setTimeout(() => {
      signal.removeEventListener('abort', leave);
      resolve();
    }, ms);
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, { once: true });
  });
}
