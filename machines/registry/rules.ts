// The bodies of the registry chart's names.
import { assign, setup } from 'xstate';
import type { Registered, RegistryContext, RegistryEvent, RegistryInput } from './events.ts';

type Of<T extends RegistryEvent['type']> = Extract<RegistryEvent, { type: T }>;

/** What the list says of an agent after it registered. */
function registered({ agents }: RegistryContext, { agent, join }: Of<'register'>): Registered {
  const known = agents[agent.agent_id];
  if (!join || !known) return agent;
  // A heartbeat says nothing new of an agent that is known; one behind HTTP takes the place of one that only gave heartbeats.
  if (agent.kind === 'nats') return known;
  if (known.kind === 'nats') return agent;
  const others = known.endpoints.filter(({ id }) => !agent.endpoints.some((endpoint) => endpoint.id === id));
  const endpoints = [...others, ...agent.endpoints].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...known, ...agent, endpoints };
}

export const initialContext = ({ input }: { input: RegistryInput }): RegistryContext => ({ ...input, agents: {} });

export const { createMachine } = setup({
  types: { context: {} as RegistryContext, events: {} as RegistryEvent, input: {} as RegistryInput },
  guards: {
    // Registering the same again, as an agent does on every start, is no news and costs no entry.
    isNews: ({ context, event }) => {
      const agent = registered(context, event as Of<'register'>);
      return JSON.stringify(context.agents[agent.agent_id]) !== JSON.stringify(agent);
    },
    isRegistered: ({ context, event }) => (event as Of<'deregister'>).agent_id in context.agents,
  },
  actions: {
    register: assign(({ context, event }) => {
      const agent = registered(context, event as Of<'register'>);
      return { agents: { ...context.agents, [agent.agent_id]: agent } };
    }),
    deregister: assign(({ context, event }) => {
      const { [(event as Of<'deregister'>).agent_id]: _gone, ...agents } = context.agents;
      return { agents };
    }),
  },
});
