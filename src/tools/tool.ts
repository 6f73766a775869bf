// The types of a tool: a named, typed function that agents may call, in this process or at the caller.
import { z } from 'zod';
import { Refused } from '../platform/errors.ts';

/** The run and the call that a tool executes for. Outside a run only `id` is there. */
export interface ToolCall {
  /** The id that the model or the runtime gave it. */
  readonly id: string;
  readonly run_id?: string;
  readonly agent_id?: string;
  /** The attempt of the run, from 1. */
  readonly attempt?: number;
}

/** The data that a tool can use during a call. */
export interface ToolContext {
  /**
   * Aborted when the run leaves its state (paused, taken over, cancelled, timed out) or the tool's time limit is over.
   */
  readonly signal: AbortSignal;
  readonly tenant: string;
  readonly session_id: string;
  /**
   * The idempotency key: the same for every delivery of this call, also after a crash. Pass it to services that must
   * not do the work twice.
   */
  readonly idempotency_key: string;
  readonly call: ToolCall;
}

/** Declared as a method, as `execute` is, so that a tool of any input is a `Tool`. */
type Approval<Input> = { asks(input: Input): boolean | string }['asks'];

/** A tool; `Tool` alone is one of whatever input. */
export interface Tool<Input = unknown> {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly name: string;
  readonly description: string;
  /** The schema of its input; invalid input is refused before `execute` is called. */
  readonly input: z.ZodType<Input>;
  /** The JSON schema for models, where it should differ from that of `input`. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /**
   * Whether a person must approve this call first; a text is the summary that the person reads. Only agents that call
   * models ask by themselves: an agent that is a function asks with `approval_required`.
   */
  readonly approval?: boolean | Approval<Input>;
  /** Time limit of a call, ms; default 60,000 when a model calls it. */
  readonly timeout_ms?: number;
  /** The caller executes it: the run waits for the result, and there is no `execute`. */
  readonly client?: true;
  /** Executes the call. The agent gets its result as JSON, or the error that it throws. */
  execute?(input: Input, context: ToolContext): unknown | Promise<unknown>;
}

/** Default time limit of a tool that a model calls, ms. */
export const TOOL_TIMEOUT_MS = 60_000;

const shown = new WeakMap<Tool, Readonly<Record<string, unknown>>>();

/**
 * The JSON schema of a tool's arguments for models: always that of an object. Throws `Refused('bad_tool')` when the
 * tool takes another type, which no model can send.
 */
export function parametersOf(tool: Tool): Readonly<Record<string, unknown>> {
  const known = tool.parameters ?? shown.get(tool);
  if (known) return known;
  // A model writes the schema's input, not its output.
  const { $schema, ...made } = z.toJSONSchema(tool.input, { io: 'input', unrepresentable: 'any' });
  const branches = made.anyOf ?? made.oneOf ?? made.allOf;
  const isOpen = made.type === undefined && (branches ?? []).every((branch) => (branch as Branch).type === 'object');
  if (made.type !== 'object' && !isOpen)
    throw new Refused(
      'bad_tool',
      `tool "${tool.name}" takes ${made.type ?? 'what is not always an object'}: for a model its input must be an object, such as z.object({ … })`,
    );
  const parameters = { type: 'object', ...made, ...(!branches && { properties: made.properties ?? {} }) };
  shown.set(tool, parameters);
  return parameters;
}

interface Branch {
  readonly type?: string;
}

/** A dynamic source of tools, such as an MCP server. */
export interface ToolSource {
  /** A token. Its tools are called `{name}_…`; the name alone means all of them. */
  readonly name: string;
  /**
   * The current tools; call it each time instead of storing the list. Rejects with `Failed('tools_unavailable')` when
   * the source cannot be reached and no earlier list is cached.
   */
  tools(): Promise<readonly Tool[]>;
  /** Closes its connections and processes. It must not be used afterwards. */
  close(): Promise<void>;
}

/** Whether a name is that of a source, or of one of its tools. */
export const isOf = (source: string, name: string): boolean => name === source || name.startsWith(`${source}_`);
