// The followers of a journal in this process, and the order in which they are notified.

import { type Follower, type Key, keyName, type Stored } from './journal.ts';

interface Subscription {
  readonly follower: Follower;
}

export class Followers {
  readonly #global = new Set<Subscription>();
  /** Only keys with a follower: a session without one costs no memory here. */
  readonly #byKey = new Map<string, Set<Subscription>>();
  readonly #queue: (readonly [Key, Stored])[] = [];
  #notifying = false;

  add(key: Key | '*', follower: Follower): () => void {
    const subscription = { follower };
    if (key === '*') {
      this.#global.add(subscription);
      return () => void this.#global.delete(subscription);
    }
    const name = keyName(key);
    const subscriptions = this.#byKey.get(name) ?? new Set();
    this.#byKey.set(name, subscriptions.add(subscription));
    return () => {
      subscriptions.delete(subscription);
      if (subscriptions.size === 0 && this.#byKey.get(name) === subscriptions) this.#byKey.delete(name);
    };
  }

  /** Whether any follower would be notified of this key, so that an entry without followers need not be read. */
  wants(key: Key): boolean {
    return this.#global.size > 0 || (this.#byKey.size > 0 && this.#byKey.has(keyName(key)));
  }

  /**
   * Notifies the followers of an entry. A follower may append: the new entry is queued until all followers have the one
   * before it.
   */
  tell(key: Key, stored: Stored): void {
    if (this.#global.size === 0 && this.#byKey.size === 0) return;
    this.#queue.push([key, stored]);
    if (this.#notifying) return;
    this.#notifying = true;
    for (let next = this.#queue.shift(); next; next = this.#queue.shift()) {
      notifyAll(this.#global, ...next);
      notifyAll(this.#byKey.get(keyName(next[0])), ...next);
    }
    this.#notifying = false;
  }
}

function notifyAll(subscriptions: Set<Subscription> | undefined, key: Key, stored: Stored): void {
  if (!subscriptions?.size) return;
  // A copy, because a follower added during this notification starts with the next entry.
  for (const subscription of [...subscriptions]) {
    if (!subscriptions.has(subscription)) continue;
    try {
      subscription.follower(key, stored);
    } catch (error) {
      // The entry is durable and the other followers must get it; the error of a follower surfaces as an uncaught
      // exception.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
