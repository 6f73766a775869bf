// What can happen to a registered agent: the schemas of its events and its context; the types follow from them.
import { z } from 'zod';

const count = z.int().min(0);

/** `available`: endpoints in a good state whose breaker lets calls through; `probing`: not known yet; `total`: all. */
export const agentContext = z.object({ available: count, probing: count, total: count });
export type AgentContext = z.infer<typeof agentContext>;

export const agentEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('endpoints.counted'), ...agentContext.shape }),
  z.object({ type: z.literal('remove') }),
]);
export type AgentEvent = z.infer<typeof agentEvent>;
