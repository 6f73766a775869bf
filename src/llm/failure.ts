// Maps errors of a model's endpoint to `Failed`; no message contains a key.
import type { APIError } from 'openai';
import { Failed } from '../platform/errors.ts';

/** The target of a call, for its errors. */
export interface Whereto {
  /** The endpoint, for display. */
  readonly name: string;
  /** The secret that no message may contain. */
  readonly key: string | undefined;
}

/** Any error of the openai package, or of reading its stream, as a `Failed`. `now` is in ms since the epoch. */
export function modelFailed(error: unknown, { name, key }: Whereto, now: number): Failed {
  if (error instanceof Failed) return error;
  return failureOf(error as Partial<APIError>, name, now, (text) => scrubbed(text, key));
}

/** Maximum length of a server's own message in an error, characters. */
const EXCERPT = 300;

function failureOf(error: Partial<APIError>, name: string, now: number, clean: (text: string) => string): Failed {
  const { status } = error;
  if (status === undefined) return isInStream(error) ? streamFailed(error, name, clean) : connectionFailed(error, name);
  // A server that refuses a key often quotes it, so its message is left out.
  if (status === 401) return new Failed('model_refused_key', `${name} refused the API key (401)`, false, { status });
  const words = wordsOf(error, clean);
  if (status === 403) return new Failed('model_refused_key', `${name} forbids it (403)${words}`, false, { status });
  const retry_after_s = retryAfter(error.headers?.get('retry-after') ?? null, now);
  const details = { status, ...(retry_after_s !== undefined && { retry_after_s }) };
  if (status === 429) {
    const exhausted = error.code === 'insufficient_quota';
    return new Failed('rate_limited', `${name} takes no more calls now (429)${words}`, !exhausted, details);
  }
  if (status >= 500 || status === 408 || status === 409)
    return new Failed('model_failed', `${name} answered ${status}${words}`, true, details);
  return new Failed('bad_model_request', `${name} refused the request (${status})${words}`, false, details);
}

/** An error that the server sent inside its stream. */
const isInStream = (error: Partial<APIError>): boolean => error.error !== undefined || error.code != null;

function streamFailed(error: Partial<APIError>, name: string, clean: (text: string) => string): Failed {
  const words = wordsOf(error, clean);
  if (error.code === 'rate_limit_exceeded')
    return new Failed('rate_limited', `${name} takes no more calls now${words}`);
  if (error.type === 'invalid_request_error')
    return new Failed('bad_model_request', `${name} refused the request${words}`, false);
  return new Failed('model_failed', `${name} failed in the middle of its answer${words}`);
}

function wordsOf({ error, message }: Partial<APIError>, clean: (text: string) => string): string {
  // The package prefixes the server's message with the status, which the error has already.
  const said = (error as { message?: unknown } | undefined)?.message ?? message?.replace(/^\d{3} /, '') ?? '';
  const text = clean(typeof said === 'string' ? said : JSON.stringify(said)).trim();
  if (text === '') return '';
  return `: ${text.length > EXCERPT ? `${text.slice(0, EXCERPT)}…` : text}`;
}

// With these errors the answer had begun, or may have; with any other the request cannot have arrived.
const AFTER_SENDING = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_BODY_TIMEOUT']);
const SILENT = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);

function connectionFailed(error: Partial<APIError>, name: string): Failed {
  if (error instanceof SyntaxError) return new Failed('bad_model_answer', `${name} sent a chunk that is not JSON`);
  const code = codeOf(error);
  if (SILENT.has(code)) return new Failed('model_cut_off', `${name} was silent for too long (${code})`);
  return AFTER_SENDING.has(code) || code === 'terminated'
    ? new Failed('model_cut_off', `${name} broke the connection (${code})`)
    : new Failed('model_unreachable', `${name} cannot be reached (${code})`);
}

/** The innermost cause that has a code: the package and `fetch` each wrap the error of the socket. */
function codeOf(error: unknown): string {
  for (let cause = error as any, depth = 0; cause && depth < 6; cause = cause.cause ?? cause.errors?.[0], depth += 1) {
    if (typeof cause.code === 'string') return cause.code;
    if (cause.cause === undefined && /terminated|other side closed/.test(cause.message)) return 'terminated';
  }
  return 'connection failed';
}

/** `Retry-After` is a number of seconds or a date; returns seconds from now. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(header.trim()) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

// Text that looks like a key, whole or masked: `sk-…`, `Bearer …`, `key: …`.
const KEYLIKE =
  /\b(sk|pk|rk|key)-[\w*.-]{4,}|\b(Bearer|Basic)\s+[\w+/=*.-]{12,}|\b(api[_ -]?key\s*[:=]\s*)["']?[\w*.-]{4,}/gi;

/** A text without the key, in any encoding, and without text that looks like a key. */
export function scrubbed(text: string, key: string | undefined): string {
  let clean = text;
  for (const form of key ? formsOf(key) : []) clean = clean.replaceAll(form, '…');
  return clean.replace(KEYLIKE, '…');
}

function formsOf(key: string): string[] {
  const base64 = Buffer.from(key).toString('base64');
  const forms = [key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1), base64, base64.replace(/=+$/, '')];
  // Half of a key is still most of a secret.
  if (key.length >= 16) forms.push(key.slice(0, Math.ceil(key.length / 2)), key.slice(Math.floor(key.length / 2)));
  return forms;
}
