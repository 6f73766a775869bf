// Calls a tool: parses its arguments, limits its time, and converts its result to JSON.
import { z } from 'zod';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { tellable } from './output.ts';
import type { Tool, ToolCall } from './tool.ts';

export interface ToolIO {
  /** Aborting it abandons the call: its result is discarded. */
  readonly signal: AbortSignal;
  readonly tenant: string;
  readonly session_id: string;
  /** See `ToolContext.idempotency_key`. */
  readonly idempotency_key: string;
  readonly call: ToolCall;
  /** Time limit for tools without one of their own, ms; by default none. */
  readonly timeout_ms?: number;
  /** Maximum length of the output, characters; default 32,768. */
  readonly max_output?: number;
  readonly clock?: Clock;
}

export type ToolOutcome =
  | {
      /** Plain JSON, truncated if it is too long: for the journal, the trace and the model. */
      readonly output: unknown;
      readonly cut: boolean;
      /** The tool's return value, unchanged. */
      readonly value: unknown;
    }
  | { readonly error: { readonly code: string; readonly message: string }; readonly failed: Failed };

export type Arguments<Input> = { readonly input: Input } | Extract<ToolOutcome, { error: unknown }>;

/**
 * Calls a tool with raw arguments: a value, or JSON as text. Resolves with the outcome, also when it is an error:
 * `bad_tool_input`, `tool_timed_out`, `tool_failed`, `client_tool`, or the code of the `Failed` or `Refused` that the
 * tool threw. Rejects only when `io.signal` is aborted, at once and with its reason.
 */
export async function performTool(tool: Tool, raw: unknown, io: ToolIO): Promise<ToolOutcome> {
  io.signal.throwIfAborted();
  if (!tool.execute)
    return told(
      new Failed('client_tool', `tool "${tool.name}" runs at the caller: ask for it with tool_required`, false),
    );
  const read = await readArguments(tool, raw);
  io.signal.throwIfAborted();
  if ('error' in read) return read;
  try {
    const value = await withinTime(tool, read.input, io);
    return { ...tellable(value, io.max_output), value };
  } catch (error) {
    io.signal.throwIfAborted();
    return told(asToolFailed(error, tool.name));
  }
}

/**
 * Parses a tool's arguments with its schema: from a value, or from JSON as text, as models write it (empty text is
 * `{}`). Resolves with an error of code `bad_tool_input` that describes the expected input; never rejects.
 */
export async function readArguments<Input>(tool: Tool<Input>, raw: unknown): Promise<Arguments<Input>> {
  const json = typeof raw === 'string' ? readJson(raw) : undefined;
  const wanted = json && 'value' in json && typeof json.value === 'object' ? json.value : raw;
  const parsed = await check(tool, wanted);
  if ('input' in parsed || wanted === raw) {
    // Text that is neither JSON nor valid for the schema is most often malformed JSON.
    if ('error' in parsed && json && 'problem' in json)
      return bad(tool, `the arguments are not JSON (${json.problem})`);
    return parsed;
  }
  const asText = await check(tool, raw);
  return 'input' in asText ? asText : parsed;
}

async function check<Input>(tool: Tool<Input>, value: unknown): Promise<Arguments<Input>> {
  try {
    const parsed = await tool.input.safeParseAsync(value);
    return parsed.success ? { input: parsed.data } : bad(tool, z.prettifyError(parsed.error));
  } catch (error) {
    return bad(tool, sentence(error));
  }
}

/**
 * The summary that a person reads before this call is made, or undefined when it needs no approval. `input` is the
 * schema's output. A tool whose `approval` throws needs approval: an error must not let the call through.
 */
export function approvalOf<Input>(tool: Tool<Input>, input: Input): string | undefined {
  const { approval } = tool;
  let wanted: boolean | string | undefined;
  try {
    wanted = typeof approval === 'function' ? approval(input) : approval;
  } catch {
    wanted = true;
  }
  if (wanted === undefined || wanted === false) return undefined;
  if (typeof wanted === 'string' && wanted.trim() !== '') return wanted;
  return `${tool.name} ${JSON.stringify(tellable(input, 500).output)}`;
}

async function withinTime(tool: Tool, input: unknown, io: ToolIO): Promise<unknown> {
  const { signal, tenant, session_id, idempotency_key, call, clock = realClock } = io;
  const limit = tool.timeout_ms ?? io.timeout_ms;
  const over = new AbortController();
  const both = AbortSignal.any([signal, over.signal]);
  const timer =
    limit !== undefined &&
    clock.setTimeout(() => {
      const message = `tool "${tool.name}" did not answer within ${limit} ms`;
      over.abort(new Failed('tool_timed_out', message));
    }, limit);
  let leave = () => {};
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(both.reason);
    both.addEventListener('abort', leave);
  });
  try {
    const context = { signal: both, tenant, session_id, idempotency_key, call };
    const work = (async () => tool.execute!(input, context))();
    return await Promise.race([work, left]);
  } finally {
    if (timer !== false) clock.clearTimeout(timer);
    both.removeEventListener('abort', leave);
  }
}

function readJson(text: string): { value: unknown } | { problem: string } {
  if (text.trim() === '') return { value: {} };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { problem: sentence(error) };
  }
}

const bad = (tool: Tool, why: string) =>
  told(new Failed('bad_tool_input', short(`tool "${tool.name}" does not take this input: ${why}`), false));

const told = (failed: Failed) => ({ error: { code: failed.code, message: failed.message }, failed });

function asToolFailed(error: unknown, name: string): Failed {
  if (error instanceof Failed) return error;
  if (error instanceof Refused) return new Failed(error.code, error.message, false, error.details);
  const failed = new Failed('tool_failed', short(`tool "${name}": ${sentence(error)}`));
  failed.cause = error;
  return failed;
}

/** A thrown value as text; it may be any value, even an unreadable one. */
function sentence(thrown: unknown): string {
  if (thrown instanceof Error && thrown.message !== '') return thrown.message;
  if (thrown instanceof Error) return thrown.name;
  const { output } = tellable(thrown, 500);
  return typeof output === 'string' ? output : JSON.stringify(output);
}

const short = (text: string): string => (text.length <= 4_000 ? text : `${text.slice(0, 4_000)}…`);
