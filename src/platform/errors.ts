// The three kinds of failure: refused (the caller erred), failed (the work erred), broken (the runtime erred or lost
// ownership).

/**
 * A refused request: no entry was written and no effect started. `code` is stable and part of the contract; `status` is
 * the matching HTTP status.
 */
export class Refused extends Error {
  override name = 'Refused';
  readonly code: string;
  readonly status: number;
  /** More members for the problem document (RFC 9457 extension members), e.g. `{ state, allowed }`. */
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, status = 400, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.details = details;
  }
}

/**
 * Failed work. It never reaches a caller directly: it becomes an event (`xstate.error.actor.…`) and the chart decides.
 * `retryable` says whether the same call may succeed later or elsewhere.
 */
export class Failed extends Error {
  override name = 'Failed';
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Record<string, unknown>;

  constructor(code: string, message: string, retryable = true, details: Record<string, unknown> = {}) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.details = details;
  }
}

/**
 * An append whose expected version was not the journal's: another writer has appended. The stale writer must stop and
 * replay.
 */
export class Conflict extends Error {
  override name = 'Conflict';
}

/** The journal cannot be used: it is unreachable, corrupt, locked or full. `code` is stable. */
export class JournalError extends Error {
  override name = 'JournalError';
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
