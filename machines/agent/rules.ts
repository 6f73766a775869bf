// The bodies of the agent chart's names: how many of its endpoints can be called.
import { assertEvent, setup } from 'xstate';
import type { AgentContext, AgentEvent } from './events.ts';

type Args = { context: AgentContext };

const { assign } = setup({ types: { context: {} as AgentContext, events: {} as AgentEvent } });

export const initialContext = (): AgentContext => ({ available: 0, probing: 0, total: 0 });

export const guards = {
  allAvailable: ({ context: { available, total } }: Args) => total > 0 && available === total,
  someAvailable: ({ context: { available, total } }: Args) => available > 0 && available < total,
  noneAvailable: ({ context: { available } }: Args) => available === 0,
  noneLeftToProbe: ({ context: { available, probing, total } }: Args) => total > 0 && available + probing === 0,
};

export const actions = {
  count: assign(({ event }) => {
    assertEvent(event, 'endpoints.counted');
    const { type: _, ...counted } = event;
    return counted;
  }),
};

/** In milliseconds. */
export const delays = {
  /** How long an agent may be starting before it is called unavailable. */
  startingTime: 120_000,
};
