// The interface that performs an attempt, the same for every kind of agent, in this process or remote.
import type { Failure } from '../machines/session/events.ts';
import type { AgentCall, AgentResult, HistoryMessage } from '../src/agents/definition.ts';
import type { TaskEmitted } from '../src/emitted/emitted.ts';
import { Failed, Refused } from '../src/platform/errors.ts';
import type { Tool } from '../src/tools/tool.ts';
import type { Inspect } from './durable.ts';

/** Progress of an agent within an attempt: the `task` that the next attempt resumes from, and the events to emit. */
export interface Progress {
  readonly task: unknown;
  readonly told?: readonly TaskEmitted[];
  /** The events that led the agent's own chart to this state, for replay. */
  readonly events?: readonly unknown[];
}

/** The functions that a run offers to its performer. */
export interface CallIO {
  /**
   * Aborted when the run leaves the state that made the call. With a `TimeoutError` as its reason the attempt counts as
   * a failure of the endpoint.
   */
  readonly signal: AbortSignal;
  readonly part: (text: string) => void;
  readonly history: (limit?: number) => Promise<HistoryMessage[]>;
  /** Journals the progress; resolves when it is durable, rejects when the run has left the state. */
  readonly remember: (progress: Progress) => Promise<void>;
  /**
   * Resolves a tool name of a flow that is not among the agent's own tools: to one tool, to all tools of a source when
   * the name is a source's, or to none. Rejects with `Failed` when a source does not reply.
   */
  readonly tools?: (name: string) => Promise<readonly Tool[]>;
}

/**
 * One tool call of an attempt, for the trace. `started_at` is ms since the epoch; either `output` or `error` is set.
 */
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
  /** The trace so far; performers append to it as they go, so that a failed attempt leaves a trace too. */
  readonly steps: ToolStep[];
  /** The events to emit together with the result, and the events of the agent's own chart that led to it. */
  readonly told: TaskEmitted[];
  readonly events: unknown[];
  /** Sees the actor of an agent that is a chart. */
  readonly inspect?: Inspect;
}

/**
 * Performs one attempt: resolves with its result, rejects when it failed (the pool turns any other error into a
 * `Failed`). Stops promptly when `io.signal` is aborted.
 */
export type Performer = (call: AgentCall, io: PerformerIO) => Promise<AgentResult>;

/** The user messages of a call, joined to one text. */
export const messageOf = (call: AgentCall): string =>
  call.input.length === 1 ? call.input[0]!.content : call.input.map((message) => message.content).join('\n');

/** Any error of an attempt as a `Failed`; an error that the agent itself threw is retryable. */
export function asFailed(error: unknown, signal: AbortSignal, agent_id: string): Failed {
  if (signal.aborted) return asAborted(signal.reason, agent_id);
  if (error instanceof Failed) return error;
  if (error instanceof Refused) return new Failed(error.code, error.message, false, error.details);
  const failed = new Failed('agent_failed', error instanceof Error ? error.message : String(error));
  failed.cause = error;
  return failed;
}

/** A failure as it is journaled. `random` draws the jitter once, so that a replay draws none. */
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
