// Everything that can be said to a form of three fields, one of which may be skipped.
import type { FormEvent } from '../../machines/form/events.ts';

export const fields = [
  { name: 'name', optional: false },
  { name: 'date', optional: false },
  { name: 'note', optional: true },
];

export const events: FormEvent[] = [
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
