// The chart of a node: it opens its journal, joins the others, serves as well as it can, and leaves without losing anything.
import { createMachine, initialContext } from './rules.ts';

export const orchestratorMachine = createMachine({
  id: 'orchestrator',
  version: '1',
  context: initialContext,
  initial: 'starting',
  // Noted in every state, so that serving begins with the journal's present condition, whenever that changed.
  on: {
    'journal.lost': { actions: 'noteJournal' },
    'journal.back': { actions: 'noteJournal' },
  },
  states: {
    starting: {
      on: {
        'journal.opened': 'joining',
        'journal.failed': { target: 'failed', actions: 'noteReason' },
        // Nothing is owned yet, so there is nothing to hand over.
        drain: 'stopped',
      },
      after: { startTime: { target: 'failed', actions: 'noteTimeout' } },
    },
    joining: {
      on: {
        joined: 'serving',
        'join.failed': { target: 'failed', actions: 'noteReason' },
        // The others may already have seen this node.
        drain: 'draining',
      },
      after: { joinTime: { target: 'failed', actions: 'noteTimeout' } },
    },
    serving: {
      initial: 'normal',
      on: { drain: 'draining' },
      states: {
        normal: { tags: 'ready', always: { guard: 'journalIsLost', target: 'degraded' } },
        degraded: { always: { guard: 'journalIsOpen', target: 'normal' } },
      },
    },
    draining: {
      on: { drained: 'stopped' },
      after: { drainTime: { target: 'stopped', actions: 'noteTimeout' } },
    },
    stopped: { type: 'final' },
    failed: { type: 'final' },
  },
});
