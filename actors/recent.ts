// LRU cache of recent chat history, so that an attempt needs no journal read.
import type { Entry } from '../src/journal/journal.ts';
import { messagesOf, type TranscriptMessage } from './transcript.ts';

/** Messages cached per session: the default history of an agent, and some more for messages that are still queued. */
const MOST = 64;
/** Approximate overhead of a message besides its text, bytes. */
const OVERHEAD = 256;
/** Approximate size of the whole cache, bytes; the least recently used session is evicted first. */
const ROOM = 64 * 1024 * 1024;

interface Kept {
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
  readonly #of = new WeakMap<object, Kept>();
  /** In the order of last use. */
  readonly #all = new Set<Kept>();
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
    const kept = this.#of.get(session);
    if (!kept || !this.#all.delete(kept)) return undefined;
    this.#all.add(kept);
    return kept;
  }

  /** Caches the last entries of a session, as read from the journal. */
  keep(session: object, entries: readonly Entry[]): void {
    this.#drop(this.#of.get(session));
    const last = entries.at(-1);
    if (!last) return;
    const kept: Kept = { n: last.n, messages: [], whole: entries[0]!.n === 1, size: 0 };
    this.#of.set(session, kept);
    this.#all.add(kept);
    for (const entry of entries) this.#add(kept, entry);
    this.#makeRoom();
  }

  /** Adds an appended entry to the cache. */
  note(session: object, entry: Entry): void {
    const kept = this.#of.get(session);
    if (!kept || !this.#all.has(kept) || entry.n <= kept.n) return;
    if (entry.n > kept.n + 1) this.#drop(kept);
    else {
      kept.n = entry.n;
      this.#add(kept, entry);
      this.#makeRoom();
    }
  }

  #add(kept: Kept, entry: Entry): void {
    for (const message of messagesOf(entry, 'llm')) {
      kept.messages.push(message);
      this.#grow(kept, sizeOf(message));
    }
    while (kept.messages.length > MOST) {
      this.#grow(kept, -sizeOf(kept.messages.shift()!));
      kept.whole = false;
    }
  }

  #grow(kept: Kept, by: number): void {
    kept.size += by;
    this.#size += by;
  }

  #makeRoom(): void {
    for (const oldest of this.#all) {
      if (this.#size <= this.#room) return;
      this.#drop(oldest);
    }
  }

  #drop(kept: Kept | undefined): void {
    if (!kept || !this.#all.delete(kept)) return;
    this.#size -= kept.size;
    kept.messages = [];
  }
}

const sizeOf = ({ content }: TranscriptMessage): number => content.length + OVERHEAD;
