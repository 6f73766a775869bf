// The bodies of the endpoint chart's names: how busy it is, and how long silence is forgiven.
import { assertEvent, assign, setup } from 'xstate';
import type { EndpointContext, EndpointEvent, EndpointInput } from './events.ts';

export const initialContext = ({ input }: { input: EndpointInput }): EndpointContext => ({
  watched: input.watched ?? false,
  interval_ms: input.interval_ms ?? 30_000,
  capacity: input.capacity,
  in_flight: 0,
  others: 0,
  beats: false,
});

export type Load = 'idle' | 'busy' | 'saturated';

/** How loaded an endpoint is with `in_flight` calls of this node. */
export const loadOf = (context: EndpointContext, in_flight = context.in_flight): Load => {
  const running = in_flight + context.others;
  if (context.capacity !== undefined && running >= context.capacity) return 'saturated';
  return running > 0 ? 'busy' : 'idle';
};

// Two intervals and a half: one message may be lost and the next one late before an endpoint is doubted.
const patience = ({ context }: { context: EndpointContext }) => context.interval_ms * 2.5;

export const { createMachine } = setup({
  types: {
    context: {} as EndpointContext,
    events: {} as EndpointEvent,
    input: {} as EndpointInput,
    // `pickable`: may be called; `doubtful`: only when no better one is left.
    tags: {} as 'pickable' | 'doubtful',
  },
  guards: {
    isIdle: ({ context }) => loadOf(context) === 'idle',
    isBusy: ({ context }) => loadOf(context) === 'busy',
    isSaturated: ({ context }) => loadOf(context) === 'saturated',
    isUnwatched: ({ context }) => !context.watched,
    isSilent: ({ context }) => context.beats,
    wentWell: ({ event }) => event.type === 'call.ended' && event.ok === true,
    hasNoCalls: ({ context }) => context.in_flight === 0,
  },
  actions: {
    noteLoad: assign(({ event }) => {
      assertEvent(event, ['call.started', 'call.ended']);
      return { in_flight: event.in_flight };
    }),
    noteHeartbeat: assign(({ context, event }) => {
      assertEvent(event, 'heartbeat');
      return {
        beats: true,
        // Its own count includes our calls; the rest, once ours end, are the calls of others.
        others: Math.max(0, (event.in_flight ?? 0) - context.in_flight),
        capacity: event.capacity ?? context.capacity,
        interval_ms: event.interval_s === undefined ? context.interval_ms : event.interval_s * 1000,
      };
    }),
  },
  /** In milliseconds. */
  delays: {
    firstProbe: patience,
    silence: patience,
    doubt: patience,
    /** How long calls may still finish at an endpoint that is being drained. */
    drainTime: 300_000,
  },
});
