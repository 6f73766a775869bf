// Performs one step of a flow: calls its agent until it has a result, at another instance, again, or by another agent.
import type { FlowEvent, Step, StepResult, StepsInput } from '../../../machines/flow/events.ts';
import type { AgentCall, AgentResult, FlowAgent, FlowStep } from '../../../src/agent.ts';
import type { Clock } from '../../../src/clock.ts';
import type { Failed } from '../../../src/errors.ts';
import type { Emitted } from '../../../src/journal.ts';
import { asFailed, type CallIO, type PerformerIO, type ToolStep } from '../../performer.ts';
import type { Performed } from '../../pool.ts';
import type { Work } from '../../session.ts';
import { stepPrompt } from './prompt.ts';

/** The agents that a flow can call, as a pool has them. */
export interface Agents {
  readonly clock: Clock;
  /** As `AgentPool.call`. */
  readonly call: (call: AgentCall, io: CallIO) => Promise<Performed>;
  /** The agents to try, in order, when this one has failed for good. */
  readonly fallbacks: (tenant: string, agent_id: string) => readonly string[];
}

export interface StepOptions {
  readonly step: Step;
  readonly input: StepsInput;
  readonly work: Work;
  readonly call: AgentCall;
  readonly io: PerformerIO;
  readonly agents: Agents;
  readonly flow: FlowAgent;
  /** The agent that the step was declared with; it may have moved since. */
  readonly first: string;
  readonly prompt: FlowStep['prompt'];
  /** Whether its answer is the flow's, so that it is shown while it is written. */
  readonly shown: boolean;
}

const ATTEMPTS = 3;
const BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
/** How often a step may go from one agent to another. */
const MOVES = 8;

/**
 * Tells the chart what becomes of the step; resolves when it is over or asks. Rejects only when the flow has left, or cannot
 * remember any more.
 */
export const performStep = (options: StepOptions): Promise<void> => new StepWork(options).perform();

/** What is to be told of a step, without its id. */
type Told = FlowEvent extends infer E ? (E extends { step: string } ? Omit<E, 'step'> : never) : never;

/** How a try failed, and what its agent told at its end. */
interface Came {
  readonly error: { code: string; message: string };
  readonly told?: Emitted[] | undefined;
}

/** What a pool says of a failure. */
interface Located {
  readonly endpoint?: string;
  readonly alternatives?: number;
  readonly retry_after_s?: number;
  readonly told?: readonly Emitted[];
}

class StepWork {
  readonly #options: StepOptions;
  readonly #began: number;
  readonly #late = new AbortController();
  /** The step as the chart has it: everything that changes here is told first. */
  #step: Step;
  #calls = 0;

  constructor(options: StepOptions) {
    this.#options = options;
    this.#step = options.step;
    this.#began = options.agents.clock.now();
  }

