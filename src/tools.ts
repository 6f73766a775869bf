// What a tool is: a named, typed function that agents may call.
import type { z } from 'zod';

export interface Tool<Input = unknown> {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly name: string;
  readonly description: string;
  /** What it takes; input that does not fit is refused before `execute` is called. */
  readonly input: z.ZodType<Input>;
  execute(
    input: Input,
    context: { readonly signal: AbortSignal; readonly tenant: string; readonly session_id: string },
  ): unknown | Promise<unknown>;
}
