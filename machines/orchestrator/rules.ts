// The bodies of the orchestrator chart's names: what is the matter with the node, and how long it waits.
import { assertEvent, setup } from 'xstate';
import {
  type OrchestratorContext,
  type OrchestratorEvent,
  type OrchestratorInput,
  orchestratorLimits,
} from './events.ts';

type Args = { context: OrchestratorContext };

const { assign } = setup({ types: { context: {} as OrchestratorContext, events: {} as OrchestratorEvent } });

export const initialContext = ({ input }: { input: OrchestratorInput }): OrchestratorContext => ({
  limits: orchestratorLimits.parse(input ?? {}),
  journal: 'open',
  reason: null,
});

export const guards = {
  journalIsLost: ({ context }: Args) => context.journal === 'lost',
  journalIsOpen: ({ context }: Args) => context.journal === 'open',
};

export const actions = {
  noteJournal: assign(({ event }) => ({ journal: event.type === 'journal.lost' ? ('lost' as const) : 'open' })),
  noteReason: assign(({ event }) => {
    assertEvent(event, ['journal.failed', 'join.failed']);
    return { reason: event.reason };
  }),
  /** The event of a timer names the delay and the state: `xstate.after.joinTime.orchestrator.joining`. */
  noteTimeout: assign(({ event }) => ({ reason: `${event.type.split('.').at(-1)} took too long` })),
};

export const delays = {
  startTime: ({ context }: Args) => context.limits.start_ms,
  joinTime: ({ context }: Args) => context.limits.join_ms,
  drainTime: ({ context }: Args) => context.limits.drain_ms,
};
