// The chart of a form: asks for one field after the other until all are known, and lets the user change or cancel.
import { createMachine, initialContext } from './rules.ts';

export const formMachine = createMachine({
  id: 'form',
  version: '1',
  context: initialContext,
  initial: 'filling',
  states: {
    filling: {
      initial: 'deciding',
      on: {
        answer: { guard: 'isField', target: '.deciding', actions: 'record' },
        change: { guard: 'isField', target: '.deciding', actions: 'reopen' },
        cancel: 'cancelled',
      },
      states: {
        deciding: {
          tags: 'passing',
          always: [
            { guard: 'somethingIsMissing', target: 'collecting', actions: 'askNext' },
            { guard: 'wantsConfirmation', target: 'confirming' },
            { target: '#form.complete' },
          ],
        },
        collecting: {
          on: {
            invalid: { guard: 'isAsked', actions: 'noteError' },
            skip: [
              { guard: 'maySkip', target: 'deciding', actions: 'skip' },
              { guard: 'isAsked', actions: 'refuseSkip' },
            ],
          },
        },
        confirming: { on: { confirm: '#form.complete', deny: 'choosing' } },
        choosing: { on: { confirm: '#form.complete' } },
      },
    },
    complete: { type: 'final' },
    cancelled: { type: 'final' },
  },
});
