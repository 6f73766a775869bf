// What a caller is told when something went wrong: RFC 9457 problem documents with a stable `code`.
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { Failed, JournalError, Refused } from '../../platform/errors.ts';
import type { Log } from '../../platform/log.ts';
import type { Outcome } from '../../sessions/outcome.ts';

/** A problem document. More members say more of this kind of problem, e.g. `state` and `allowed`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** The path that was asked for. */
  readonly instance: string;
  readonly [member: string]: unknown;
}

/** The caller left before its answer was there. Nobody reads what is said then. */
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

/** Anything thrown in a handler, in the caller's terms. What we did wrong is not the caller's to read. */
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

/** What Fastify refuses by itself. */
const framework: Record<string, readonly [code: string, detail: string, status: number] | undefined> = {
  FST_ERR_CTP_INVALID_JSON_BODY: BAD_JSON,
  FST_ERR_CTP_EMPTY_JSON_BODY: BAD_JSON,
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['bad_length', 'the body is not as long as Content-Length says', 400],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'send the body as application/json', 415],
  FST_ERR_CTP_BODY_TOO_LARGE: ['body_too_large', 'the body is too large', 413],
  FST_ERR_BAD_URL: ['bad_url', 'the path is not a valid URL', 400],
};

/** Failures of a run by what the status of its request says; any other is the agent's: 502. */
const failures: Record<string, number | undefined> = {
  no_agent_available: 503,
  forbidden: 403,
  timeout: 504,
  timed_out: 504,
  refused: 422,
  no_match: 422,
  internal: 500,
};

/** The run of a message that failed or was cancelled, as the answer to that message. */
export function failedRun({ status, run_id, message_id, agent_id, trace, error }: Outcome): Refused {
  const { code, message, retry_after_s } = error!;
  const details = { run_id, message_id, agent_id, trace, ...(retry_after_s !== undefined && { retry_after_s }) };
  if (status === 'cancelled') return new Refused('cancelled', `the run was cancelled: ${message}`, 409, details);
  return new Refused(code, code === 'internal' ? OURS : message, failures[code] ?? 502, details);
}

/** Work that failed while its caller waited, in the caller's terms and with `more` to say; anything else stays what it is. */
export function failedWork(error: unknown, more: Record<string, unknown> = {}): unknown {
  if (!(error instanceof Failed)) return error;
  const { code, message, details } = error;
  const { retry_after_s } = details;
  const told = retry_after_s === undefined ? more : { ...more, retry_after_s };
  return new Refused(code, code === 'internal' ? OURS : message, failures[code] ?? 502, told);
}

/** Answers what is no HTTP, where there is no request to reply to. */
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
