// Follows a session or a run as server-sent events whose ids are positions in the journal, so that a client can resume from any of them.
import type { FastifyRequest } from 'fastify';
import { z } from 'zod';
import { parseRunId, runEventsOf } from '../../../actors/transcript.ts';
import type { SessionView } from '../../../actors/view.ts';
import { token } from '../../../machines/session/events.ts';
import { isEnd } from '../../emitted/run.ts';
import type { Key } from '../../journal/journal.ts';
import { type FeedItem, feed } from '../../sessions/feed.ts';
import type { Troupe } from '../../troupe.ts';
import { checkPosition, deltaOf, type Position, parsePosition, toldBy, wholeBefore } from './frames.ts';
import { type App, sessionParams, tenantOfStream, wantsEvents } from './requests.ts';
import { runEvent, runEvents } from './shapes.ts';
import { type EventStreams, frame, frames } from './sse.ts';

const querystring = z.strictObject({
  after: z.string().optional().describe('the last id seen; a `Last-Event-ID` header goes before it'),
  tenant: token.optional().describe('for browsers, which cannot send `X-Tenant-Id` here'),
});
const STREAM = { stream: true };

export function eventRoutes(app: App, troupe: Troupe, streams: EventStreams, buffer: number): void {
  const { conversations, orchestrator } = troupe;
  const items = (key: Key, seen: Position, signal: AbortSignal) =>
    feed(orchestrator, key, { after: wholeBefore(seen), signal, buffer });

  app.get(
    '/v1/sessions/:session_id/events',
    {
      exposeHeadRoute: false,
      config: STREAM,
      schema: {
        tags: ['sessions'],
        summary: 'Everything that happens to a session, as server-sent events',
        params: sessionParams,
        querystring,
        response: {
          200: {
            description: 'each `event` is a type, or `state_change` after the last one of an entry; its `data` is JSON',
            content: { 'text/event-stream': { schema: runEvent } },
          },
          204: z.unknown().describe('there is nothing more to come'),
        },
      },
    },
    async (request, reply) => {
      const key = { tenant: tenantOfStream(request), session: request.params.session_id };
      const view = await conversations.view(key);
      const seen = seenBy(request);
      checkPosition(seen, view);
      // Status 204 stops an EventSource from reconnecting.
      if (ended(view) && seen.n === view.entry && seen.k === undefined) return reply.code(204).send();
      const stream = streams.open(reply);
      const heard = untilEnd(items(key, seen, stream.signal), ({ snapshot }) => snapshot.status !== undefined);
      await stream.tell(heard, (item) => frames(toldBy(item, key.session, seen)));
      return reply;
    },
  );

  app.get(
    '/v1/runs/:run_id/events',
    {
      exposeHeadRoute: false,
      config: STREAM,
      schema: {
        tags: ['runs'],
        summary: 'The events of a run so far; live, until the run ends, with `Accept: text/event-stream`',
        params: z.object({ run_id: z.string() }),
        querystring,
        response: { 200: runEvents },
      },
    },
    async (request, reply) => {
      const { run_id } = request.params;
      const tenant = tenantOfStream(request);
      const { events } = await conversations.run(tenant, run_id);
      if (!wantsEvents(request)) return { events };
      const session = parseRunId(run_id)!.session;
      const seen = seenBy(request);
      const stream = streams.open(reply);
      const heard = untilEnd(items({ tenant, session }, seen, stream.signal), ({ emitted }) =>
        emitted.some((one) => isEnd(one) && one.run_id === run_id),
      );
      await stream.tell(heard, runFrames(run_id, seen));
      return reply;
    },
  );
}

const ended = ({ control }: SessionView): boolean => control === 'closed' || control === 'failed';

function seenBy(request: FastifyRequest): Position {
  const header = request.headers['last-event-id'] as string | undefined;
  return parsePosition(header || (request.query as { after?: string }).after || '0');
}

/** Yields feed items up to and including the last entry of the session or run. */
async function* untilEnd(
  items: AsyncIterable<FeedItem>,
  isLast: (entry: Extract<FeedItem, { type: 'entry' }>['entry']) => boolean,
): AsyncGenerator<FeedItem> {
  for await (const item of items) {
    yield item;
    if (item.type === 'entry' && isLast(item.entry)) return;
  }
}

/**
 * Frames of one run: live deltas as they arrive; deltas of an attempt that was not streamed to this client, from its entry.
 */
function runFrames(run_id: string, { n, k = -1 }: Position): (item: FeedItem) => string {
  let heard = 0;
  return (item) => {
    if (item.type === 'part') {
      if (item.part.run_id !== run_id) return '';
      heard = item.part.attempt;
      return frames([deltaOf(item.part)]);
    }
    return runEventsOf(item.entry, run_id)
      .filter((one) =>
        one.type === 'agent_stream_delta'
          ? one.attempt !== heard
          : item.entry.n > n || Number(one.id.split('.')[1]) > k,
      )
      .map(({ id, ...event }) => frame(event.type, event, event.type === 'agent_stream_delta' ? undefined : id))
      .join('');
  };
}
