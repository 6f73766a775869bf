// Request fields besides the body: tenant, idempotency key, origin, and whether the client is still connected.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, RawServerDefault } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { token } from '../../../machines/session/events.ts';
import type { Key } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import { Disconnected } from './problems.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Pages of other origins on this machine may send requests; the route must not return data to them. */
    fromOtherPages?: boolean;
  }
}

export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

export const sessionParams = z.object({ session_id: token });

/** The tenant that `X-Tenant-Id` names; `default` without the header. */
export function tenantOf({ headers }: { readonly headers: IncomingMessage['headers'] }): string {
  const given = headers['x-tenant-id'];
  return given === undefined ? 'default' : parse(token, given, 'X-Tenant-Id');
}

/** The tenant of a stream: browsers cannot send headers with an EventSource or a WebSocket, so the query may name it. */
export function tenantOfStream(request: FastifyRequest): string {
  const { tenant } = request.query as { tenant?: string };
  return tenant !== undefined && request.headers['x-tenant-id'] === undefined ? tenant : tenantOf(request);
}

export const keyOf = (request: FastifyRequest<{ Params: { session_id: string } }>): Key => ({
  tenant: tenantOf(request),
  session: request.params.session_id,
});

/** The idempotency key, equal for every delivery of one request; undefined if the caller sends none. */
export const idempotencyKeyOf = ({ headers }: FastifyRequest): string | undefined =>
  headers['idempotency-key'] as string | undefined;

export const wantsEvents = ({ headers }: FastifyRequest): boolean =>
  headers.accept?.includes('text/event-stream') ?? false;

/** A signal that aborts with `Disconnected` if the caller disconnects before the reply. */
export function leaving({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort(LEFT);
  });
  return controller.signal;
}

/** A signal that aborts when the reply's stream ends, from either side. */
export function ending({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once('close', () => controller.abort(LEFT));
  return controller.signal;
}

const LEFT = new Disconnected('the caller left');

/** Deepest nesting of a body. Far above any real body, far below a stack overflow. */
const DEEPEST = 64;

/** Refuses a body nested so deeply that recursive readers would overflow the stack. */
export function checkDepth(value: unknown, left = DEEPEST): void {
  if (typeof value !== 'object' || value === null) return;
  if (left === 0) throw new Refused('too_deep', `the body has more than ${DEEPEST} levels`);
  for (const inner of Object.values(value)) checkDepth(inner, left - 1);
}

/**
 * Refuses requests of foreign pages. Without logins a malicious page has no session to steal, but through its visitor's
 * browser it could reach a service that only the visitor's network can reach.
 */
export function checkOrigin(request: FastifyRequest): void {
  const { origin } = request.headers;
  if (isOwnPage(request)) return;
  if (request.routeOptions.config.fromOtherPages && isOnThisMachine(origin!)) return;
  throw new Refused('cross_origin', `requests from pages of ${origin} are not taken here`, 403);
}

/** Whether the request comes from a page of this service, or from a client that is no page. */
export const isOwnPage = ({ headers: { origin, host } }: FastifyRequest): boolean =>
  origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);

const isOnThisMachine = (origin: string): boolean =>
  URL.canParse(origin) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname);
