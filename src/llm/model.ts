// The interface of a language model, as data: scope, request, reply.
import type { Usage } from '../agents/definition.ts';

/** The identities that the budgets and settings of a call depend on. */
export interface ModelScope {
  readonly tenant: string;
  readonly session_id: string;
  readonly agent_id: string;
  /** The session's own: `tenant` and `user` from `startSession`; their `llm` members are levels of settings. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The idempotency key of the call, the same for every delivery; sent to endpoints that support it. */
  readonly idempotency_key?: string;
}

export interface ModelToolCall {
  readonly id: string;
  readonly name: string;
  /** The model's raw text; it should be JSON, but is not parsed yet. */
  readonly arguments: string;
}

export type ModelMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content?: string | null; readonly tool_calls?: readonly ToolCallMessage[] }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string };

/** A tool call in the messages of the OpenAI API. */
export interface ToolCallMessage {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface ModelTool {
  readonly name: string;
  readonly description?: string;
  /** A JSON schema of an object. */
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface ModelRequest {
  /** Defaults to the model of the settings. */
  readonly model?: string;
  readonly messages: readonly ModelMessage[];
  readonly tools?: readonly ModelTool[];
  /** A name forces the model to call that tool. */
  readonly tool_choice?: 'auto' | 'none' | 'required' | { readonly name: string };
  readonly temperature?: number;
  readonly max_output_tokens?: number;
  readonly response_format?: Readonly<Record<string, unknown>> & { readonly type: string };
  readonly parallel_tool_calls?: boolean;
}

export interface ModelReply {
  readonly text: string;
  readonly calls: readonly ModelToolCall[];
  /** `stop`, `tool_calls`, `length`, `content_filter`, or any other value of the endpoint. */
  readonly finish_reason: string;
  /** The model's reason for refusing to answer. */
  readonly refusal?: string;
  /** The model that answered, as the endpoint names it. */
  readonly model: string;
  /** With `cost_usd` when the settings have the model's prices. Absent when the endpoint did not count. */
  readonly usage?: Usage;
}

export interface ModelIO {
  /** Aborting it ends the call at once, which rejects with its reason. */
  readonly signal: AbortSignal;
  /** Called with each delta of the text. */
  readonly delta?: (text: string) => void;
}

export interface Models {
  /**
   * Calls the model once, without retries. Rejects with `Failed`: `rate_limited`, `model_failed`, `model_unreachable`,
   * `model_cut_off` and `bad_model_answer` are retryable; `model_refused_key`, `bad_model_request`, `llm_disabled`,
   * `llm_not_configured` and `budget_exceeded` are not. `details.retry_after_s` is the endpoint's own delay, if it sent
   * one.
   */
  call(scope: ModelScope, request: ModelRequest, io: ModelIO): Promise<ModelReply>;
}
