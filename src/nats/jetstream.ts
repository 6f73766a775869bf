// Client of JetStream's API: JSON requests, its errors, and retries while its servers elect a leader.

import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { NoResponders, RequestTimeout } from '../transport/transport.ts';
import type { Encoded } from './headers.ts';
import { ConnectionLost, Replies } from './replies.ts';

/** An error response of JetStream. `code` is its own error code, such as 10071; `status` is like HTTP's. */
export class ApiError extends Error {
  override name = 'ApiError';
  readonly code: number;
  readonly status: number;

  constructor({ code, err_code, description }: { code: number; err_code?: number; description: string }) {
    super(`${description} (JetStream error ${err_code ?? code})`);
    this.code = err_code ?? code;
    this.status = code;
  }
}

/**
 * Timeout of the first attempt, ms; each further attempt may take twice as long. A healthy server replies within one. A
 * leader that steps down never answers its open requests, and an overloaded server must not get the same request again
 * too soon.
 */
const ATTEMPT = 1000;
const LONGEST_ATTEMPT = 4000;

export class JetStream {
  readonly connection: NatsConnection;
  readonly #replies: Replies;
  readonly #patience: number;

  /** `patience` is the retry window in ms: how long a request is attempted again while no server replies. */
  constructor(connection: NatsConnection, patience: number) {
    this.connection = connection;
    this.#patience = patience;
    // Requests of this class are safe to repeat, so none waits for a reply that may have been lost with the connection.
    this.#replies = new Replies(connection, { failWhenLost: true });
  }

  /** Calls back after every reconnect. Returns the function that unsubscribes. */
  onReconnect(callback: () => void): () => void {
    return this.#replies.onReconnect(callback);
  }

  /** Makes one attempt at any request. Rejects as `Replies.ask` does. */
  ask(subject: string, data: Uint8Array | string = '', timeout = ATTEMPT, headers?: Encoded): Promise<Msg> {
    return this.#replies.ask(subject, data, timeout, headers);
  }

  /** Calls the API, e.g. `STREAM.INFO.orders`, with retries. Rejects with `ApiError` when JetStream refuses. */
  call<T = unknown>(verb: string, body?: object): Promise<T> {
    const data = body ? JSON.stringify(body) : '';
    return this.patiently(async (timeout) => answer<T>(await this.ask(`$JS.API.${verb}`, data, timeout)));
  }

  /**
   * Repeats an attempt while no server replies; at the end of the retry window rejects with the last attempt's error.
   * Each attempt gets its timeout, ms.
   */
  async patiently<T>(attempt: (timeout: number) => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#patience;
    let timeout = ATTEMPT;
    for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
      // The client drops messages that are published while the connection is down.
      if (!this.#replies.isUp) await this.#replies.up(deadline - performance.now());
      try {
        return await attempt(timeout);
      } catch (error) {
        if (!mayPass(error) || performance.now() + pause > deadline) throw error;
        await new Promise((resolve) => setTimeout(resolve, pause));
        timeout = Math.min(timeout * 2, LONGEST_ATTEMPT);
      }
    }
  }

  /** Rejects every pending request with this error. The connection stays open. */
  close(error: Error): void {
    this.#replies.close(error);
  }
}

/** The body of an API response. Throws `ApiError` when the response is an error. */
export function answer<T>(message: Msg): T {
  const body = message.json<T & { error?: ConstructorParameters<typeof ApiError>[0] }>();
  if (body.error) throw new ApiError(body.error);
  return body;
}

/** Whether no reply arrived: the server is down, its stream has no leader, or the reply was lost. */
export function isSilence(error: unknown): boolean {
  return error instanceof NoResponders || error instanceof RequestTimeout || error instanceof ConnectionLost;
}

// 10005: too few servers have joined yet. 10008 and 10009: the stream has no leader yet, or no longer. 10158: an
// earlier attempt with the same message id is still being replicated.
export const PASSING: ReadonlySet<number> = new Set([10005, 10008, 10009, 10158]);

/** The stream has no such message. */
export const NOT_FOUND = 10037;

/**
 * Errors of a process that creates a stream while another one does: the name is in use, with other settings; the store
 * cannot be created; the subjects overlap with a stream's.
 */
export const BEING_CREATED: ReadonlySet<number> = new Set([10058, 10049, 10065]);

/** Whether the same request may succeed after a pause. */
function mayPass(error: unknown): boolean {
  return isSilence(error) || (error instanceof ApiError && PASSING.has(error.code));
}

/** Whether the connection was closed by its owner. */
export function isClosed(error: unknown): boolean {
  return error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError;
}
