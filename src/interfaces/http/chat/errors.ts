// Errors in the OpenAI API's shape: `{ error: { message, type, code, param } }`.
import type { FastifyReply } from 'fastify';
import { Failed, Refused } from '../../../platform/errors.ts';
import type { Log } from '../../../platform/log.ts';
import { asRefused } from '../problems.ts';

interface ApiError {
  readonly status: number;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly code: string;
    readonly param: null;
  };
  readonly retry_after_s?: number;
  /** Whether a retry may succeed; clients with retries of their own read it. */
  readonly retryable: boolean;
}

const types: Record<number, string | undefined> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
  429: 'rate_limit_error',
};

const statuses: Record<string, number | undefined> = {
  rate_limited: 429,
  budget_exceeded: 429,
  llm_disabled: 403,
  // The provider refused the runtime's key, not the caller's; 401 would blame the caller.
  model_refused_key: 502,
  llm_not_configured: 503,
  model_unavailable: 503,
  timed_out: 504,
};

/** Any error in the API's shape. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof Failed) {
    const { code, message, retryable, details } = error;
    // The endpoint refused the caller's own request, so its status is passed on.
    const status = code === 'bad_model_request' ? clientError(details.status) : (statuses[code] ?? 502);
    return wordedAs(status, code, message, retryable, details);
  }
  const { code, status, message, details } = asRefused(error);
  return wordedAs(status, code, message, status >= 500 || status === 429, details);
}

const clientError = (status: unknown): number =>
  typeof status === 'number' && status >= 400 && status < 500 ? status : 400;

function wordedAs(
  status: number,
  code: string,
  message: string,
  retryable: boolean,
  { retry_after_s }: Record<string, unknown>,
): ApiError {
  const type = types[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
  const after = typeof retry_after_s === 'number' ? { retry_after_s } : {};
  return { status, error: { message, type, code, param: null }, retryable, ...after };
}

export function sendApiError(reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const told = apiErrorOf(error);
  if (told.status >= 500 && !(error instanceof Refused || error instanceof Failed))
    log.error({ err: error, url: reply.request.url }, 'request failed');
  if (told.retry_after_s !== undefined) reply.header('retry-after', Math.ceil(told.retry_after_s));
  if (!told.retryable) reply.header('x-should-retry', 'false');
  return reply
    .code(told.status)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify({ error: told.error }));
}
