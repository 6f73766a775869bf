// What can happen to a form: the schemas of its events, its input and its context; the types follow from them.
import { z } from 'zod';

const field = z.string();

/**
 * The chart never sees the user's words: the sender has read them and checked them against the field's schema.
 * Only the chart decides which field it asks next.
 */
export const formEvent = z.discriminatedUnion('type', [
  /** A value that fits its field, which need not be the one that was asked. */
  z.object({ type: z.literal('answer'), field, value: z.json() }),
  /** What was said does not fit the field that was asked. */
  z.object({ type: z.literal('invalid'), field, message: z.string() }),
  z.object({ type: z.literal('skip'), field }),
  /** Forgets what was answered and asks again. */
  z.object({ type: z.literal('change'), field }),
  z.object({ type: z.literal('confirm') }),
  z.object({ type: z.literal('deny') }),
  z.object({ type: z.literal('cancel') }),
]);
export type FormEvent = z.infer<typeof formEvent>;

export const formContext = z.object({
  /** In the order in which they are asked. */
  fields: z.array(z.object({ name: z.string(), optional: z.boolean() })),
  /** Whether the user must agree to the answers before the form is complete. */
  confirm: z.boolean(),
  /** What was given for each field, before its schema turned it into a value: plain JSON, so that a journal can carry it. */
  answers: z.record(z.string(), z.json()),
  skipped: z.array(z.string()),
  /** The field that was asked last and has no answer yet. */
  asking: z.string().nullable(),
  /** Why the last answer was not taken. */
  error: z.string().nullable(),
});
export type FormContext = z.infer<typeof formContext>;

/** A form starts from its fields; one that goes on after its fields have changed brings what it still knows. */
export const formInput = formContext
  .pick({ fields: true, confirm: true })
  .extend(formContext.pick({ answers: true, skipped: true, asking: true }).partial().shape);
export type FormInput = z.infer<typeof formInput>;
