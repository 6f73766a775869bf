// The running service as the commands see it: requests, and event streams that survive a restart of the service.
import { setTimeout as pause } from 'node:timers/promises';
import { type EventSourceMessage, EventSourceParserStream } from 'eventsource-parser/stream';

/** Something that a person at the terminal should know, in one sentence; `code` is the service's own. */
export class Complaint extends Error {
  override name = 'Complaint';
  readonly code: string;
  /** What the service said besides, such as the HTTP `status` and the `run_id` that failed. */
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
  /** Only what comes after this id. */
  readonly after?: string;
  readonly signal: AbortSignal;
  /** Told when the stream broke and when it stands again. */
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
   * An event stream: when the connection breaks it is made again from the last id on, so that nothing is missed and
   * nothing comes twice. Ends when the service has nothing more to tell or `signal` is aborted; rejects with `Complaint`
   * when the service refuses.
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
        // A service that is about to stop or has just begun says 503; any other refusal stays one.
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

/** RFC 9457's problem document as a sentence. */
async function complaintOf(response: Response): Promise<Complaint> {
  const { status } = response;
  const problem = (await response.json().catch(() => ({}))) as { code?: string; detail?: string };
  const { code = `http_${status}`, detail = `the service answered ${status}` } = problem;
  return new Complaint(code, detail, { ...problem, status });
}
