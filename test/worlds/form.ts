// Everything that can happen to a form of two required fields and one optional.
import type { FormEvent, FormInput } from '../../machines/form/events.ts';
import type { formMachine } from '../../machines/form/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

const fields = [
  { name: 'name', optional: false },
  { name: 'date', optional: false },
  { name: 'note', optional: true },
];

export const formEvents: FormEvent[] = [
  ...fields.flatMap(({ name: field }): FormEvent[] => [
    { type: 'answer', field, value: 'x' },
    { type: 'invalid', field, message: 'no' },
    { type: 'skip', field },
    { type: 'change', field },
  ]),
  { type: 'answer', field: 'colour', value: 'x' },
  { type: 'change', field: 'colour' },
  { type: 'confirm' },
  { type: 'deny' },
  { type: 'cancel' },
];

export const formWorld = ({ confirm }: Pick<FormInput, 'confirm'>) =>
  ({ input: { fields, confirm }, events: formEvents }) satisfies ExploreOptions<typeof formMachine>;
