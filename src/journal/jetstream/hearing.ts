// Notifies the followers of a journal that many processes write: of this process's entries at once, of the others'
// through the tap.

import type { Msg } from '@nats-io/transport-node';
import type { JetStream } from '../../nats/jetstream.ts';
import { Followers } from '../followers.ts';
import type { Follower, Key, Row, Stored, Version } from '../journal.ts';
import { rowOf, type Subjects, stored } from './messages.ts';
import { Tap } from './tap.ts';

export type RowFollower = (row: Row, version: Version) => void;

/**
 * Notifies followers of each entry once, and in the order of its session. An entry of this process arrives twice, as
 * the reply to its append and through the tap, and the first arrival counts. An entry that follows another process's
 * entry waits until the tap has delivered that one.
 */
export class Hearing {
  readonly #js: JetStream;
  readonly #stream: string;
  readonly #subjects: Subjects;
  readonly #onTrouble: (error: unknown) => void;
  readonly #followers = new Followers();
  readonly #rows = new Set<RowFollower>();
  #following = 0;
  #tap: Tap | undefined;
  /** Own entries whose followers were notified before the tap delivered them. */
  #ahead = new Set<Version>();
  /** Appends that wait until the tap has delivered their entry. */
  #waiting = new Map<Version, () => void>();

  constructor(js: JetStream, stream: string, subjects: Subjects, onTrouble: (error: unknown) => void) {
    this.#js = js;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#onTrouble = onTrouble;
  }

  follow(key: Key | '*', follower: Follower): () => void {
    return this.#withTap(this.#followers.add(key, follower));
  }

  /** Notifies of the row of every entry: it is in the message's header, so the body is not parsed. */
  followRows(follower: RowFollower): () => void {
    this.#rows.add(follower);
    return this.#withTap(() => this.#rows.delete(follower));
  }

  /** Opens the tap with the first follower and closes it with the last. */
  #withTap(unfollow: () => unknown): () => void {
    this.#following += 1;
    this.#tap ??= new Tap(this.#js, this.#stream, {
      onMessage: (version, message) => this.#delivered(version, message),
      onTrouble: (error) => {
        this.#release();
        this.#onTrouble(error);
      },
    });
    let following = true;
    return () => {
      if (!following) return;
      following = false;
      unfollow();
      this.#following -= 1;
      if (this.#following === 0) this.close();
    };
  }

  /**
   * Resolves when the tap delivers every entry stored from then on, so that a read after it leaves no gap before the
   * first delivery.
   */
  async live(): Promise<void> {
    await this.#tap?.live;
  }

  /**
   * Notifies followers of an entry of this process. Returns nothing when that is done, or a promise that resolves when
   * it is.
   */
  appended(key: Key, after: Version, stored: Stored): Promise<void> | undefined {
    const tap = this.#tap;
    if (!tap) return undefined;
    if (tap.start === undefined) return tap.live.then(() => this.#notify(tap, key, after, stored));
    return this.#notify(tap, key, after, stored);
  }

  close(): void {
    this.#tap?.close();
    this.#tap = undefined;
    this.#ahead = new Set();
    this.#release();
  }

  #notify(tap: Tap, key: Key, after: Version, stored: Stored): Promise<void> | undefined {
    if (tap !== this.#tap) return undefined;
    const { version } = stored;
    const comesThrough = version > (tap.start ?? 0);
    if (comesThrough && version <= tap.position) return undefined;
    // While the tap is down no append waits for it: other processes' entries arrive late rather than blocking this
    // process's.
    const inTurn = after <= tap.position || this.#ahead.has(after) || !tap.isLive;
    if (!inTurn) return new Promise((resolve) => this.#waiting.set(version, resolve));
    if (comesThrough) this.#ahead.add(version);
    const { n, at, state, wake } = stored.entry;
    for (const follower of this.#rows) follower({ key, n, at, state, wake }, version);
    this.#followers.tell(key, stored);
    return undefined;
  }

  #delivered(version: Version, message: Msg): void {
    if (this.#ahead.delete(version)) return;
    const { subject, headers, data } = message;
    const key = this.#subjects.key(subject);
    try {
      if (key) for (const follower of this.#rows) follower(rowOf(key, headers, version), version);
      if (key && this.#followers.wants(key))
        this.#followers.tell(key, stored(key, { subject, version, headers: headers!, body: data }));
    } catch (error) {
      this.#onTrouble(error);
    }
    if (this.#waiting.size === 0) return;
    this.#waiting.get(version)?.();
    this.#waiting.delete(version);
  }

  /** Resolves the waiting appends: their entries are stored, and followers get them when the tap delivers them. */
  #release(): void {
    for (const done of this.#waiting.values()) done();
    this.#waiting = new Map();
  }
}
