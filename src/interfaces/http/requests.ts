// What the routes read of a request besides its body: whose it is, whether it was sent before, and whether anybody still waits.

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
    /** Pages of other services on this machine may ask; the route sees to it that they are told nothing. */
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

/** The tenant named by `X-Tenant-Id`, `default` when nobody is named. */
export function tenantOf({ headers }: { readonly headers: IncomingMessage['headers'] }): string {
  const given = headers['x-tenant-id'];
  return given === undefined ? 'default' : parse(token, given, 'X-Tenant-Id');
}

/** Browsers cannot send headers with an EventSource or a WebSocket; there the query may name the tenant. */
export function tenantOfStream(request: FastifyRequest): string {
  const { tenant } = request.query as { tenant?: string };
  return tenant !== undefined && request.headers['x-tenant-id'] === undefined ? tenant : tenantOf(request);
}

export const keyOf = (request: FastifyRequest<{ Params: { session_id: string } }>): Key => ({
  tenant: tenantOf(request),
  session: request.params.session_id,
});

/** The same for every delivery of one request; undefined when the caller does not say. */
export const idempotencyKeyOf = ({ headers }: FastifyRequest): string | undefined =>
  headers['idempotency-key'] as string | undefined;

export const wantsEvents = ({ headers }: FastifyRequest): boolean =>
  headers.accept?.includes('text/event-stream') ?? false;

/** Aborted with `Disconnected` when the caller leaves before it was answered. */
export function leaving({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once('close', () => {
    if (!raw.writableFinished) controller.abort(LEFT);
  });
  return controller.signal;
}

/** Aborted when a stream of events is over, whoever ended it. */
export function ending({ raw }: FastifyReply): AbortSignal {
  const controller = new AbortController();
  raw.once('close', () => controller.abort(LEFT));
  return controller.signal;
}

const LEFT = new Disconnected('the caller left');

/** Levels of a body. Far more than anybody means, far less than what makes a stack overflow. */
const DEEPEST = 64;

/** Refuses a body that is nested so deep that those who walk it later would fall. */
export function checkDepth(value: unknown, left = DEEPEST): void {
  if (typeof value !== 'object' || value === null) return;
  if (left === 0) throw new Refused('too_deep', `the body has more than ${DEEPEST} levels`);
  for (const inner of Object.values(value)) checkDepth(inner, left - 1);
}

/**
 * A page of another site must not act on sessions through its visitor's browser: with no login to steal, the browser's
 * place in the network is what it would be after.
 */
export function checkOrigin(request: FastifyRequest): void {
  const { origin } = request.headers;
  if (isOwnPage(request)) return;
  if (request.routeOptions.config.fromOtherPages && isOnThisMachine(origin!)) return;
  throw new Refused('cross_origin', `requests from pages of ${origin} are not taken here`, 403);
}

/** Whether it comes from a page of this service, or from no page at all. */
export const isOwnPage = ({ headers: { origin, host } }: FastifyRequest): boolean =>
  origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);

const isOnThisMachine = (origin: string): boolean =>
  URL.canParse(origin) && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(origin).hostname);
