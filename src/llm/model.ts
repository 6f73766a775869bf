// A call of a language model, as data: who asks, what is asked, and what came of it.
import type { Usage } from '../agents/definition.ts';

/** Who pays and who may. */
export interface ModelScope {
  readonly tenant: string;
  readonly session_id: string;
  readonly agent_id: string;
  /** The session's own: `tenant` and `user` as `startSession` was given them; their `llm` members are levels of settings. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** The same for every delivery of one call; sent along for endpoints that know what it means. */
  readonly idempotency_key?: string;
}

export interface ModelToolCall {
  readonly id: string;
  readonly name: string;
  /** As the model wrote them: they should be JSON, and nobody has looked yet whether they are. */
  readonly arguments: string;
}

export type ModelMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content?: string | null; readonly tool_calls?: readonly ToolCallMessage[] }
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: string };

/** A tool call as it stands in the messages of the OpenAI API. */
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
  /** The model of the settings unless told. */
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
  /** `stop`, `tool_calls`, `length`, `content_filter`, or whatever else the endpoint says. */
  readonly finish_reason: string;
  /** Why the model would not answer. */
  readonly refusal?: string;
  /** The model that answered, as the endpoint names it. */
  readonly model: string;
  /** With `cost_usd` when the settings have the model's prices. Not there when the endpoint did not count. */
  readonly usage?: Usage;
}

export interface ModelIO {
  /** The call ends at once when it is aborted, and rejects with its reason. */
  readonly signal: AbortSignal;
  /** Told each piece of the text as it comes. */
  readonly delta?: (text: string) => void;
}

export interface Models {
  /**
   * Calls the model once: nothing is retried here. Rejects with `Failed`: `rate_limited`, `model_failed`, `model_unreachable`,
   * `model_cut_off` and `bad_model_answer` are worth another try; `model_refused_key`, `bad_model_request`, `llm_disabled`,
   * `llm_not_configured` and `budget_exceeded` are not. `details.retry_after_s` says when, where somebody said so.
   */
  call(scope: ModelScope, request: ModelRequest, io: ModelIO): Promise<ModelReply>;
}
