// Performs an agent behind HTTP: `POST {url}/invoke`, answered by server-sent events or by one JSON object.

import { messageOf, type Performer, type PerformerIO } from '../../../actors/performer.ts';
import { withoutLlm } from '../../llm/settings.ts';
import type { Clock } from '../../platform/clock.ts';
import { Failed, Refused } from '../../platform/errors.ts';
import type { AgentCall, AgentResult } from '../definition.ts';
import { fellSilent, IDLE_MS, Silence } from './silence.ts';
import { bad, readEvents, readJson } from './sse.ts';

export interface HttpOptions {
  /** Maximum size of an answer, bytes; a longer one fails; default 1 MiB. */
  readonly maxAnswerBytes?: number;
  /** Idle timeout of an answer that has begun, ms; default 30,000. Any byte resets it. */
  readonly idleMs?: number;
}

/**
 * Calls one endpoint. The run limits the total time, except that `fetch` fails after five idle minutes. Fails with
 * `unreachable`, `cut_off`, `fell_silent`, `bad_answer`, `empty_answer`, `answer_too_large`, `agent_http_<status>`
 * (retryable for 429 and 5xx, with `retry_after_s` from the endpoint's header), or with the error that the agent sent.
 */
export function httpPerformer(url: string, clock: Clock, options: HttpOptions = {}): Performer {
  const target = targetOf(url, 'invoke');
  const { maxAnswerBytes = 1024 * 1024, idleMs = IDLE_MS } = options;
  return async (call, io) => {
    const response = await send(target, await requestOf(call, io), io.signal);
    if (response.ok) {
      const body = new Body(response, clock, target.name, idleMs);
      return read(response, body, maxAnswerBytes, target.name, io);
    }
    await response.body?.cancel();
    throw httpFailed(response, target.name, clock);
  };
}

/**
 * Requests `GET {url}/health`; resolves when the endpoint is healthy, rejects with `Failed` when it is not. An endpoint
 * without such a page is reachable, which is enough.
 */
export function httpCheck(url: string): (signal: AbortSignal) => Promise<void> {
  const target = targetOf(url, 'health');
  return async (signal) => {
    const response = await send(target, { method: 'GET', headers: {} }, signal);
    await response.body?.cancel();
    if (!response.ok && !NO_SUCH_PAGE.has(response.status))
      throw new Failed('unhealthy', `${target.name} answered ${response.status}`);
  };
}

const NO_SUCH_PAGE = new Set([404, 405, 501]);

/** A URL for display: without user, password and query. Throws `Refused` for one that is not HTTP. */
export const shown = (url: string): string => targetOf(url, '').name.replace(/\/$/, '');

interface Target {
  readonly href: string;
  /** For display. */
  readonly name: string;
  readonly authorization?: string;
}

/** `fetch` accepts no credentials in a URL: they become a header, and no message contains them. */
function targetOf(url: string, path: string): Target {
  if (!/^https?:/i.test(url) || !URL.canParse(url))
    throw new Refused('bad_endpoint_url', 'the URL of an endpoint begins with http:// or https://', 422);
  const parsed = new URL(url);
  const { username, password } = parsed;
  parsed.username = '';
  parsed.password = '';
  parsed.pathname = `${parsed.pathname.replace(/\/+$/, '')}/${path}`;
  const target = { href: parsed.href, name: parsed.origin + parsed.pathname };
  if (username === '' && password === '') return target;
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { ...target, authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
}

interface Request {
  readonly method: 'GET' | 'POST';
  readonly headers: Record<string, string>;
  readonly body?: string;
}

async function requestOf(call: AgentCall, io: PerformerIO): Promise<Request> {
  const { tried: _, ...told } = call;
  const input_message = { role: 'user', content: messageOf(call) };
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'text/event-stream, application/json;q=0.9',
      'idempotency-key': call.idempotency_key,
    },
    body: JSON.stringify({ ...told, context: withoutLlm(call.context), input_message, history: await io.history() }),
  };
}

