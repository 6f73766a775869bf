// The bodies of the form chart's names.
import { assertEvent, assign, setup } from 'xstate';
import type { FormContext, FormEvent, FormInput } from './events.ts';

type Known = Pick<FormContext, 'fields' | 'answers' | 'skipped'>;

export const initialContext = ({ input }: { input: FormInput }): FormContext => {
  const known = { fields: input.fields, answers: input.answers ?? {}, skipped: input.skipped ?? [] };
  const asking = input.asking != null && missing(known).includes(input.asking) ? input.asking : null;
  return { ...known, confirm: input.confirm, asking, error: null };
};

/** The fields that have neither been answered nor skipped, in the order in which they are asked. */
const missing = ({ fields, answers, skipped }: Known): string[] =>
  fields.map(({ name }) => name).filter((name) => !Object.hasOwn(answers, name) && !skipped.includes(name));

/** The answers without that of `field`. */
function without({ answers, skipped, asking }: FormContext, field: string) {
  const { [field]: _, ...others } = answers;
  return {
    answers: others,
    skipped: skipped.filter((name) => name !== field),
    asking: asking === field ? null : asking,
    error: null,
  };
}

const isAsked = ({ context, event }: { context: FormContext; event: FormEvent }): boolean => {
  assertEvent(event, ['invalid', 'skip']);
  return event.field === context.asking;
};

export const { createMachine } = setup({
  types: { context: {} as FormContext, events: {} as FormEvent, input: {} as FormInput, tags: {} as 'passing' },
  guards: {
    isField: ({ context, event }) => {
      assertEvent(event, ['answer', 'change']);
      return context.fields.some(({ name }) => name === event.field);
    },
    isAsked,
    maySkip: ({ context, event }) =>
      isAsked({ context, event }) && context.fields.some(({ name, optional }) => name === context.asking && optional),
    somethingIsMissing: ({ context }) => missing(context).length > 0,
    wantsConfirmation: ({ context }) => context.confirm,
  },
  actions: {
    record: assign(({ context, event }) => {
      assertEvent(event, 'answer');
      const { field, value } = event;
      return { ...without(context, field), answers: { ...context.answers, [field]: value } };
    }),
    skip: assign(({ context, event }) => {
      assertEvent(event, 'skip');
      const known = without(context, event.field);
      return { ...known, skipped: [...known.skipped, event.field] };
    }),
    reopen: assign(({ context, event }) => {
      assertEvent(event, 'change');
      return { ...without(context, event.field), asking: event.field };
    }),
    /** A question that is open stays open when the user answered or changed something else. */
    askNext: assign(({ context }) => {
      const open = missing(context);
      return { asking: context.asking !== null && open.includes(context.asking) ? context.asking : open[0]! };
    }),
    noteError: assign(({ event }) => {
      assertEvent(event, 'invalid');
      return { error: event.message };
    }),
    refuseSkip: assign({ error: 'This one cannot be skipped.' }),
  },
});
