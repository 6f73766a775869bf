// The answers that are being written on this node, and who hears their pieces.
import { type Key, keyName } from '../src/journal/journal.ts';
import type { OpenAnswer, Part } from './parts.ts';

export type PartListener = (part: Part) => void;

export class Answers {
  readonly #open = new Map<string, OpenAnswer>();
  readonly #listeners = new Map<string, Set<PartListener>>();
  readonly #everywhere = new Set<(key: Key, part: Part) => void>();

  /** Adds a piece to an attempt's answer, which it opens with the first one, and tells it. `entry` is the last one of its session. */
  add(key: Key, open: OpenAnswer, text: string, now: number, entry: number): void {
    const name = keyName(key);
    this.#open.set(name, open);
    const piece = open.add(text, now, entry);
    const listeners = this.#listeners.get(name);
    if (listeners) for (const listener of listeners) listener(piece);
    for (const listener of this.#everywhere) listener(key, piece);
  }

  /** This answer is finished or given up. */
  end(key: Key, answer: OpenAnswer): void {
    if (this.#open.get(keyName(key)) === answer) this.#open.delete(keyName(key));
  }

  /** Whatever this session was writing is of no use any more. */
  drop(name: string): void {
    this.#open.delete(name);
  }

  /** What a session is writing, as far as it is written. */
  whole(key: Key): Part | undefined {
    return this.#open.get(keyName(key))?.whole();
  }

  /** Hears the pieces of one session's answers. Returns the function that stops it. */
  listen(key: Key, listener: PartListener): () => void {
    const name = keyName(key);
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(name);
    };
  }

  /** Hears the pieces of all. Returns the function that stops it. */
  listenAll(listener: (key: Key, part: Part) => void): () => void {
    this.#everywhere.add(listener);
    return () => this.#everywhere.delete(listener);
  }
}
