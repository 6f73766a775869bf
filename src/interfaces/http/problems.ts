// Problem documents (RFC 9457) with a stable `code`: the HTTP form of every refusal and failure.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Failed, JournalError, Refused } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Outcome } from '../../sessions/outcome.ts';

/** A problem document. Further members depend on the code, e.g. `state` and `allowed`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** The path of the request. */
  readonly instance: string;
  readonly [member: string]: unknown;
}

/** The caller disconnected before the reply; no client reads it. */
export class Disconnected extends Error {
  override name = 'Disconnected';
}

const MEDIA_TYPE = 'application/problem+json; charset=utf-8';

export function sendProblem(request: FastifyRequest, reply: FastifyReply, error: unknown, log: Log): FastifyReply {
  const refused = asRefused(error);
  if (refused.status >= 500 && !(error instanceof Refused))
    log.error({ err: error, method: request.method, url: request.url }, 'request failed');
  const { retry_after_s } = refused.details;
  if (typeof retry_after_s === 'number') reply.header('retry-after', Math.ceil(retry_after_s));
  return reply
    .code(refused.status)
    .type(MEDIA_TYPE)
    .send(JSON.stringify(problemOf(refused, pathOf(request.url))));
}

function problemOf({ code, status, message, details }: Refused, instance: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: 'about:blank', title, status, code, detail: message, instance, ...details };
}

/** Any error of a handler as a refusal. The caller does not see the details of an internal error. */
export function asRefused(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof JournalError)
    return new Refused(error.code, 'the journal cannot be used now', 503, { retry_after_s: 1 });
  if (error instanceof Disconnected) return new Refused('disconnected', 'the caller left', 499);
  const { code = '', statusCode = 500, message } = error as Partial<FastifyError>;
  const known = framework[code];
  if (known) return new Refused(known[0], known[1], known[2]);
  if (statusCode >= 400 && statusCode < 500) return new Refused('bad_request', message ?? 'bad request', statusCode);
  return new Refused('internal', OURS, 500);
}

const OURS = 'something went wrong on our side';
const BAD_JSON = ['bad_json', 'the body is no JSON', 400] as const;

/** Refusals for the errors that Fastify raises itself. */
const framework: Record<string, readonly [code: string, detail: string, status: number] | undefined> = {
  FST_ERR_CTP_INVALID_JSON_BODY: BAD_JSON,
  FST_ERR_CTP_EMPTY_JSON_BODY: BAD_JSON,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['bad_length', 'the body is not as long as Content-Length says', 400],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'send the body as application/json', 415],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'the body is too large', 413],
  FST_ERR_BAD_URL: ['bad_url', 'the path is not a valid URL', 400],
};

/** HTTP status of a failed run by error code; any other code is a failure of the agent: 502. */
const failures: Record<string, number | undefined> = {
  no_agent_available: 503,
  forbidden: 403,
  timeout: 504,
  timed_out: 504,
  refused: 422,
  no_match: 422,
  internal: 500,
};

/** The refusal that answers a message whose run failed or was cancelled. */
export function failedRun({ status, run_id, message_id, agent_id, trace, error }: Outcome): Refused {
  const { code, message, retry_after_s } = error!;
  const details = { run_id, message_id, agent_id, trace, ...(retry_after_s !== undefined && { retry_after_s }) };
  if (status === 'cancelled') return new Refused('cancelled', `the run was cancelled: ${message}`, 409, details);
  return new Refused(code, code === 'internal' ? OURS : message, failures[code] ?? 502, details);
}

/** A `Failed` of work the caller waits for as a refusal, with the members of `more`; other errors are returned unchanged. */
export function failedWork(error: unknown, more: Record<string, unknown> = {}): unknown {
  if (!(error instanceof Failed)) return error;
  const { code, message, details } = error;
  const { retry_after_s } = details;
  const told = retry_after_s === undefined ? more : { ...more, retry_after_s };
  return new Refused(code, code === 'internal' ? OURS : message, failures[code] ?? 502, told);
}

/** Replies to input that is not HTTP, for which Fastify has no request. */
export function answerNoHttp(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const [code, detail, status] = unreadable[error.code ?? ''] ?? ['bad_http', 'this is no valid HTTP', 400];
  const body = JSON.stringify(problemOf(new Refused(code, detail, status), ''));
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: ${MEDIA_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

const unreadable: Record<string, readonly [code: string, detail: string, status: number] | undefined> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'the headers are too large', 431],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'the request did not arrive in time', 408],
};

const pathOf = (url: string): string => url.split('?', 1)[0]!;
