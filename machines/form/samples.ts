// Examples for the chart of a form.
import { byType, type Samples } from '../samples.ts';
import { formEvent, formInput } from './events.ts';
import type { formMachine } from './machine.ts';

export const form = {
  events: byType(formEvent),
  input: formInput,
  sample_input: { fields: [{ name: 'city', optional: false }], confirm: true, answers: {}, skipped: [], asking: null },
  samples: {
    answer: { field: 'city', value: 'Oslo' },
    invalid: { field: 'city', message: 'must be a city' },
    skip: { field: 'city' },
    change: { field: 'city' },
  },
  outputs: {},
} satisfies Samples<typeof formMachine>;
