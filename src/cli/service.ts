// A client of the running service: requests, and event streams that survive a restart of the service.
import { setTimeout as pause } from 'node:timers/promises';
import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';

/** An error for the person at the terminal, in one sentence; `code` is the service's own. */
export class Complaint extends Error {
  override name = 'Complaint';
  readonly code: string;
  /** Further members of the problem, such as the HTTP `status` and the `run_id` that failed. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

/** The service did not answer; it may come back. */
export class Unreachable extends Complaint {
  constructor(url: string) {
    super('unreachable', `nothing answers at ${url}. Start the service with: npx troupe start`);
  }
}

export interface Access {
  readonly url: string;
  readonly tenant?: string;
  readonly apiKey?: string;
}

export interface FollowOptions {
  /** Id of the last event read; the stream continues after it. */
  readonly after?: string;
  readonly signal: AbortSignal;
  /** Called when the stream breaks and when it is connected again. */
  readonly onConnection?: (is: 'lost' | 'back') => void;
}

const FIRST_WAIT = 200;
const LONGEST_WAIT = 3_000;

export class Service {
  readonly url: string;
  readonly #headers: Record<string, string>;

  constructor({ url, tenant, apiKey }: Access) {
    this.url = url.replace(/\/+$/, '');
    this.#headers = {
      ...(tenant !== undefined && { 'x-tenant-id': tenant }),
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
  }

  get<T>(path: string): Promise<T> {
    return this.#json(path, {});
  }

  post<T>(path: string, body: unknown, headers: Record<string, string> = {}): Promise<T> {
    const json = { 'content-type': 'application/json', ...headers };
    return this.#json(path, { method: 'POST', headers: json, body: JSON.stringify(body) });
  }

  /**
   * Follows an event stream. When the connection breaks it reconnects after the last id, so that no event is lost or repeated.
   * Ends when the service ends the stream or `signal` aborts; rejects with `Complaint` when the service refuses.
   */
  async *follow(path: string, { after, signal, onConnection }: FollowOptions): AsyncGenerator<EventSourceMessage> {
    let last = after;
    let lost = false;
    for (let wait = FIRST_WAIT; !signal.aborted; wait = Math.min(LONGEST_WAIT, 2 * wait)) {
      try {
        const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
        const { status, body } = await this.#fetch(path, { headers, signal });
        if (status === 204) return;
        if (lost) onConnection?.('back');
        lost = false;
        wait = FIRST_WAIT;
        for await (const message of body!
          .pipeThrough(new TextDecoderStream())
          .pipeThrough(new EventSourceParserStream())) {
          last = message.id || last;
          yield message;
        }
      } catch (error) {
        if (signal.aborted) return;
        // A service that is stopping or starting replies 503, which is retried; any other refusal is final.
        if (error instanceof Complaint && !(error instanceof Unreachable) && error.details.status !== 503) throw error;
      }
      if (!lost) onConnection?.('lost');
      lost = true;
      await pause(wait, undefined, { signal }).catch(() => {});
    }
  }

  async #json<T>(path: string, init: RequestInit): Promise<T> {
    const response = await this.#fetch(path, init);
    return (await response.json().catch(() => {
      throw new Unreachable(this.url);
    })) as T;
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = { accept: 'application/json', ...this.#headers, ...(init.headers as Record<string, string>) };
    let response: Response;
    try {
      response = await fetch(this.url + path, { ...init, headers });
    } catch {
      throw new Unreachable(this.url);
    }
    if (!response.ok) throw await complaintOf(response);
    return response;
  }
}

/** A problem document (RFC 9457) as a sentence. */
async function complaintOf(response: Response): Promise<Complaint> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const { code = `http_${status}`, detail = `the service answered ${status}` } = problem;
  return new Complaint(code, detail, { ...problem, status });
}
