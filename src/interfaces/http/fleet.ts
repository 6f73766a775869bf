// The fleet over HTTP: the count of sessions per state, their dwell times, and their transitions as they happen.
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import { Frame, type FrameView } from '../../fleet/frame.ts';
import type { Troupe } from '../../troupe.ts';
import { fleetView } from './fleet-shapes.ts';
import { type App, tenantOf, tenantOfStream } from './requests.ts';
import { type EventStreams, frame } from './sse.ts';

/** Interval between two frames to one client, ms. */
const FRAME = 50;
/** Interval at which the census is sent again, ms: it corrects counts where a frame of another node was lost. */
const CENSUS = 10_000;

export function fleetRoutes(app: App, troupe: Troupe, streams: EventStreams): void {
  app.get(
    '/v1/fleet',
    {
      schema: {
        tags: ['fleet'],
        summary:
          'Sessions per state, how long they stay, the ways they take, and the nodes, shards and agents there are',
        response: { 200: fleetView },
      },
    },
    (request) => troupe.fleet.view(tenantOf(request)),
  );

  app.get(
    '/v1/events',
    {
      exposeHeadRoute: false,
      config: { stream: true },
      schema: {
        tags: ['fleet'],
        summary:
          'What moves in all sessions, as server-sent events: `census` says how many are in which state, `moves` what changed ' +
          'since, a frame every 50 ms at the most; a slow listener gets more in one frame. Whoever comes back gets a new census.',
        querystring: z.strictObject({
          tenant: token.optional().describe('for browsers, which cannot send `X-Tenant-Id` here'),
        }),
      },
    },
    async (request, reply) => {
      const tenant = tenantOfStream(request);
      // Read before the stream is opened, so that a failure is still a problem document.
      await troupe.fleet.view(tenant);
      const stream = streams.open(reply);
      await stream.tell(whatMoves(troupe, tenant, stream.signal), ({ type, ...data }) => frame(type, data));
      return reply;
    },
  );
}

type Told =
  | ({ readonly type: 'moves'; readonly at: number } & FrameView)
  | { readonly type: 'census'; readonly at: number; readonly states: Readonly<Record<string, number>> };

/** Yields a census, then transitions. A slow client gets more transitions per frame, not more frames. */
async function* whatMoves({ fleet, orchestrator }: Troupe, tenant: string, signal: AbortSignal): AsyncGenerator<Told> {
  const moved = new Frame();
  let wake = () => {};
  const unlisten = fleet.listen(tenant, moved, () => wake());
  const leave = () => wake();
  signal.addEventListener('abort', leave);
  try {
    for (let told = Number.NEGATIVE_INFINITY; !signal.aborted; ) {
      const left = told + CENSUS - performance.now();
      if (left <= 0) {
        const { states } = await fleet.census(tenant, () => void moved.take());
        told = performance.now();
        yield { type: 'census', at: orchestrator.clock.now(), states };
      } else if (moved.empty)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      else {
        // One frame holds every transition of this interval.
        await new Promise((resolve) => setTimeout(resolve, FRAME));
        yield { type: 'moves', at: orchestrator.clock.now(), ...moved.take() };
      }
    }
  } finally {
    signal.removeEventListener('abort', leave);
    unlisten();
  }
}