  async perform(): Promise<void> {
    const { clock } = this.#options.agents;
    const { id, timeout_ms } = this.#step;
    const expire = () =>
      this.#late.abort(new DOMException(`step "${id}" took longer than ${timeout_ms} ms`, 'TimeoutError'));
    const timer = timeout_ms && clock.setTimeout(expire, timeout_ms);
    try {
      while (!(await this.#try()));
    } finally {
      if (timer) clock.clearTimeout(timer);
    }
  }

  /** One call of the agent that has the step. True when the step needs no other. */
  async #try(): Promise<boolean> {
    const { work, io, agents } = this.#options;
    const signal = AbortSignal.any([work.signal, this.#late.signal]);
    await this.#wait(signal);
    this.#calls += 1;
    const call = this.#call();
    let done: Performed;
    try {
      done = await agents.call(call, {
        signal,
        // A second try would be written behind the first.
        part: this.#options.shown && this.#calls === 1 ? io.part : () => {},
        history: io.history,
        tools: io.tools,
        remember: ({ task, told }) => this.#progress(task, told),
      });
    } catch (error) {
      work.signal.throwIfAborted();
      const failed = asFailed(error, signal, this.#step.agent);
      io.steps.push(...((failed.details.steps as ToolStep[] | undefined) ?? []));
      if (!this.#late.signal.aborted) return this.#next(failed);
      return this.#fail({ error: { code: 'timed_out', message: this.#late.signal.reason.message } });
    }
    io.steps.push(...done.steps);
    return this.#end(done.result, done.told.length > 0 ? { told: [...done.told] } : {});
  }

  async #end(result: AgentResult, told: { told?: Emitted[] }): Promise<boolean> {
    const ms = this.#options.agents.clock.now() - this.#began;
    switch (result.type) {
      case 'answer': {
        const { final_message: output, usage } = result;
        await this.#tell({ type: 'step.finished', output, ...(usage && { usage }), ms, ...told });
        return true;
      }
      case 'transfer':
        return this.#move(result.agent, result.reason, { transfer: true, task: result.task, ...told });
      case 'handoff': {
        const { final_message, reason } = result;
        await this.#tell({ type: 'step.handed_over', final_message, reason, ...told });
        return true;
      }
      default: {
        const { task, ...question } = result;
        await this.#tell({ type: 'step.asked', question, task, ...told });
        return true;
      }
    }
  }

  /** What follows from a failure: another instance, another try, the agent that gave the step away, another agent, or nothing. */
  async #next(failed: Failed): Promise<boolean> {
    const { agents, call, first, flow } = this.#options;
    const { agent, back } = this.#step;
    const { endpoint, alternatives = 0, retry_after_s = 0, told } = failed.details as Located;
    const error = { code: failed.code, message: failed.message };
    const came = { error, ...(told && { told: [...told] }) };
    if (failed.retryable && alternatives > 0) return this.#retry(came, endpoint);
    const chain = [first, ...agents.fallbacks(call.tenant, first)];
    const another = chain.includes(agent) ? chain[chain.indexOf(agent) + 1] : undefined;
    // Nobody waits for an agent that is out, if there is another.
    const isOut = failed.code === 'no_agent_available' && (back ?? another) !== undefined;
    const failures = this.#step.tries + 1;
    if (failed.retryable && !isOut && failures < (flow.attempts ?? ATTEMPTS)) {
      const backoff = Math.min(LONGEST_BACKOFF_MS, (flow.backoff_ms ?? BACKOFF_MS) * 2 ** (failures - 1));
      const wait = Math.max(backoff, retry_after_s * 1_000);
      return this.#retry(came, endpoint, agents.clock.now() + wait);
    }
    if (back) {
      await this.#tell({ type: 'step.returned', ...came });
      const { reason: _, ...before } = back;
      const decision = { kind: 'transfer' as const, to: agent, error: `${error.code}: ${error.message}` };
      this.#begin({ back: undefined, ...before, decision });
      return false;
    }
    if (another !== undefined)
      return this.#move(another, `${agent}: ${error.code}: ${error.message}`, { transfer: false, told: came.told });
    return this.#fail(came);
  }

  async #move(
    agent: string,
    reason: string,
    how: { transfer: boolean; task?: unknown; told?: Emitted[] },
  ): Promise<boolean> {
    if (this.#step.moves >= MOVES)
      return this.#fail({
        error: { code: 'too_many_transfers', message: `it went from agent to agent ${MOVES} times` },
        told: how.told,
      });
    await this.#tell({ type: 'step.moved', agent, reason, ...how });
    const { agent: from, words, answering } = this.#step;
    this.#begin({
      agent,
      task: undefined,
      decision: undefined,
      words: this.#options.input.words.slice(this.#step.from),
      answering: undefined,
      back: how.transfer ? { agent: from, reason, task: how.task, words, answering } : undefined,
    });
    return false;
  }

  async #retry(came: Came, endpoint?: string, not_before?: number): Promise<boolean> {
    await this.#tell({
      type: 'step.retried',
      ...came,
      ...(endpoint && { endpoint }),
      ...(not_before && { not_before }),
    });
    const { failures, tries, tried } = this.#step;
    const all = endpoint === undefined ? tried : [...tried, endpoint];
    this.#step = { ...this.#step, failures: failures + 1, tries: tries + 1, tried: all, not_before };
    return false;
  }

  #begin(change: Partial<Step>): void {
    const untried = { failures: 0, tries: 0, tried: [], not_before: undefined };
    this.#step = { ...this.#step, ...untried, ...change, moves: this.#step.moves + 1 };
  }

  async #fail(came: Came): Promise<boolean> {
    await this.#tell({ type: 'step.failed', ...came, ms: this.#options.agents.clock.now() - this.#began });
    return true;
  }

  /** Whoever gets on may try again, and has heard what was decided. */
  async #progress(task: unknown, told: readonly Emitted[] = []): Promise<void> {
    await this.#tell({ type: 'step.progressed', task, ...(told.length > 0 && { told: [...told] }) });
    this.#step = { ...this.#step, task, decision: undefined, tries: 0, tried: [] };
  }

  async #tell(event: Told): Promise<void> {
    await this.#options.work.tell({ ...event, step: this.#step.id } as never);
  }

  /** Until it may be tried again. */
  async #wait(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.agents;
    const ms = (this.#step.not_before ?? 0) - clock.now();
    if (ms <= 0) return;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimeout(resolve, ms);
      const left = () => {
        clock.clearTimeout(timer);
        resolve();
      };
      if (signal.aborted) left();
      else signal.addEventListener('abort', left, { once: true });
    });
  }

  #call(): AgentCall {
    const { call, work, input } = this.#options;
    const { id, agent, moves, failures, tried, task, decision, back } = this.#step;
    // An agent that has the step for the second time begins another task, whose work has other keys.
    const name = moves === 0 ? id : `${id}~${moves}`;
    return {
      ...call,
      agent_id: agent,
      step: call.step === undefined ? name : `${call.step}/${name}`,
      // A flow that begins again with more words asks something else.
      idempotency_key: `${work.key}/${name}.${input.words.length}.${failures + 1}`,
      input: this.#words().map((content) => ({ role: 'user', content })),
      context: {
        ...call.context,
        flow: { step: id, results: input.results },
        ...(back && { transfer: { from: back.agent, reason: back.reason } }),
      },
      task,
      decision,
      tried,
    };
  }

  /** What its agent is asked, and what the user has said since; an agent that asked the user itself hears the answer alone. */
  #words(): string[] {
    const { words, answering, from } = this.#step;
    if (answering) return words;
    const { input, prompt, flow } = this.#options;
    const message = input.words.slice(0, from).join('\n');
    const seesResults = flow.mode === 'sequential' || this.#step.aggregates === true;
    const results: readonly StepResult[] = seesResults ? input.results : [];
    return [prompt ? prompt(message, results) : stepPrompt(message, results), ...words];
  }
}
