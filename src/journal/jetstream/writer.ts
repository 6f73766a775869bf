// Appends an entry with the fence, and finds out its fate when the reply is lost.

import { answer, type JetStream } from '../../nats/jetstream.ts';
import { Conflict, JournalError } from '../../platform/errors.ts';
import { keyName, type Version } from '../journal.ts';
import { isConflict, journalFailure } from './failures.ts';
import { type Draft, idOf } from './messages.ts';
import type { Reader } from './reader.ts';

export class Writer {
  readonly #js: JetStream;
  readonly #reader: Reader;

  constructor(js: JetStream, reader: Reader) {
    this.#js = js;
    this.#reader = reader;
  }

  /** Resolves to the version once the entry is stored. Rejects with `Conflict` or `JournalError`. */
  async write(draft: Draft): Promise<Version> {
    this.#assertFits(draft);
    let unknown = false;
    try {
      return await this.#js.patiently(async (timeout) => {
        try {
          return await this.#publish(draft, timeout);
        } catch (error) {
          if (isConflict(error) && unknown) return await this.#winner(draft);
          // From here on an earlier attempt may have been stored although its reply was lost.
          unknown = true;
          throw error;
        }
      });
    } catch (error) {
      if (error instanceof Conflict || isConflict(error)) throw conflict(draft);
      const doing = `append entry ${draft.entry.n} of ${keyName(draft.key)}`;
      throw journalFailure(error, doing, 'It may have been stored all the same: read before you go on.');
    }
  }

  async #publish({ subject, body, headers }: Draft, timeout: number): Promise<Version> {
    return answer<{ seq: Version }>(await this.#js.ask(subject, body, timeout, headers)).seq;
  }

  /**
   * The message that follows `after` won the race: it is this append when the reply to an earlier attempt was lost.
   * Some servers check the message id first and report a duplicate themselves; from 2.12 on they check the fence first.
   */
  async #winner(draft: Draft): Promise<Version> {
    const winner = await this.#reader.following(draft.key, draft.after);
    if (!winner || idOf(winner) !== draft.id) throw conflict(draft);
    return winner.version;
  }

  #assertFits({ key, entry, body, headers }: Draft): void {
    const size = body.length + headers.bytes.length;
    const most = this.#js.connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (size <= most) return;
    throw new JournalError(
      'entry_too_large',
      `Entry ${entry.n} of ${keyName(key)} has ${size} bytes; the NATS server takes ${most}. Raise its max_payload.`,
    );
  }
}

function conflict({ key, entry, after }: Draft): Conflict {
  return new Conflict(`${keyName(key)}: entry ${entry.n} does not follow version ${after}; somebody else wrote`);
}
