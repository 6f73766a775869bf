// An HTTP server that speaks the OpenAI API and answers from a test's script.

import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause, setImmediate as yielded } from 'node:timers/promises';
import type { ChatCompletionCreateParams } from 'openai/resources/chat/completions';
import { type Completion, chunksOf, completionOf, type Said } from './completions.ts';

/** A received request. */
export interface ModelServerRequest {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON. */
  readonly body: ChatCompletionCreateParams;
}

/** How an answer is transmitted. */
export interface Wire {
  /** Cuts the stream into writes of so many bytes, even inside characters and lines. */
  readonly split?: number;
  /** Delay before every chunk, ms. */
  readonly pace_ms?: number;
  /** Fault after so many chunks: the connection breaks, the stream ends as if it were complete, or the server hangs. */
  readonly cut?: { readonly after: number; readonly how: 'break' | 'end' | 'hang' };
}

/** An error in the OpenAI API's shape. */
export interface ErrorAnswer {
  readonly status: number;
  readonly message?: string;
  readonly code?: string;
  readonly type?: string;
  /** The `Retry-After` header: seconds, or a date. */
  readonly retry_after?: string | number;
  /** Sent instead of the JSON error. */
  readonly body?: string;
}

/** Bytes to send unchanged with status 200. */
export interface RawAnswer {
  readonly raw: readonly (string | Uint8Array)[];
  readonly content_type?: string;
}

/** One answer of a script: text, a full answer, an error, raw bytes, or a function that returns one of these. */
export type ModelAnswer =
  | string
  | (Said & Wire)
  | ErrorAnswer
  | RawAnswer
  | ((request: ModelServerRequest) => ModelAnswer | Promise<ModelAnswer>);

export interface ModelServerOptions {
  /** The only accepted API key. Default: any key is accepted. */
  readonly api_key?: string;
  /** Ids that `GET /v1/models` lists. */
  readonly models?: readonly string[];
  /** Default: a free port. */
  readonly port?: number;
}

export interface ModelServer extends AsyncDisposable {
  /** The base URL of the API: `http://127.0.0.1:<port>/v1`. */
  readonly url: string;
  /** Every request for a completion, oldest first. */
  readonly requests: readonly ModelServerRequest[];
  /** Count of clients that disconnected before the end of their answer. */
  readonly left: number;
  /** Adds answers to the end of the script. */
  say(...answers: readonly ModelAnswer[]): void;
  close(): Promise<void>;
}

/**
 * Starts a server that answers requests with these answers in order, or with the result of a function of each request.
 * When the script is used up, requests fail with 400, which clients do not retry.
 *
 * @example
 * ```ts
 * import { createTroupe } from 'troupe';
 * import { modelServer } from 'troupe/testing';
 *
 * const server = await modelServer([{ status: 429, retry_after: 0 }, 'Hello!']);
 * const troupe = await createTroupe({
 *   agents: [{ id: 'helper', kind: 'llm', triggers: ['hi'] }],
 *   llm: { founder: { base_url: server.url, model: 'test-model' } },
 * });
 * console.log((await troupe.session('s1').send('hi')).answer, server.requests.length); // Hello! 2
 * await troupe.close();
 * await server.close();
 * ```
 */
