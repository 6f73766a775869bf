// What the names in the endpoint's chart mean: how busy it is, and how long silence is forgiven.

export interface EndpointInput {
  /** Somebody vouches for it, by health checks or heartbeats; otherwise it is taken to be available. */
  readonly watched?: boolean;
  /** Calls it takes at once; no limit unless told. Heartbeats may say otherwise later. */
  readonly capacity?: number;
  /** Milliseconds between checks, or between heartbeats until one says otherwise; 30,000 unless told. */
  readonly interval_ms?: number;
}

export interface EndpointContext {
  readonly watched: boolean;
  readonly interval_ms: number;
  readonly capacity?: number;
  /** Calls that this node has running there. */
  readonly in_flight: number;
  /** Calls that others have running there, as of the last heartbeat. */
  readonly others: number;
  /** It has sent a heartbeat, so silence means something. */
  readonly beats: boolean;
}

/** `in_flight` of call events is this node's count after the event; of heartbeats, the instance's own. `ok`: it answered. */
export type EndpointEvent =
  | { readonly type: 'call.started'; readonly in_flight: number }
  | { readonly type: 'call.ended'; readonly in_flight: number; readonly ok?: boolean }
  | { readonly type: 'probe.succeeded' }
  | { readonly type: 'probe.failed' }
  | {
      readonly type: 'heartbeat';
      readonly in_flight?: number;
      readonly capacity?: number;
      /** Seconds until the next one. */
      readonly interval_s?: number;
    }
  | { readonly type: 'drain' }
  | { readonly type: 'remove' };

interface Scope {
  readonly context: EndpointContext;
  readonly event: EndpointEvent;
}

export const begin = ({ input }: { input: EndpointInput }): EndpointContext => ({
  watched: input.watched ?? false,
  interval_ms: input.interval_ms ?? 30_000,
  capacity: input.capacity,
  in_flight: 0,
  others: 0,
  beats: false,
});

export const noteLoad = ({ event }: Scope) =>
  event.type === 'call.started' || event.type === 'call.ended' ? { in_flight: event.in_flight } : {};

export const noteHeartbeat = ({ context, event }: Scope) => {
  if (event.type !== 'heartbeat') return {};
  return {
    beats: true,
    // Its own count includes our calls; what is left over when ours end are the calls of others.
    others: Math.max(0, (event.in_flight ?? 0) - context.in_flight),
    capacity: event.capacity ?? context.capacity,
    interval_ms: event.interval_s === undefined ? context.interval_ms : event.interval_s * 1000,
  };
};

export type Load = 'idle' | 'busy' | 'saturated';

/** How loaded an endpoint is with `in_flight` calls of this node. */
export const loadOf = (context: EndpointContext, in_flight = context.in_flight): Load => {
  const running = in_flight + context.others;
  if (context.capacity !== undefined && running >= context.capacity) return 'saturated';
  return running > 0 ? 'busy' : 'idle';
};

export const isIdle = ({ context }: Scope) => loadOf(context) === 'idle';
export const isBusy = ({ context }: Scope) => loadOf(context) === 'busy';
export const isSaturated = ({ context }: Scope) => loadOf(context) === 'saturated';
export const isUnwatched = ({ context }: Scope) => !context.watched;
export const isSilent = ({ context }: Scope) => context.beats;
export const wentWell = ({ event }: Scope) => event.type === 'call.ended' && event.ok === true;
export const hasNoCalls = ({ context }: Scope) => context.in_flight === 0;

// Two intervals and a half: one message may be lost and the next one late before we think ill of anybody.
const patience = ({ context }: Scope) => context.interval_ms * 2.5;
export const silence = patience;
export const doubt = patience;
export const firstProbe = patience;

/** How long calls may still finish at an endpoint that is being drained. */
export const drainTime = 300_000;
