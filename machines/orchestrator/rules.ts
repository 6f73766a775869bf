// What the names in the orchestrator's chart mean: what is the matter with the node, and how long it waits.

/** How long a node waits for others, in milliseconds. */
export interface OrchestratorLimits {
  /** For its journal to open; 30,000 unless told. */
  readonly start_ms: number;
  /** For its place among the other nodes; 30,000 unless told. */
  readonly join_ms: number;
  /** For its sessions to be handed over; 30,000 unless told. Then it stops, and the journal has what was decided. */
  readonly drain_ms: number;
}

export const orchestratorDefaults: OrchestratorLimits = { start_ms: 30_000, join_ms: 30_000, drain_ms: 30_000 };

export interface OrchestratorContext {
  readonly limits: OrchestratorLimits;
  readonly load: 'normal' | 'high';
  readonly journal: 'open' | 'lost';
  readonly agents: 'healthy' | 'degraded';
  /** Why it failed, or stopped before it had drained. */
  readonly reason: string | null;
}

export type OrchestratorEvent =
  | { readonly type: 'journal.opened' }
  | { readonly type: 'journal.failed'; readonly reason?: string }
  | { readonly type: 'joined' }
  | { readonly type: 'join.failed'; readonly reason?: string }
  | { readonly type: 'load.high' }
  | { readonly type: 'load.normal' }
  | { readonly type: 'journal.lost' }
  | { readonly type: 'journal.back' }
  | { readonly type: 'agents.degraded' }
  | { readonly type: 'agents.recovered' }
  | { readonly type: 'drain' }
  | { readonly type: 'drained' };

interface Scope {
  readonly context: OrchestratorContext;
  readonly event: OrchestratorEvent;
}

export const begin = ({ input }: { input: Partial<OrchestratorLimits> | undefined }): OrchestratorContext => ({
  limits: { ...orchestratorDefaults, ...input },
  load: 'normal',
  journal: 'open',
  agents: 'healthy',
  reason: null,
});

// Degraded comes first: a node that cannot remember or has nobody to call is not helped by shedding load.
export const isDegraded = ({ context }: Scope) => context.journal === 'lost' || context.agents === 'degraded';
export const isOverloaded = (scope: Scope) => !isDegraded(scope) && scope.context.load === 'high';
export const isNormal = (scope: Scope) => !isDegraded(scope) && scope.context.load === 'normal';

export const noteLoad = ({ event }: Scope) => ({ load: event.type === 'load.high' ? 'high' : 'normal' }) as const;
export const noteJournal = ({ event }: Scope) =>
  ({ journal: event.type === 'journal.lost' ? 'lost' : 'open' }) as const;
export const noteAgents = ({ event }: Scope) =>
  ({ agents: event.type === 'agents.degraded' ? 'degraded' : 'healthy' }) as const;

export const noteReason = ({ event }: Scope) => ({
  reason: ('reason' in event ? event.reason : undefined) ?? event.type,
});
/** The event of a timer names the delay and the state: `xstate.after.joinTime.orchestrator.joining`. */
export const noteTimeout = ({ event }: { event: { type: string } }) => ({
  reason: `${event.type.split('.').at(-1)} took too long`,
});

export const startTime = ({ context }: Scope) => context.limits.start_ms;
export const joinTime = ({ context }: Scope) => context.limits.join_ms;
export const drainTime = ({ context }: Scope) => context.limits.drain_ms;
