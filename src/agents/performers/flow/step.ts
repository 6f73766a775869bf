// Performs one step of a flow: calls the agent that the chart names until the step ends or asks.

import { asFailed, type CallIO, failureOf, type PerformerIO, type ToolStep } from '../../../../actors/performer.ts';
import type { Work } from '../../../../actors/session.ts';
import type { FlowContext, FlowEvent, Step, StepResult, StepsInput } from '../../../../machines/flow/events.ts';
import type { TaskEmitted } from '../../../emitted/emitted.ts';
import type { Clock } from '../../../platform/clock.ts';
import type { AgentCall, AgentResult, FlowAgent, FlowStep } from '../../definition.ts';
import type { Performed } from '../../pool.ts';
import { stepPrompt } from './prompt.ts';

/** The agents that a flow can call, as a pool has them. */
export interface Agents {
  readonly clock: Clock;
  /** 0 up to 1. */
  readonly random: () => number;
  /** As `AgentPool.call`. */
  readonly call: (call: AgentCall, io: CallIO) => Promise<Performed>;
  /** The fallbacks of an agent that has failed for good, in order. */
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
  /** Whether its answer is the flow's, so that its deltas are streamed. */
  readonly shown: boolean;
}

/** The time limit of the whole step: final, even when attempts are left. */
const timedOut = { code: 'timed_out', retryable: false, final: true } as const;

/**
 * Reports the step's events to the chart; resolves when the step ends or asks. Rejects only when the run has left the
 * flow, or an append failed.
 */
export const performStep = (options: StepOptions): Promise<void> => new StepWork(options).perform();

/** An event about the step, without its id. */
type StepReport = FlowEvent extends infer E ? (E extends { step: string } ? Omit<E, 'step'> : never) : never;

class StepWork {
  readonly #options: StepOptions;
  readonly #began: number;
  readonly #late = new AbortController();
  /** The step in the chart's context after the last event. */
  #step: Step;
  #isOver = false;
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
      while (!this.#isOver) await this.#attempt();
    } finally {
      if (timer) clock.clearTimeout(timer);
    }
  }

  /** Makes one call of the step's current agent; the chart decides what follows. */
  async #attempt(): Promise<void> {
    const { work, io, agents } = this.#options;
    const signal = AbortSignal.any([work.signal, this.#late.signal]);
    await this.#wait(signal);
    this.#calls += 1;
    let report: StepReport;
    let told: readonly TaskEmitted[] | undefined;
    try {
      const done = await agents.call(this.#call(), {
        signal,
        // The deltas of a second try would be appended to those of the first.
        part: this.#options.shown && this.#calls === 1 ? io.part : () => {},
        history: io.history,
        tools: io.tools,
        remember: ({ task, told }) => this.#report({ type: 'step.progressed', task }, told),
      });
      io.steps.push(...done.steps);
      report = this.#reportOf(done.result);
      told = done.told;
    } catch (error) {
      work.signal.throwIfAborted();
      const failed = asFailed(error, signal, this.#step.agent);
      io.steps.push(...((failed.details.steps as ToolStep[] | undefined) ?? []));
      const { told: own, ...failure } = failureOf(failed, agents.random);
      const expired = this.#late.signal.aborted && { ...timedOut, message: this.#late.signal.reason.message };
      report = {
        type: 'step.failed',
        failure: expired || failure,
        chain: this.#chain,
        at: agents.clock.now(),
        ms: this.#ms,
      };
      told = expired ? undefined : own;
    }
    await this.#report(report, told);
  }

  /** The event that reports an agent's result to the chart. */
  #reportOf(result: AgentResult): StepReport {
    const ms = this.#ms;
    switch (result.type) {
      case 'answer': {
        const { final_message: output, usage } = result;
        return { type: 'step.finished', output, ...(usage && { usage }), ms };
      }
      case 'transfer': {
        const { agent, reason, task } = result;
        return { type: 'step.transferred', agent, reason, task, ms };
      }
      case 'handoff': {
        const { final_message, reason } = result;
        return { type: 'step.handed_over', final_message, reason };
      }
      default: {
        const { task, ...question } = result;
        return { type: 'step.asked', question, task };
      }
    }
  }

  get #chain(): string[] {
    const { agents, call, first } = this.#options;
    return [first, ...agents.fallbacks(call.tenant, first)];
  }

  get #ms(): number {
    return this.#options.agents.clock.now() - this.#began;
  }

  /** Journals an event about the step, and takes over the step from the chart's new context. */
  async #report(event: StepReport, told: readonly TaskEmitted[] = []): Promise<void> {
    const { id } = this.#step;
    const about = { ...event, step: id, ...(told.length > 0 && { told }) };
    const { entry } = await this.#options.work.tell(about);
    const { status, context } = entry.snapshot;
    this.#step = (context as FlowContext).steps.find((step) => step.id === id)!;
    this.#isOver = status !== undefined || this.#step.state !== 'running';
  }

  /** Waits for the back-off. */
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
    const { id, agent, moves, failures, plan, task, decision, back } = this.#step;
    // An agent that gets the step for the second time begins another task, with other idempotency keys.
    const name = moves === 0 ? id : `${id}~${moves}`;
    return {
      ...call,
      agent_id: agent,
      step: call.step === undefined ? name : `${call.step}/${name}`,
      // A flow that begins again with more messages makes different calls.
      idempotency_key: `${work.key}/${name}.${input.words.length}.${failures + 1}`,
      input: this.#words().map((content) => ({ role: 'user', content })),
      context: {
        ...call.context,
        flow: { step: id, results: input.results },
        ...(back && { transfer: { from: back.agent, reason: back.reason } }),
      },
      task,
      decision,
      tried: plan.tried,
    };
  }

  /** The input of its agent, with the user's later messages; an agent that asked the user gets the answer alone. */
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