export async function modelServer(
  script: readonly ModelAnswer[] | ((request: ModelServerRequest) => ModelAnswer | Promise<ModelAnswer>) = [],
  options: ModelServerOptions = {},
): Promise<ModelServer> {
  const answers = typeof script === 'function' ? [] : [...script];
  const requests: ModelServerRequest[] = [];
  let left = 0;

  const complete = async (request: ModelServerRequest, response: ServerResponse): Promise<void> => {
    requests.push(request);
    response.once('close', () => {
      if (!response.writableFinished && !response.errored) left += 1;
    });
    let answer: ModelAnswer = typeof script === 'function' ? script : (answers.shift() ?? OVER);
    while (typeof answer === 'function') answer = await answer(request);
    await give(typeof answer === 'string' ? { text: answer } : answer, request, response);
  };

  const handle = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { api_key, models = ['test-model'] } = options;
    const path = incoming.url ?? '/';
    const text = await read(incoming);
    const given = incoming.headers.authorization;
    if (api_key !== undefined && given !== `Bearer ${api_key}`) return refuse(response, wrongKey(given));
    if (incoming.method === 'GET' && path === '/v1/models') {
      const data = models.map((id) => ({ id, object: 'model', created: 0, owned_by: 'test' }));
      return sendJson(response, 200, { object: 'list', data });
    }
    if (incoming.method !== 'POST' || path !== '/v1/chat/completions')
      return refuse(response, { status: 404, message: `there is nothing at ${incoming.method} ${path}` });
    return complete({ path, headers: incoming.headers, body: JSON.parse(text) }, response);
  };

  const server = createServer((incoming, response) => {
    handle(incoming, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else refuse(response, { status: 500, message: `the script failed: ${error.message}` });
    });
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    url: `http://127.0.0.1:${port}/v1`,
    requests,
    get left() {
      return left;
    },
    say: (...more) => void answers.push(...more),
    close,
    [Symbol.asyncDispose]: close,
  };
}

const OVER: ErrorAnswer = { status: 400, message: 'the script has no more answers', code: 'script_over' };

// Real servers repeat the key that they refuse.
const wrongKey = (given = 'none'): ErrorAnswer => ({
  status: 401,
  message: `Incorrect API key provided: ${given.replace(/^Bearer /, '')}.`,
  code: 'invalid_api_key',
  type: 'invalid_request_error',
});

async function give(
  answer: (Said & Wire) | ErrorAnswer | RawAnswer,
  { body }: ModelServerRequest,
  response: ServerResponse,
): Promise<void> {
  if ('status' in answer) return refuse(response, answer);
  if ('raw' in answer) {
    response.writeHead(200, { 'content-type': answer.content_type ?? EVENTS });
    for (const piece of answer.raw) await write(response, piece);
    return void response.end();
  }
  const completion: Completion = { ...answer, model: answer.model ?? body.model };
  if (body.stream !== true) {
    if (answer.pace_ms) await pause(answer.pace_ms);
    if (answer.cut?.how === 'hang') return;
    if (answer.cut) return void response.destroy();
    return sendJson(response, 200, completionOf(completion));
  }
  const chunks = chunksOf(completion, body.stream_options?.include_usage === true);
  const events = [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => `data: ${data}\n\n`);
  await stream(response, events, answer);
}

const EVENTS = 'text/event-stream; charset=utf-8';

async function stream(
  response: ServerResponse,
  events: readonly string[],
  { split, pace_ms, cut }: Wire,
): Promise<void> {
  response.writeHead(200, { 'content-type': EVENTS });
  response.flushHeaders();
  const told = cut ? events.slice(0, cut.after) : events;
  if (split === undefined) {
    for (const event of told) {
      if (pace_ms) await pause(pace_ms);
      await write(response, event);
    }
  } else {
    const bytes = Buffer.from(told.join(''));
    for (let at = 0; at < bytes.length; at += split) {
      await write(response, bytes.subarray(at, at + split));
      // Yields, so that the chunk is sent by itself; chunks written in one tick would arrive as one.
      await (pace_ms ? pause(pace_ms) : yielded());
    }
  }
  if (cut?.how === 'hang') return;
  if (cut?.how === 'break') response.destroy();
  else response.end();
}

/** Resolves when the socket has taken the bytes, or the client is gone. */
const write = (response: ServerResponse, piece: string | Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    if (response.destroyed) resolve();
    else response.write(piece, () => resolve());
  });

function refuse(response: ServerResponse, answer: ErrorAnswer): void {
  const { status, message = 'as the script says', code = null, type = 'error', retry_after, body } = answer;
  if (retry_after !== undefined) response.setHeader('retry-after', String(retry_after));
  if (body === undefined) sendJson(response, status, { error: { message, type, param: null, code } });
  else response.writeHead(status, { 'content-type': 'text/html' }).end(body);
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function read(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}