async function send(target: Target, request: Request, signal: AbortSignal): Promise<Response> {
  const headers = target.authorization ? { ...request.headers, authorization: target.authorization } : request.headers;
  try {
    // A redirect would send the conversation to a host outside the configuration; it counts as a response that is not
    // 2xx.
    return await fetch(target.href, { ...request, headers, signal, redirect: 'manual' });
  } catch (error) {
    signal.throwIfAborted();
    throw connectionFailed(error, target.name);
  }
}

// With these errors the request may have arrived; with any other it cannot have.
const AFTER_SENDING = new Set(['UND_ERR_SOCKET', 'ECONNRESET', 'EPIPE', 'UND_ERR_HEADERS_TIMEOUT']);

function connectionFailed(error: unknown, name: string): Failed {
  const code = codeOf(error);
  return AFTER_SENDING.has(code)
    ? new Failed('cut_off', `${name} broke the connection (${code})`)
    : new Failed('unreachable', `${name} cannot be reached (${code})`);
}

function codeOf(error: unknown): string {
  const cause = (error as { cause?: { code?: unknown; errors?: { code?: unknown }[] } }).cause;
  return String(cause?.code ?? cause?.errors?.[0]?.code ?? 'connection failed');
}

function httpFailed(response: Response, name: string, clock: Clock): Failed {
  const { status } = response;
  const retry_after_s = retryAfter(response.headers.get('retry-after'), clock);
  const details = retry_after_s === undefined ? { status } : { status, retry_after_s };
  return new Failed(`agent_http_${status}`, `${name} answered ${status}`, status === 429 || status >= 500, details);
}

/** `Retry-After` is a number of seconds or a date. */
function retryAfter(header: string | null, clock: Clock): number | undefined {
  if (header === null) return undefined;
  const seconds = /^\d+$/.test(header.trim()) ? Number(header) : (Date.parse(header) - clock.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

async function read(
  response: Response,
  body: Body,
  limit: number,
  name: string,
  io: PerformerIO,
): Promise<AgentResult> {
  const type = response.headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() ?? 'no content type';
  if (type === 'text/event-stream') {
    const part = (text: string): void => {
      body.begin();
      io.part(text);
    };
    return readEvents(body.chunks(io.signal), limit, name, part);
  }
  if (type === 'application/json') return readJson(body.chunks(io.signal), limit, name);
  body.close();
  throw bad(name, `${type} where text/event-stream or application/json belongs`);
}

// A connection whose response has ended can carry the next call; one that sends more bytes, or does not end in time, is
// closed.
const LINGER_MS = 1_000;

/** The body of a response as a stream of bytes, with an idle timeout. */
class Body {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  readonly #clock: Clock;
  readonly #name: string;
  readonly #silence: Silence;
  #silent: Failed | undefined;

  constructor(response: Response, clock: Clock, name: string, idleMs: number) {
    this.#reader = response.body?.getReader();
    this.#clock = clock;
    this.#name = name;
    this.#silence = new Silence(clock, idleMs, () => {
      this.#silent = fellSilent(name, idleMs);
      this.close();
    });
  }

  /** Starts the idle timeout. */
  begin(): void {
    this.#silence.begin();
  }

  close(): void {
    void this.#reader?.cancel().catch(() => {});
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
    if (!this.#reader) return;
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (this.#silent) throw this.#silent;
        if (done) return;
        this.#silence.heard();
        yield value;
      }
    } catch (error) {
      signal.throwIfAborted();
      throw error === this.#silent
        ? error
        : new Failed('cut_off', `${this.#name} broke the connection (${codeOf(error)})`);
    } finally {
      this.#silence.end();
      void leave(this.#reader, this.#clock);
    }
  }
}

async function leave(reader: ReadableStreamDefaultReader<Uint8Array>, clock: Clock): Promise<void> {
  const close = () => void reader.cancel().catch(() => {});
  const timer = clock.setTimeout(close, LINGER_MS);
  try {
    const { done } = await reader.read();
    if (!done) close();
  } catch {
    // The connection broke; there is nothing to close.
  } finally {
    clock.clearTimeout(timer);
  }
}
