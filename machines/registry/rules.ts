// The bodies of the registry chart's names.
import { setup } from 'xstate';

/** An agent that was registered from outside. */
export type Registered = RegisteredHttp | RegisteredNats;

/** Where its instances answer, and how messages find it. */
export interface RegisteredHttp {
  readonly agent_id: string;
  readonly kind: 'http';
  readonly description?: string;
  readonly triggers?: readonly string[];
  readonly capabilities?: readonly string[];
  readonly fallbacks?: readonly string[];
  readonly endpoints: readonly { readonly id: string; readonly url: string; readonly weight?: number }[];
}

/** It made itself known by a heartbeat, and is called on its subject. */
export interface RegisteredNats {
  readonly agent_id: string;
  readonly kind: 'nats';
}

export interface RegistryInput {
  readonly tenant: string;
}

export interface RegistryContext {
  readonly tenant: string;
  readonly agents: Readonly<Record<string, Registered>>;
}

export type RegistryEvent =
  /** `join`: its endpoints come to those that the agent has; an endpoint of the same id is replaced. */
  | { readonly type: 'register'; readonly agent: Registered; readonly join?: boolean }
  | { readonly type: 'deregister'; readonly agent_id: string };

type Args = { context: RegistryContext; event: RegistryEvent };
type Of<T extends RegistryEvent['type']> = Extract<RegistryEvent, { type: T }>;

const { assign } = setup({ types: { context: {} as RegistryContext, events: {} as RegistryEvent } });

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

export const none = ({ input }: { input: RegistryInput }): RegistryContext => ({ tenant: input.tenant, agents: {} });

export const guards = {
  // Registering the same again, as an agent does on every start, is no news and costs no entry.
  isNews: ({ context, event }: Args) => {
    const agent = registered(context, event as Of<'register'>);
    return JSON.stringify(context.agents[agent.agent_id]) !== JSON.stringify(agent);
  },
  isRegistered: ({ context, event }: Args) => (event as Of<'deregister'>).agent_id in context.agents,
};

export const actions = {
  register: assign(({ context, event }) => {
    const agent = registered(context, event as Of<'register'>);
    return { agents: { ...context.agents, [agent.agent_id]: agent } };
  }),
  deregister: assign(({ context, event }) => {
    const { [(event as Of<'deregister'>).agent_id]: _gone, ...agents } = context.agents;
    return { agents };
  }),
};
