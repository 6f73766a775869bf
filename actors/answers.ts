// The open answers of this node, and the subscriptions to their deltas.
import { type Key, keyName } from '../src/journal/journal.ts';
import type { OpenAnswer, Part } from './parts.ts';

export type PartListener = (part: Part) => void;

export class Answers {
  readonly #open = new Map<string, OpenAnswer>();
  readonly #listeners = new Map<string, Set<PartListener>>();
  readonly #everywhere = new Set<(key: Key, part: Part) => void>();

  /**
   * Appends a delta to an attempt's answer (the first delta opens it) and passes it to the subscribers. `entry` is the
   * number of the session's last entry.
   */
  add(key: Key, open: OpenAnswer, text: string, now: number, entry: number): void {
    const name = keyName(key);
    this.#open.set(name, open);
    const piece = open.add(text, now, entry);
    const listeners = this.#listeners.get(name);
    if (listeners) for (const listener of listeners) listener(piece);
    for (const listener of this.#everywhere) listener(key, piece);
  }

  /** Closes an answer that is finished or abandoned. */
  end(key: Key, answer: OpenAnswer): void {
    if (this.#open.get(keyName(key)) === answer) this.#open.delete(keyName(key));
  }

  /** Discards the open answer of a session that left this node or broke. */
  drop(name: string): void {
    this.#open.delete(name);
  }

  /** The open answer of a session as one delta from offset 0; undefined when none is open. */
  whole(key: Key): Part | undefined {
    return this.#open.get(keyName(key))?.whole();
  }

  /** Subscribes to the deltas of one session. Returns the function that unsubscribes. */
  listen(key: Key, listener: PartListener): () => void {
    const name = keyName(key);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(name);
    };
  }

  /** Subscribes to the deltas of all sessions. Returns the function that unsubscribes. */
  listenAll(listener: (key: Key, part: Part) => void): () => void {
    this.#everywhere.add(listener);
    return () => this.#everywhere.delete(listener);
  }
}
