// What the names in the agent's chart mean: how many of its endpoints can be called.

export interface AgentChartContext {
  readonly available: number;
  readonly probing: number;
  readonly total: number;
}

/** `available`: endpoints in a good state whose breaker lets calls through; `probing`: not known yet; `total`: all. */
export type AgentChartEvent =
  | {
      readonly type: 'endpoints.counted';
      readonly available: number;
      readonly probing: number;
      readonly total: number;
    }
  | { readonly type: 'remove' };

interface Scope {
  readonly context: AgentChartContext;
  readonly event: AgentChartEvent;
}

export const noCount: AgentChartContext = { available: 0, probing: 0, total: 0 };

export const count = ({ event }: Scope) =>
  event.type === 'endpoints.counted' ? { available: event.available, probing: event.probing, total: event.total } : {};

export const allAvailable = ({ context }: Scope) => context.total > 0 && context.available === context.total;
export const someAvailable = ({ context }: Scope) => context.available > 0 && context.available < context.total;
export const noneAvailable = ({ context }: Scope) => context.available === 0;
export const noneLeftToProbe = ({ context }: Scope) =>
  context.total > 0 && context.available === 0 && context.probing === 0;

/** How long an agent may be starting before it is called unavailable. */
export const startingTime = 120_000;
