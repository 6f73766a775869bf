// Sessions over HTTP: create, list, read and command them.
import { createHash, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { askedIn } from '../../../actors/view.ts';
import { bodies, decision, ownSettings, token, type Verb } from '../../../machines/session/events.ts';
import { sessionMachine } from '../../../machines/session/machine.ts';
import { outerLevel } from '../../../machines/state-name.ts';
import { traceEntries } from '../../charts/transitions.ts';
import type { Journal, Row } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import type { Troupe } from '../../troupe.ts';
import { type App, idempotencyKeyOf, keyOf, sessionParams, tenantOf } from './requests.ts';
import { journal, sessionList, sessionView, transcript } from './shapes.ts';

const tags = ['sessions'];
const params = sessionParams;

const newSession = z.strictObject({
  session_id: token.optional(),
  settings: ownSettings.optional(),
  config: z.record(z.string(), z.unknown()).optional().describe('what agents see as `context`'),
});

/** A number of a query string. */
const count = (most: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(most));

const listQuery = z.strictObject({
  state: z.string().min(1).max(200).optional().describe('a whole state, a part of one, or its outer levels: `human`'),
  limit: count(1_000).optional().describe('100 unless told'),
  cursor: z.string().max(200).optional().describe('`next_cursor` of the page before'),
});

export function sessionRoutes(app: App, troupe: Troupe): void {
  const { conversations } = troupe;

  app.post(
    '/v1/sessions',
    { schema: { tags, summary: 'Create a session', body: newSession, response: { 201: sessionView } } },
    async (request, reply) => {
      const { session_id, ...birth } = request.body;
      const key = idempotencyKeyOf(request);
      const session = session_id ?? newId(key);
      return reply.code(201).send(await conversations.create({ tenant: tenantOf(request), session }, birth, key));
    },
  );

  app.get(
    '/v1/sessions',
    { schema: { tags, summary: 'List sessions', querystring: listQuery, response: { 200: sessionList } } },
    async (request) => {
      const { state, limit, cursor } = request.query;
      const tenant = tenantOf(request);
      const after = cursor === undefined ? undefined : { tenant, session: readCursor(cursor) };
      const { rows, next } = await conversations.list({ tenant, state, limit, after });
      return {
        sessions: await Promise.all(rows.map((row) => listed(troupe.journal, row))),
        ...(next && { next_cursor: cursorOf(next.session) }),
      };
    },
  );

  app.get(
    '/v1/sessions/:session_id',
    { schema: { tags, summary: 'How a session stands', params, response: { 200: sessionView } } },
    (request) => conversations.view(keyOf(request)),
  );

  for (const [verb, summary] of Object.entries(commands) as [Command, string][])
    app.post(
      `/v1/sessions/:session_id/${verb}`,
      { schema: { tags, summary, params, body: bodies[verb], response: { 200: sessionView } } },
      (request) => conversations.command(keyOf(request), verb, request.body, idempotencyKeyOf(request)),
    );

  app.post(
    '/v1/sessions/:session_id/approvals/:approval',
    {
      schema: {
        tags,
        summary: 'Approve or reject what an agent wants to do',
        params: params.extend({ approval: bodies.approve.shape.approval }),
        body: decision,
        response: { 200: sessionView },
      },
    },
    (request) => {
      const body = { ...request.body, approval: request.params.approval };
      return conversations.command(keyOf(request), 'approve', body, idempotencyKeyOf(request));
    },
  );

  app.post(
    '/v1/sessions/:session_id/tool-results/:call',
    {
      schema: {
        tags,
        summary: 'Hand in the result of a tool that the caller ran',
        params: params.extend({ call: bodies.tool_result.shape.call }),
        body: bodies.tool_result.omit({ call: true }),
        response: { 200: sessionView },
      },
    },
    (request) => {
      const body = { ...request.body, call: request.params.call };
      return conversations.command(keyOf(request), 'tool_result', body, idempotencyKeyOf(request));
    },
  );

  app.get(
    '/v1/sessions/:session_id/messages',
    {
      schema: {
        tags,
        summary: 'The conversation: everybody in it (`full`), or what a model is told of it (`llm`)',
        params,
        querystring: z.strictObject({ view: z.enum(['full', 'llm']).default('full') }),
        response: { 200: transcript },
      },
    },
    async (request) => ({ messages: await conversations.messages(keyOf(request), request.query.view) }),
  );

  app.get(
    '/v1/sessions/:session_id/journal',
    {
      schema: {
        tags,
        summary: 'The entries of a session, as they were remembered',
        params,
        querystring: z.strictObject({
          from: count(1e9).default(1).describe('1 unless told'),
          limit: count(1_000).default(100).describe('100 unless told'),
          transitions: z
            .enum(['true', 'false'])
            .optional()
            .describe(
              '`true`: each entry also has the `transitions` that its event took, found by taking the step again. They are ' +
                'null where the step cannot be taken again: another version of the chart wrote the entry or the one before',
            ),
        }),
        response: { 200: journal },
      },
    },
    async (request) => {
      const { from, limit, transitions } = request.query;
      const key = keyOf(request);
      if (from > 1) await conversations.view(key);
      if (transitions !== 'true') return { entries: await conversations.journal(key, from, limit) };
      if (from === 1) return { entries: traceEntries(sessionMachine, await conversations.journal(key, from, limit)) };
      const [before, ...entries] = await conversations.journal(key, from - 1, limit + 1);
      return { entries: traceEntries(sessionMachine, entries, before) };
    },
  );
}

const commands = {
  pause: 'Stop the AI: when its answer is finished (`drain`), or at once (`interrupt`)',
  resume: 'Let the AI go on',
  takeover: 'Give the floor to a person: from the answer on, not one more word of the AI reaches the user',
  inject: 'Speak to the user as a person, whisper to the model, or leave a note for staff',
  release: 'Give the floor back to the AI',
  cancel: 'Cancel the open run',
  close: 'End the session',
} as const satisfies Partial<Record<Verb, string>>;
type Command = keyof typeof commands;

/** A request repeated with the same idempotency key must find the session that it created. */
function newId(idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined) return `s-${randomUUID()}`;
  return `s-${createHash('sha256').update(idempotencyKey).digest('hex').slice(0, 32)}`;
}

async function listed(journal: Journal, { key, n, at, state }: Row) {
  const [control, turn] = state.split('/');
  // Reads the last entry only of sessions that wait for a person or the caller: a list of those shows their questions.
  const last = turn && WAITING.test(turn) ? await journal.last(key) : undefined;
  return {
    session_id: key.session,
    state,
    control: outerLevel(control!),
    turn: turn ?? null,
    entry: n,
    updated_at: at,
    ...(last && askedIn(last.entry.snapshot.context)),
  };
}

const WAITING = /\.awaiting(Approval|ClientTool)$/;

const cursorOf = (session: string): string => Buffer.from(session).toString('base64url');

function readCursor(cursor: string): string {
  const session = Buffer.from(cursor, 'base64url').toString();
  if (cursorOf(session) !== cursor) throw new Refused('bad_request', 'query.cursor: is none that was given out');
  return parse(token, session, 'query.cursor');
}
