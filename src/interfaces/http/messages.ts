// Sends a message to a session: the reply is the outcome, a stream of the run's events, or only the run's id.
import { z } from 'zod';
import { bodies, token } from '../../../machines/session/events.ts';
import type { Emitted } from '../../emitted/emitted.ts';
import type { Outcome } from '../../sessions/outcome.ts';
import { type TurnItem, turn } from '../../sessions/turn.ts';
import type { Troupe } from '../../troupe.ts';
import { toldBy } from './frames.ts';
import { failedRun } from './problems.ts';
import {
  type App,
  ending,
  idempotencyKeyOf,
  keyOf,
  leaving,
  sessionParams,
  tenantOf,
  wantsEvents,
} from './requests.ts';
import { outcome } from './shapes.ts';
import { type EventStreams, frame, frames } from './sse.ts';

/** Statuses of a run that only a person or the caller can move on: there is no telling when it is answered. */
const LATER = new Set<Outcome['status']>(['accepted', 'suspended', 'awaiting_approval', 'awaiting_tool']);

export function messageRoutes(app: App, troupe: Troupe, streams: EventStreams, buffer: number): void {
  const { conversations, orchestrator } = troupe;

  app.post(
    '/v1/sessions/:session_id/messages',
    {
      schema: {
        tags: ['sessions'],
        summary: 'Say something; answered as server-sent events with `Accept: text/event-stream`',
        params: sessionParams,
        body: bodies.message,
        response: { 200: outcome, 202: outcome },
      },
    },
    async (request, reply) => {
      const key = keyOf(request);
      const idempotencyKey = idempotencyKeyOf(request);
      if (wantsEvents(request)) {
        const options = { idempotencyKey, signal: ending(reply), buffer };
        const items = turn(orchestrator, conversations, key, request.body, options);
        // The first item is read before the stream is opened, so that a refusal is still a problem document.
        const { value: accepted } = await items.next();
        if (accepted?.type !== 'accepted') return reply;
        await streams.open(reply).tell(items, turnFrames(key.session, accepted.run_id));
        return reply;
      }
      const result = await conversations.send(key, request.body, { idempotencyKey, signal: leaving(reply) });
      if (result.error) throw failedRun(result);
      return reply.code(LATER.has(result.status) ? 202 : 200).send(result);
    },
  );

  app.post(
    '/internal/invoke',
    {
      schema: {
        tags: ['runs'],
        summary: 'Start a run of an agent; answered at once with its id',
        body: z.strictObject({
          session_id: token,
          agent_id: token,
          input_message: z.strictObject({ role: z.literal('user'), content: bodies.message.shape.content }),
        }),
        response: { 200: z.object({ run_id: z.string(), session_id: z.string(), agent_id: z.string() }) },
      },
    },
    async (request) => {
      const { session_id, agent_id, input_message } = request.body;
      const key = { tenant: tenantOf(request), session: session_id };
      const body = { content: input_message.content, agent_id };
      const { run_id } = await conversations.begin(key, body, { idempotencyKey: idempotencyKeyOf(request) });
      return { run_id, session_id, agent_id };
    },
  );
}

/** Frames of one run's events; the outcome is the last. */
function turnFrames(session_id: string, run_id: string): (item: TurnItem) => string {
  let run = run_id;
  return (item) => {
    if (item.type === 'accepted') return '';
    if (item.type === 'outcome') return frame('outcome', item.outcome);
    if (item.type === 'part') return item.part.run_id === run ? frames(toldBy(item, session_id)) : '';
    const told = toldBy(item, session_id).filter(({ data }) => concerns(data, run));
    run = joined(item.entry.emitted, run);
    return frames(told);
  };
}

/** What is told of no run, such as who has the floor, concerns every run. */
const concerns = (data: object, run: string): boolean => !('run_id' in data) || data.run_id === run;

/** The run that answers in place of this one from now on. */
const joined = (emitted: readonly Emitted[], run: string): string =>
  emitted.filter((one) => one.type === 'run_joined').find((one) => one.run_id === run)?.into ?? run;
