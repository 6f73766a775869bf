// Who listens to a journal that lives in this process, and in which order they hear.

import { type Follower, type Key, keyName, type Stored } from './journal.ts';

interface Subscription {
  readonly follower: Follower;
}

export class Followers {
  readonly #everywhere = new Set<Subscription>();
  /** Only keys that somebody follows are here: a session nobody looks at costs nothing. */
  readonly #byKey = new Map<string, Set<Subscription>>();
  readonly #untold: (readonly [Key, Stored])[] = [];
  #telling = false;

  add(key: Key | '*', follower: Follower): () => void {
    const subscription = { follower };
    if (key === '*') {
      this.#everywhere.add(subscription);
      return () => void this.#everywhere.delete(subscription);
    }
    const name = keyName(key);
    const subscriptions = this.#byKey.get(name) ?? new Set();
    this.#byKey.set(name, subscriptions.add(subscription));
    return () => {
      subscriptions.delete(subscription);
      if (subscriptions.size === 0 && this.#byKey.get(name) === subscriptions) this.#byKey.delete(name);
    };
  }

  /** Whether anybody would hear of this key: an entry that nobody hears need not be read. */
  wants(key: Key): boolean {
    return this.#everywhere.size > 0 || (this.#byKey.size > 0 && this.#byKey.has(keyName(key)));
  }

  /** A follower may append: what that leads to waits here until everybody has heard of the entry before it. */
  tell(key: Key, stored: Stored): void {
    if (this.#everywhere.size === 0 && this.#byKey.size === 0) return;
    this.#untold.push([key, stored]);
    if (this.#telling) return;
    this.#telling = true;
    for (let next = this.#untold.shift(); next; next = this.#untold.shift()) {
      tellAll(this.#everywhere, ...next);
      tellAll(this.#byKey.get(keyName(next[0])), ...next);
    }
    this.#telling = false;
  }
}

function tellAll(subscriptions: Set<Subscription> | undefined, key: Key, stored: Stored): void {
  if (!subscriptions?.size) return;
  // A copy, because who starts to follow while being told hears from the next entry on.
  for (const subscription of [...subscriptions]) {
    if (!subscriptions.has(subscription)) continue;
    try {
      subscription.follower(key, stored);
    } catch (error) {
      // The entry is durable and the others must hear of it; a broken follower surfaces as an uncaught exception.
      process.nextTick(() => {
        throw error;
      });
    }
  }
}
