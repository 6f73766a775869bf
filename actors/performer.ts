// What performs an attempt: the promise every kind of agent keeps to the pool, whether it is a function or far away.
import type { Failure } from '../machines/session/events.ts';
import type { AgentCall, AgentResult, HistoryMessage } from '../src/agents/definition.ts';
import type { TaskEmitted } from '../src/emitted/emitted.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import type { Tool } from '../src/tools/tool.ts';

/** How far an agent is in an attempt: what it goes on with (`call.task` of whoever does), and what there is to tell of it. */
export interface Progress {
  readonly task: unknown;
  readonly told?: readonly TaskEmitted[];
  /** The events that led the agent's own chart there, for replay. */
  readonly events?: readonly unknown[];
}

/** What a run lends to whoever performs it. */
export interface CallIO {
  /** Aborted when the run leaves the state that called. A `TimeoutError` as its reason counts as the endpoint's failure. */
  readonly signal: AbortSignal;
  readonly part: (text: string) => void;
  readonly history: (limit?: number) => Promise<HistoryMessage[]>;
  /** Remembers how far the agent is; resolves when that is durable, rejects when the run has left. */
  readonly remember: (progress: Progress) => Promise<void>;
  /**
   * Finds what a flow names and is not among the agent's own tools: one tool, all of a source's where the name is a source's, or
   * none. Rejects with `Failed` when a source cannot be asked.
   */
  readonly tools?: (name: string) => Promise<readonly Tool<any>[]>;
}

/** One tool call of an attempt, for the trace. `started_at` is ms since the epoch; either `output` or `error` is there. */
export interface ToolStep {
  readonly type: 'tool';
  readonly name: string;
  readonly input: unknown;
  readonly output?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly started_at: number;
  readonly ms: number;
}

export interface PerformerIO extends CallIO {
  /** The trace so far; performers add to it as they go, so that a failed attempt leaves one too. */
  readonly steps: ToolStep[];
  /** What there is to tell together with the result, and the events of the agent's own chart that led to it. */
  readonly told: TaskEmitted[];
  readonly events: unknown[];
}

/**
 * Performs one attempt: resolves with what came of it, rejects when it failed (the pool makes a `Failed` of what is not one
 * yet). Stops promptly when `io.signal` is aborted.
 */
export type Performer = (call: AgentCall, io: PerformerIO) => Promise<AgentResult>;

/** The user's words of a call as one text. */
export const messageOf = (call: AgentCall): string =>
  call.input.length === 1 ? call.input[0]!.content : call.input.map((message) => message.content).join('\n');

/** Any error of an attempt as a `Failed`; what the agent threw itself may well go better next time. */
export function asFailed(error: unknown, signal: AbortSignal, agent_id: string): Failed {
  if (signal.aborted) return asAborted(signal.reason, agent_id);
  if (error instanceof Failed) return error;
  if (error instanceof Refused) return new Failed(error.code, error.message, false, error.details);
  const failed = new Failed('agent_failed', error instanceof Error ? error.message : String(error));
  failed.cause = error;
  return failed;
}

/** A failure as it is journaled; `random` draws its jitter, so that replaying it draws nothing. */
export function failureOf({ code, message, retryable, details }: Failed, random: () => number): Failure {
  const { endpoint, alternatives, retry_after_s, told } = details as Partial<Failure>;
  const jitter = retryable ? random() : undefined;
  return { code, message, retryable, endpoint, alternatives, retry_after_s, jitter, ...(told && { told }) };
}

function asAborted(reason: unknown, agent_id: string): Failed {
  if (reason instanceof Failed) return reason;
  if (reason instanceof Error && reason.name === 'TimeoutError')
    return new Failed('timed_out', `agent "${agent_id}" did not answer in time`);
  return new Failed('aborted', `the run left agent "${agent_id}" before it answered`, false);
}
