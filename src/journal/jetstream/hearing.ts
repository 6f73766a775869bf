// Followers of a journal that many processes write: they hear this process's entries at once, the others' through the tap.

import type { Msg } from '@nats-io/transport-node';
import type { JetStream } from '../../nats/jetstream.ts';
import { Followers } from '../followers.ts';
import type { Follower, Key, Row, Stored, Version } from '../journal.ts';
import { rowOf, type Subjects, stored } from './messages.ts';
import { Tap } from './tap.ts';

export type RowFollower = (row: Row, version: Version) => void;

/**
 * Each entry is told once, and after the one before it in its session. An entry of this process comes twice, as the answer to
 * its append and through the tap: the first of the two is told. An entry that follows somebody else's waits for the tap, unless
 * the tap has told that one already.
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
  /** Own entries that were told ahead of the tap. */
  #ahead = new Set<Version>();
  /** Appends that wait until the tap has told their entry. */
  #waiting = new Map<Version, () => void>();

  constructor(js: JetStream, stream: string, subjects: Subjects, onTrouble: (error: unknown) => void) {
    this.#js = js;
    this.#stream = stream;
    this.#subjects = subjects;
    this.#onTrouble = onTrouble;
  }

  follow(key: Key | '*', follower: Follower): () => void {
    return this.#tapped(this.#followers.add(key, follower));
  }

  /** Hears of every entry what a list shows of it: that stands in its header, and its body is not read. */
  followRows(follower: RowFollower): () => void {
    this.#rows.add(follower);
    return this.#tapped(() => this.#rows.delete(follower));
  }

  /** There is a tap only while somebody follows. */
  #tapped(unfollow: () => unknown): () => void {
    this.#following += 1;
    this.#tap ??= new Tap(this.#js, this.#stream, {
      onMessage: (version, message) => this.#heard(version, message),
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

  /** Resolves when everything that is stored from then on will be heard: what is read afterwards meets what is heard. */
  async live(): Promise<void> {
    await this.#tap?.live;
  }

  /** Tells an entry of this process. Returns nothing when that is done, or a promise that resolves when it is. */
  appended(key: Key, after: Version, stored: Stored): Promise<void> | undefined {
    const tap = this.#tap;
    if (!tap) return undefined;
    if (tap.start === undefined) return tap.live.then(() => this.#tell(tap, key, after, stored));
    return this.#tell(tap, key, after, stored);
  }

  close(): void {
    this.#tap?.close();
    this.#tap = undefined;
    this.#ahead = new Set();
    this.#release();
  }

  #tell(tap: Tap, key: Key, after: Version, stored: Stored): Promise<void> | undefined {
    if (tap !== this.#tap) return undefined;
    const { version } = stored;
    const comesThrough = version > (tap.start ?? 0);
    if (comesThrough && version <= tap.position) return undefined;
    // While the tap is in trouble nobody waits for it: better late for the others' entries than never for our own.
    const inTurn = after <= tap.position || this.#ahead.has(after) || !tap.isLive;
    if (!inTurn) return new Promise((resolve) => this.#waiting.set(version, resolve));
    if (comesThrough) this.#ahead.add(version);
    const { n, at, state, wake } = stored.entry;
    for (const follower of this.#rows) follower({ key, n, at, state, wake }, version);
    this.#followers.tell(key, stored);
    return undefined;
  }

  #heard(version: Version, message: Msg): void {
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

  /** Their entries are stored; they are told when the tap comes to them. */
  #release(): void {
    for (const done of this.#waiting.values()) done();
    this.#waiting = new Map();
  }
}
