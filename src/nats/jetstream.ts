// JetStream's API: requests in JSON, the errors it answers with, and patience while its servers change leaders.

import { errors, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { NoResponders, RequestTimeout } from '../transport/transport.ts';
import type { Encoded } from './headers.ts';
import { ConnectionLost, Replies } from './replies.ts';

/** JetStream refused a request. `code` is its own error code, such as 10071; `status` is like HTTP's. */
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
 * Milliseconds after which the first attempt is given up; each further one may take twice as long. A healthy server answers within
 * one. What a leader had not answered when it ceased to be one is never answered, and what an overloaded server has not answered
 * must not be asked again too soon.
 */
const ATTEMPT = 1000;
const LONGEST_ATTEMPT = 4000;

export class JetStream {
  readonly connection: NatsConnection;
  readonly #replies: Replies;
  readonly #patience: number;

  /** `patience` is how many ms a request may be tried again while no server answers it. */
  constructor(connection: NatsConnection, patience: number) {
    this.connection = connection;
    this.#patience = patience;
    // What is asked here is safe to ask again, so nothing waits for a reply that may have been lost with the connection.
    this.#replies = new Replies(connection, { failWhenLost: true });
  }

  /** Calls back whenever the connection was lost and is there again. Returns the function that stops it. */
  onReconnect(callback: () => void): () => void {
    return this.#replies.onReconnect(callback);
  }

  /** One attempt at any request. Rejects with whatever `Replies.ask` rejects with. */
  ask(subject: string, data: Uint8Array | string = '', timeout = ATTEMPT, headers?: Encoded): Promise<Msg> {
    return this.#replies.ask(subject, data, timeout, headers);
  }

  /** Calls the API, e.g. `STREAM.INFO.orders`, patiently. Rejects with `ApiError` when it refuses. */
  call<T = unknown>(verb: string, body?: object): Promise<T> {
    const data = body ? JSON.stringify(body) : '';
    return this.patiently(async (timeout) => answer<T>(await this.ask(`$JS.API.${verb}`, data, timeout)));
  }

  /**
   * Attempts again and again while nobody answers; at the end of the patience rejects with the last attempt's error. Each attempt
   * is told how long it may wait.
   */
  async patiently<T>(attempt: (timeout: number) => Promise<T>): Promise<T> {
    const deadline = performance.now() + this.#patience;
    let timeout = ATTEMPT;
    for (let pause = 10; ; pause = Math.min(pause * 2, 250)) {
      // What is published while the connection is down is dropped by the client.
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

  /** Ends every wait with this error. The connection stays open. */
  close(error: Error): void {
    this.#replies.close(error);
  }
}

/** The body of an answer of the API. Throws `ApiError` when it is a refusal. */
export function answer<T>(message: Msg): T {
  const body = message.json<T & { error?: ConstructorParameters<typeof ApiError>[0] }>();
  if (body.error) throw new ApiError(body.error);
  return body;
}

/** Nobody answered: the server is away, its stream has no leader, or the answer was lost. */
export function isSilence(error: unknown): boolean {
  return error instanceof NoResponders || error instanceof RequestTimeout || error instanceof ConnectionLost;
}

// 10005: too few servers have joined yet. 10008 and 10009: no leader yet, or no longer. 10158: an earlier attempt with the same
// message id is still being replicated.
export const PASSING: ReadonlySet<number> = new Set([10005, 10008, 10009, 10158]);

/** The stream has no such message. */
export const NOT_FOUND = 10037;

/**
 * What is said to a process that creates a stream while another one does: the name is in use, with other settings; its store
 * cannot be created; its subjects overlap with a stream's.
 */
export const BEING_CREATED: ReadonlySet<number> = new Set([10058, 10049, 10065]);

/** Whether the same request may succeed in a moment. */
function mayPass(error: unknown): boolean {
  return isSilence(error) || (error instanceof ApiError && PASSING.has(error.code));
}

/** Whether the connection was closed by its owner. */
export function isClosed(error: unknown): boolean {
  return error instanceof errors.ClosedConnectionError || error instanceof errors.DrainingConnectionError;
}
