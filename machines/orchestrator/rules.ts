// The bodies of the orchestrator chart's names: why the node is degraded or failed, and how long it waits.
import { assertEvent, assign, setup } from 'xstate';
import {
  type OrchestratorContext,
  type OrchestratorEvent,
  type OrchestratorInput,
  orchestratorLimits,
} from './events.ts';

export const initialContext = ({ input }: { input: OrchestratorInput }): OrchestratorContext => ({
  limits: orchestratorLimits.parse(input ?? {}),
  journal: 'open',
  reason: null,
});

export const { createMachine } = setup({
  types: {
    context: {} as OrchestratorContext,
    events: {} as OrchestratorEvent,
    input: {} as OrchestratorInput,
    // `ready`: takes sessions.
    tags: {} as 'ready',
  },
  guards: {
    journalIsLost: ({ context }) => context.journal === 'lost',
    journalIsOpen: ({ context }) => context.journal === 'open',
  },
  actions: {
    noteJournal: assign(({ event }) => ({ journal: event.type === 'journal.lost' ? 'lost' : 'open' })),
    noteReason: assign(({ event }) => {
      assertEvent(event, ['journal.failed', 'join.failed']);
      return { reason: event.reason };
    }),
    /** The event of a timer names the delay and the state: `xstate.after.joinTime.orchestrator.joining`. */
    noteTimeout: assign(({ event }) => ({ reason: `${event.type.split('.').at(-1)} took too long` })),
  },
  delays: {
    startTime: ({ context }) => context.limits.start_ms,
    joinTime: ({ context }) => context.limits.join_ms,
    drainTime: ({ context }) => context.limits.drain_ms,
  },
});
