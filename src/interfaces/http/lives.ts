// Forks of a session over HTTP: a new session from one of its entries, or its export as a test fixture.
import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import { Refused } from '../../platform/errors.ts';
import { type Fixture, FORMAT } from '../../sessions/fixture.ts';
import type { Troupe } from '../../troupe.ts';
import { type App, idempotencyKeyOf, keyOf, sessionParams, tenantOf } from './requests.ts';
import { entries, sessionView } from './shapes.ts';

const tags = ['sessions'];
const params = sessionParams;

const forked = z.intersection(
  sessionView,
  z.object({
    forked_from: z.object({ session_id: z.string(), entry: z.int().describe('the last one that was kept') }),
  }),
);
const fixture: z.ZodType<Fixture> = z.object({
  format: z.literal(FORMAT),
  session_id: z.string(),
  machine: z.string(),
  entries,
});

export function lifeRoutes(app: App, { conversations }: Troupe): void {
  app.post(
    '/v1/sessions/:session_id/fork',
    {
      schema: {
        tags,
        summary: 'Let it live on from one of its entries as another session, with another agent if you like',
        params,
        body: z.strictObject({
          entry: z.int().min(1).optional().describe('the last entry to keep; the last one unless told'),
          session: token.optional().describe('the id of the new session'),
          agent_id: token
            .optional()
            .describe(
              'answers instead: the new session ends with the last message up to there, addressed to this agent',
            ),
        }),
        response: { 201: forked },
      },
    },
    async (request, reply) => {
      const { session, ...wish } = request.body;
      const cause = idempotencyKeyOf(request);
      const key = { tenant: tenantOf(request), session: session ?? newId(cause) };
      return reply.code(201).send(await conversations.fork(key, request.params.session_id, wish, cause));
    },
  );

  app.get(
    '/v1/sessions/:session_id/fixture',
    {
      schema: {
        tags,
        summary: 'The session as a test: `replay` of troupe/testing takes it',
        params,
        querystring: z.strictObject({
          to: z.coerce.number().int().min(1).max(1e9).optional().describe('the last entry; all of them unless told'),
        }),
        response: { 200: fixture },
      },
    },
    async (request, reply) => {
      const { to } = request.query;
      const { session_id } = request.params;
      const lived = await conversations.journal(keyOf(request), 1, to);
      const last = lived.at(-1)!;
      if (to !== undefined && last.n < to)
        throw new Refused('unknown_entry', `session "${session_id}" has only ${last.n} entries`, 404);
      reply.header('content-disposition', `attachment; filename="${session_id}.json"`);
      return { format: FORMAT, session_id, machine: last.machine, entries: lived } satisfies Fixture;
    },
  );
}

/** A request repeated with the same idempotency key must find the session that it created. */
function newId(idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined) return `f-${randomUUID()}`;
  return `f-${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 32)}`;
}
