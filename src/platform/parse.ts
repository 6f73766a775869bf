// Parsing of external input: once, at every interface, with an error that names each invalid field.
import { z } from 'zod';
import { Refused } from './errors.ts';

export interface Issue {
  /** Where: `body.deadline_ms`. */
  readonly field: string;
  readonly message: string;
}

/** Parses external input. Throws `Refused('bad_request')`, which names each invalid field and its expected value. */
export function parse<S extends z.ZodType>(schema: S, input: unknown, name = 'body'): z.output<S> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issues = issuesOf(schema, parsed.error, name);
  const sentence = issues.map(({ field, message }) => `${field}: ${message}`).join('; ');
  throw new Refused('bad_request', sentence, 400, { issues });
}

/** What is wrong with each field; of members that are not known, what may have been meant. */
export const issuesOf = (schema: z.ZodType, error: z.ZodError, ...base: readonly string[]): Issue[] =>
  error.issues.map((issue) => ({
    field: [...base, ...issue.path].join('.'),
    message: issue.code === 'unrecognized_keys' ? issue.message + meant(issue.keys, schema, issue.path) : issue.message,
  }));

/** Unknown members of one object that are compared with the known ones, and the longest name: clients decide how many they send. */
const MOST = 20;
const LONGEST = 64;

function meant(keys: readonly string[], schema: z.ZodType, path: readonly PropertyKey[]): string {
  const members = membersAt(schema, path);
  const near = keys.slice(0, MOST).flatMap((key) => nearest(key, members) ?? []);
  return near.length === 0 ? '' : `; did you mean ${near.map((member) => `"${member}"`).join(', ')}?`;
}

/** The members that a schema knows at a place; of a union, those of all its options. */
function membersAt(schema: unknown, path: readonly PropertyKey[]): string[] {
  const [first, ...rest] = path;
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => membersAt(option, path));
  if (schema instanceof z.ZodPipe) return membersAt(schema.in, path);
  if (schema instanceof z.ZodObject)
    return first === undefined ? Object.keys(schema.shape) : membersAt(schema.shape[first as string], rest);
  if (schema instanceof z.ZodArray) return membersAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return membersAt(schema.valueType, rest);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault)
    return membersAt(schema.unwrap(), path);
  return [];
}

/** Edits that a misspelt name may be away from the one that was meant: a third of its letters. */
const CLOSE = 1 / 3;

function nearest(key: string, members: readonly string[]): string | undefined {
  if (key.length > LONGEST) return undefined;
  return members
    .map((member) => ({ member, edits: editsBetween(key.toLowerCase(), member.toLowerCase()) }))
    .filter(({ member, edits }) => edits <= member.length * CLOSE)
    .sort((a, b) => a.edits - b.edits)[0]?.member;
}

/** The fewest letters to insert, leave out, replace or swap with the next (optimal string alignment). */
function editsBetween(a: string, b: string): number {
  const edits = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = edits[i - 1]![j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swapped = isSwap ? edits[i - 2]![j - 2]! + 1 : replaced;
      row.push(Math.min(row[j - 1]! + 1, edits[i - 1]![j]! + 1, replaced, swapped));
    }
    edits.push(row);
  }
  return edits[a.length]![b.length]!;
}
