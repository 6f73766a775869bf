// What a form agent asks for: fields with a prompt and a check.
import type { z } from 'zod';

export interface Field<Schema extends z.ZodType = z.ZodType> {
  /** The question, as the user reads it. */
  readonly prompt: string;
  /** What counts as an answer: the user's text goes in, the value comes out; its error messages are shown to the user. */
  readonly schema: Schema;
  /** Said instead of the schema's own message when the answer does not fit. */
  readonly invalid?: string;
  /** May be skipped with an empty answer or `skip`. */
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
