// What stands at every interface: parse once, and say of each field that is wrong what would be right.
import type { z } from 'zod';
import { Refused } from './errors.ts';

/** Parses input from outside. Throws `Refused('bad_request')` that names each field and what would be right. */
export function parse<S extends z.ZodType>(schema: S, input: unknown, name = 'body'): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => ({ field: [name, ...path].join('.'), message }));
  const sentence = issues.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new Refused('bad_request', sentence, 400, { issues });
}
