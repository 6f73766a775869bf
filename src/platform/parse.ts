// Parsing of external input: once, at every interface, with an error that names each invalid field.
import type { z } from 'zod';
import { Refused } from './errors.ts';

/** Parses external input. Throws `Refused('bad_request')`, which names each invalid field and its expected value. */
export function parse<S extends z.ZodType>(schema: S, input: unknown, name = 'body'): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ field: [name, ...path].join('.'), message }));
  const sentence = issues.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new Refused('bad_request', sentence, 400, { issues });
}
