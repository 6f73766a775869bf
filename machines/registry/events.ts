// What can happen to a tenant's registered agents: the schemas of its events, its input and its context.
import { z } from 'zod';

const text = z.string();
const texts = z.array(text).readonly().optional();
const agent_id = text;

/** Where its instances answer, and how messages find it. */
export const registeredHttp = z.object({
  agent_id,
  kind: z.literal('http'),
  description: text.optional(),
  triggers: texts,
  capabilities: texts,
  fallbacks: texts,
  endpoints: z.array(z.object({ id: text, url: text, weight: z.number().optional() })).readonly(),
});

/** It made itself known by a heartbeat, and is called on its subject. */
export const registeredNats = z.object({ agent_id, kind: z.literal('nats') });

/** An agent that was registered from outside. */
export const registered = z.discriminatedUnion('kind', [registeredHttp, registeredNats]);
export type Registered = z.infer<typeof registered>;

export const registryEvent = z.discriminatedUnion('type', [
  /** `join`: its endpoints come to those that the agent has; an endpoint of the same id is replaced. */
  z.object({ type: z.literal('register'), agent: registered, join: z.boolean().optional() }),
  z.object({ type: z.literal('deregister'), agent_id }),
]);
export type RegistryEvent = z.infer<typeof registryEvent>;

export const registryInput = z.object({ tenant: text });
export type RegistryInput = z.infer<typeof registryInput>;

export const registryContext = registryInput.extend({ agents: z.record(text, registered) });
export type RegistryContext = z.infer<typeof registryContext>;
