// The fields of a form agent: a prompt and a schema each.
import type { z } from 'zod';

export interface Field {
  /** The question to the user. */
  readonly prompt: string;
  /** Validates an answer: its input is the user's text, its output the value; the user sees its error messages. */
  readonly schema: z.ZodType<any, any>;
  /** The error message instead of the schema's own. */
  readonly invalid?: string;
  /** The user may skip the field with an empty answer or `skip`. */
  readonly optional?: boolean;
}
