// A runtime behind a real HTTP server on a free loopback port, and the clients that tests talk to it with.
import { createParser } from 'eventsource-parser';
import { onTestFinished } from 'vitest';
import { createServer, type ServerOptions } from '../src/interfaces/http/server.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: any;
}

export interface RequestOptions {
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** One event as a listener saw it; `data` is parsed. */
export interface Heard {
  readonly id?: string;
  readonly event: string;
  readonly data: any;
}

export interface Door {
  readonly url: string;
  readonly troupe: Troupe;
  get(path: string, options?: RequestOptions): Promise<Reply>;
  post(path: string, body?: unknown, options?: RequestOptions): Promise<Reply>;
  request(method: string, path: string, init?: RequestInit): Promise<Reply>;
  /** Listens until it is closed or the server ends it. */
  listen(path: string, options?: ListenOptions): Promise<Listener>;
  close(): Promise<void>;
}

export interface ListenOptions {
  readonly headers?: Record<string, string>;
  /** Says this instead of only asking. */
  readonly body?: unknown;
}

export async function openDoor(options: TroupeOptions = {}, server: ServerOptions = {}): Promise<Door> {
  const troupe = await createTroupe(options);
  const app = await createServer(troupe, server);
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= app.close().then(() => troupe.close());
    return closed;
  };
  onTestFinished(close);

  const request = async (method: string, path: string, init: RequestInit = {}): Promise<Reply> => {
    const response = await fetch(url + path, { method, ...init });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  };
  return {
    url,
    troupe,
    close,
    request,
    get: (path, options) => request('GET', path, options),
    post: (path, body = {}, { headers, signal } = {}) =>
      request('POST', path, {
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal,
      }),
    listen: (path, options) => listen(url + path, options),
  };
}

export interface Listener {
  readonly status: number;
  /** Everything so far, in order. */
  readonly heard: readonly Heard[];
  readonly comments: readonly string[];
  /** Resolves when something like this was heard; rejects when the stream ends without it. */
  until(matches: (heard: Heard) => boolean): Promise<Heard>;
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
  close(): void;
}

export async function listen(url: string, { headers = {}, body }: ListenOptions = {}): Promise<Listener> {
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const said = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const response = await fetch(url, {
    ...said,
    headers: { accept: 'text/event-stream', ...type, ...headers },
    signal: stop.signal,
  });
  const heard: Heard[] = [];
  const comments: string[] = [];
  const waiting = new Set<() => void>();
  const parser = createParser({
    onEvent: ({ id, event = 'message', data }) => heard.push({ id, event, data: JSON.parse(data) }),
    onComment: (comment) => comments.push(comment),
  });
  let over = false;
  const ended = (async () => {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        parser.feed(decoder.decode(chunk, { stream: true }));
        for (const look of waiting) look();
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      over = true;
      for (const look of waiting) look();
    }
  })();
  ended.catch(() => {});
  return {
    status: response.status,
    heard,
    comments,
    ended,
    close: () => stop.abort(),
    until: (matches) =>
      new Promise((resolve, reject) => {
        let from = 0;
        const look = () => {
          for (; from < heard.length; from += 1)
            if (matches(heard[from]!)) {
              waiting.delete(look);
              resolve(heard[from]!);
              return;
            }
          if (over) reject(new Error(`ended after ${heard.map(({ event }) => event).join(', ')}`));
        };
        waiting.add(look);
        look();
      }),
  };
}

/** The text of a run's answer as a listener has put it together: each piece replaces what is there from its offset on. */
export function textOf(heard: readonly Heard[], run_id: string): string {
  let text = '';
  let attempt = 0;
  for (const { event, data } of heard) {
    if (event !== 'agent_stream_delta' || data.run_id !== run_id) continue;
    if (data.attempt !== attempt) text = '';
    attempt = data.attempt;
    text = text.slice(0, data.offset) + data.text;
  }
  return text;
}
