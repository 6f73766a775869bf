// What a form agent asks for: fields with a prompt and a check.
import type { z } from 'zod';

export interface Field {
  /** The question, as the user reads it. */
  readonly prompt: string;
  /** What counts as an answer: the user's text goes in, the value comes out; its error messages are shown to the user. */
  readonly schema: z.ZodType<any, any>;
  /** Said instead of the schema's own message when the answer does not fit. */
  readonly invalid?: string;
  /** May be skipped with an empty answer or `skip`. */
  readonly optional?: boolean;
}
