// The bodies of the agent chart's names: how many of its endpoints can be called.
import { assertEvent, assign, setup } from 'xstate';
import type { AgentContext, AgentEvent } from './events.ts';

export const initialContext = (): AgentContext => ({ available: 0, probing: 0, total: 0 });

export const { createMachine } = setup({
  types: { context: {} as AgentContext, events: {} as AgentEvent },
  guards: {
    allAvailable: ({ context: { available, total } }) => total > 0 && available === total,
    someAvailable: ({ context: { available, total } }) => available > 0 && available < total,
    noneAvailable: ({ context: { available } }) => available === 0,
    noneLeftToProbe: ({ context: { available, probing, total } }) => total > 0 && available + probing === 0,
  },
  actions: {
    count: assign(({ event }) => {
      assertEvent(event, 'endpoints.counted');
      const { type: _, ...counted } = event;
      return counted;
    }),
  },
  /** In milliseconds. */
  delays: {
    /** How long an agent may be starting before it is called unavailable. */
    startingTime: 120_000,
  },
});
