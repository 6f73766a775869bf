// What a tool is: a named, typed function that agents may call, here or at whoever talks to them.
import { z } from 'zod';
import { Refused } from '../platform/errors.ts';

/** Which call of which run a tool is in. Outside a run only `id` is there. */
export interface ToolCall {
  /** As the model or the runtime numbered it. */
  readonly id: string;
  readonly run_id?: string;
  readonly agent_id?: string;
  /** The attempt of the run, from 1. */
  readonly attempt?: number;
}

/** What a tool can use while it works. */
export interface ToolContext {
  /** Aborted when the run leaves (paused, taken over, cancelled, timed out) or the tool's own time is over. */
  readonly signal: AbortSignal;
  readonly tenant: string;
  readonly session_id: string;
  /** The same for every delivery of this call, also after a crash: hand it to whatever must not do the work twice. */
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
  /** What it takes; input that does not fit is refused before `execute` is called. */
  readonly input: z.ZodType<Input>;
  /** The JSON schema shown to models, where it should not be made from `input`. */
  readonly parameters?: Readonly<Record<string, unknown>>;
  /**
   * Whether a person must say yes to this call first; a text is what that person reads of it. Only agents that call models
   * ask by themselves: an agent that is a function asks with `approval_required`.
   */
  readonly approval?: boolean | Approval<Input>;
  /** How long a call may take, ms; 60,000 unless told where a model calls. */
  readonly timeout_ms?: number;
  /** The caller runs it: the run waits for the result, and there is no `execute`. */
  readonly client?: true;
  /** What it does. Its result is told as JSON; what it throws is told to whoever called. */
  execute?(input: Input, context: ToolContext): unknown | Promise<unknown>;
}

/** How long a tool that a model calls may take, unless the tool says otherwise, ms. */
export const TOOL_TIMEOUT_MS = 60_000;

const shown = new WeakMap<Tool, Readonly<Record<string, unknown>>>();

/**
 * The JSON schema of a tool's arguments, as models are shown it: always that of an object. Throws `Refused('bad_tool')` when
 * the tool takes something else, which no model can send.
 */
export function parametersOf(tool: Tool): Readonly<Record<string, unknown>> {
  const known = tool.parameters ?? shown.get(tool);
  if (known) return known;
  // A model writes what the schema takes, not what it makes of it.
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

/** Tools that come from somewhere and may come and go, such as those of an MCP server. */
export interface ToolSource {
  /** A token. Its tools are called `{name}_…`; the name alone stands for all of them. */
  readonly name: string;
  /**
   * The tools as they are now; whoever keeps them is asked when that is needed. Rejects with `Failed('tools_unavailable')` when
   * it cannot be asked and nothing is known of it from before.
   */
  tools(): Promise<readonly Tool[]>;
  /** Ends what it keeps open: connections, processes. It is not used any more afterwards. */
  close(): Promise<void>;
}

/** Whether a name is that of a source, or of one of its tools. */
export const isOf = (source: string, name: string): boolean => name === source || name.startsWith(`${source}_`);
