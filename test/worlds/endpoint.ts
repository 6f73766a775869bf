// Everything that can happen to an endpoint of two places, as little of it as its guards can tell apart.
import type { AnyMachineSnapshot } from 'xstate';
import type { EndpointContext, EndpointEvent } from '../../machines/endpoint/events.ts';
import type { endpointMachine } from '../../machines/endpoint/machine.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';

export const endpointWorld = {
  input: { watched: true, capacity: 2 },
  events: ({ context: { in_flight } }: AnyMachineSnapshot): EndpointEvent[] => [
    ...(in_flight < 3 ? [{ type: 'call.started' as const, in_flight: in_flight + 1 }] : []),
    ...(in_flight > 0
      ? [true, false].map((ok) => ({ type: 'call.ended' as const, in_flight: in_flight - 1, ok }))
      : []),
    ...[0, 1, 3].map((n) => ({ type: 'heartbeat' as const, in_flight: n, capacity: 2, interval_s: 10 })),
    ...(['probe.succeeded', 'probe.failed', 'drain'] as const).map((type) => ({ type })),
  ],
  serialize: ({ value, context }: AnyMachineSnapshot): unknown => {
    const { in_flight, others, capacity, beats } = context as EndpointContext;
    return [value, in_flight, others, capacity, beats];
  },
} satisfies ExploreOptions<typeof endpointMachine>;
