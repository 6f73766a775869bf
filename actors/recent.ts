// LRU cache of recent chat history, so that an attempt needs no journal read.
import type { Entry } from '../src/journal/journal.ts';
import { messagesOf, type TranscriptMessage } from './transcript.ts';

/** Messages cached per session: the default history of an agent, and some more for messages that are still queued. */
const MOST = 64;
/** Approximate overhead of a message besides its text, bytes. */
const OVERHEAD = 256;
/** Approximate size of the whole cache, bytes; the least recently used session is evicted first. */
const ROOM = 64 * 1024 * 1024;

interface Cached {
  /** The number of the last cached entry. */
  n: number;
  messages: TranscriptMessage[];
  /** Whether the cache reaches back to the first entry. */
  whole: boolean;
  size: number;
}

/**
 * Keyed by the session's actor, which is the only writer of the session while it lives. A session that is woken again
 * is another actor and finds no stale messages.
 */
export class Recent {
  readonly #of = new WeakMap<object, Cached>();
  /** In the order of last use. */
  readonly #all = new Set<Cached>();
  readonly #room: number;
  #size = 0;

  constructor(room = ROOM) {
    this.#room = room;
  }

  /**
   * The cached messages of the llm history, and whether there are none before them; undefined when the session is not
   * cached.
   */
  of(session: object): { readonly messages: readonly TranscriptMessage[]; readonly whole: boolean } | undefined {
    const cached = this.#of.get(session);
    if (!cached || !this.#all.delete(cached)) return undefined;
    this.#all.add(cached);
    return cached;
  }

  /** Caches the last entries of a session, as read from the journal. */
  keep(session: object, entries: readonly Entry[]): void {
    this.#drop(this.#of.get(session));
    const last = entries.at(-1);
    if (!last) return;
    const cached: Cached = { n: last.n, messages: [], whole: entries[0]!.n === 1, size: 0 };
    this.#of.set(session, cached);
    this.#all.add(cached);
    for (const entry of entries) this.#add(cached, entry);
    this.#makeRoom();
  }

  /** Adds an appended entry to the cache. */
  note(session: object, entry: Entry): void {
    const cached = this.#of.get(session);
    if (!cached || !this.#all.has(cached) || entry.n <= cached.n) return;
    if (entry.n > cached.n + 1) this.#drop(cached);
    else {
      cached.n = entry.n;
      this.#add(cached, entry);
      this.#makeRoom();
    }
  }

  #add(cached: Cached, entry: Entry): void {
    for (const message of messagesOf(entry, 'llm')) {
      cached.messages.push(message);
      this.#grow(cached, sizeOf(message));
    }
    while (cached.messages.length > MOST) {
      this.#grow(cached, -sizeOf(cached.messages.shift()!));
      cached.whole = false;
    }
  }

  #grow(cached: Cached, by: number): void {
    cached.size += by;
    this.#size += by;
  }

  #makeRoom(): void {
    for (const oldest of this.#all) {
      if (this.#size <= this.#room) return;
      this.#drop(oldest);
    }
  }

  #drop(cached: Cached | undefined): void {
    if (!cached || !this.#all.delete(cached)) return;
    this.#size -= cached.size;
    cached.messages = [];
  }
}

const sizeOf = ({ content }: TranscriptMessage): number => content.length + OVERHEAD;
