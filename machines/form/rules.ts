// The bodies of the form chart's names.
import { assertEvent, assign } from 'xstate';
import type { FormContext, FormEvent, FormInput } from './events.ts';

interface Step {
  context: FormContext;
  event: FormEvent;
}

export const initialContext = ({ input }: { input: FormInput }): FormContext => {
  const known = { fields: input.fields, answers: input.answers ?? {}, skipped: input.skipped ?? [] };
  const asking = input.asking != null && missing(known).includes(input.asking) ? input.asking : null;
  return { ...known, confirm: input.confirm, asking, error: null };
};

export const guards = {
  isField: ({ context, event }: Step): boolean => {
    assertEvent(event, ['answer', 'change']);
    return context.fields.some(({ name }) => name === event.field);
  },
  isAsked,
  maySkip: ({ context, event }: Step): boolean =>
    isAsked({ context, event }) && context.fields.some(({ name, optional }) => name === context.asking && optional),
  somethingIsMissing: ({ context }: Step): boolean => missing(context).length > 0,
  wantsConfirmation: ({ context }: Step): boolean => context.confirm,
};

export const actions = {
  record: set((context, event) => {
    assertEvent(event, 'answer');
    const { field, value } = event;
    return { ...without(context, field), answers: { ...context.answers, [field]: value } };
  }),
  skip: set((context, event) => {
    assertEvent(event, 'skip');
    const known = without(context, event.field);
    return { ...known, skipped: [...known.skipped, event.field] };
  }),
  reopen: set((context, event) => {
    assertEvent(event, 'change');
    return { ...without(context, event.field), asking: event.field };
  }),
  /** A question that is open stays open when the user answered or changed something else. */
  askNext: set((context) => {
    const open = missing(context);
    return { asking: context.asking !== null && open.includes(context.asking) ? context.asking : open[0]! };
  }),
  noteError: set((_, event) => {
    assertEvent(event, 'invalid');
    return { error: event.message };
  }),
  refuseSkip: set(() => ({ error: 'This one cannot be skipped.' })),
};

/** The fields that have neither been answered nor skipped, in the order in which they are asked. */
function missing({ fields, answers, skipped }: Pick<FormContext, 'fields' | 'answers' | 'skipped'>): string[] {
  return fields.map(({ name }) => name).filter((name) => !Object.hasOwn(answers, name) && !skipped.includes(name));
}

/** What is known when `field` is not. */
function without({ answers, skipped, asking }: FormContext, field: string) {
  const { [field]: _, ...others } = answers;
  return {
    answers: others,
    skipped: skipped.filter((name) => name !== field),
    asking: asking === field ? null : asking,
    error: null,
  };
}

function isAsked({ context, event }: Step): boolean {
  assertEvent(event, ['invalid', 'skip']);
  return event.field === context.asking;
}

function set(change: (context: FormContext, event: FormEvent) => Partial<FormContext>) {
  return assign<FormContext, FormEvent, undefined, FormEvent, never>(({ context, event }) => change(context, event));
}
