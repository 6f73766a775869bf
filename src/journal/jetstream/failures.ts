// Maps errors of JetStream to errors of the journal.

import { NatsError } from '../../nats/connect.ts';
import { ApiError, isClosed, isSilence } from '../../nats/jetstream.ts';
import { Denied } from '../../nats/replies.ts';
import { JournalError } from '../../platform/errors.ts';

/** Limits of the account, of the server's memory or disk, of the stream. */
export const FULL: ReadonlySet<number> = new Set([10002, 10023, 10027, 10028, 10047]);
/** Storing failed, for a reason that only the description gives. */
const STORE_FAILED = 10077;
const TOO_LARGE = new Set([10054, 10097]);
/** No servers, or too few of them, for the replicas. */
const TOO_FEW = new Set([10005, 10074]);
const WRONG_LAST_SEQUENCE = new Set([10071, 10164]);

/**
 * The fence refused the append: the expected version was not the last. 10164 is the same while the other write is being
 * replicated.
 */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && WRONG_LAST_SEQUENCE.has(error.code);
}

/** `doing` completes the sentence "The journal could not …"; `advice` is for requests without a reply. */
export function journalFailure(
  error: unknown,
  doing: string,
  advice = 'See whether the NATS server is running.',
): JournalError {
  if (error instanceof JournalError) return error;
  const cause = error instanceof Error ? error : new Error(String(error));
  const failure = (code: string, advice: string) =>
    new JournalError(code, `The journal could not ${doing}: ${cause.message.replace(/\.$/, '')}. ${advice}`, { cause });

  if (isSilence(cause)) return failure('journal_unreachable', advice);
  if (isClosed(cause)) return failure('journal_unreachable', 'Keep the connection open as long as the journal.');
  if (cause instanceof NatsError) return failure(cause.code, '');
  if (cause instanceof Denied) {
    return failure('journal_denied', 'Permit this user the subjects of the journal, $JS.API.> and its inbox.');
  }
  if (!(cause instanceof ApiError)) return failure('journal_failed', '');
  if (TOO_LARGE.has(cause.code)) return failure('entry_too_large', "Raise the stream's max_msg_size.");
  if (FULL.has(cause.code) || (cause.code === STORE_FAILED && /maximum|resource|space/.test(cause.message))) {
    return failure('journal_full', 'Give the stream or its server more room.');
  }
  if (TOO_FEW.has(cause.code))
    return failure('journal_failed', 'Replicas need as many servers with JetStream in one cluster.');
  return failure('journal_failed', 'Look into the log of the NATS server.');
}
