// The fields of a form agent: a prompt and a schema each.
import type { z } from 'zod';

export interface Field<Schema extends z.ZodType = z.ZodType> {
  /** The question to the user. */
  readonly prompt: string;
  /** Validates an answer: its input is the user's text, its output the value; the user sees its error messages. */
  readonly schema: Schema;
  /** The error message instead of the schema's own. */
  readonly invalid?: string;
  /** The user may skip the field with an empty answer or `skip`. */
  readonly optional?: boolean;
}

/** The fields of a form, by name. */
export type Fields = Readonly<Record<string, Field>>;

/** What a form has collected: each field's value as its schema made it. One that was skipped is not there. */
export type FormValues<F extends Fields> = {
  readonly [Name in keyof F as F[Name]['optional'] extends true ? never : Name]: z.output<F[Name]['schema']>;
} & { readonly [Name in keyof F as F[Name]['optional'] extends true ? Name : never]?: z.output<F[Name]['schema']> };

/** Fields whose every member is one that fields have. */
export type OnlyFields<F extends Fields> = {
  readonly [Name in keyof F]: { readonly [Member in Exclude<keyof F[Name], keyof Field>]: never };
};
