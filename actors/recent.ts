// What was said lately in the sessions at work, so that an agent is told it without reading the journal at every turn.
import type { Entry } from '../src/journal/journal.ts';
import { messagesOf, type TranscriptMessage } from './transcript.ts';

/** Messages kept of a session: those that an agent is given unless it asks for more, and some that may wait to be answered. */
const MOST = 64;
/** What a message takes besides its text, in bytes, more or less. */
const OVERHEAD = 256;
/** Bytes kept in all, more or less; whoever was not asked for longest goes first. */
const ROOM = 64 * 1024 * 1024;

interface Kept {
  /** The last entry that it knows. */
  n: number;
  messages: TranscriptMessage[];
  /** Whether it goes back to the beginning. */
  whole: boolean;
  size: number;
}

/** Kept by the session's actor, which alone writes the session while it lives: one that woke elsewhere meanwhile is another actor. */
export class Recent {
  readonly #of = new WeakMap<object, Kept>();
  /** In the order of their last use. */
  readonly #all = new Set<Kept>();
  readonly #room: number;
  #size = 0;

  constructor(room = ROOM) {
    this.#room = room;
  }

  /** The last messages of the llm history, and whether there were none before them; undefined when nothing is known. */
  of(session: object): { readonly messages: readonly TranscriptMessage[]; readonly whole: boolean } | undefined {
    const kept = this.#of.get(session);
    if (!kept || !this.#all.delete(kept)) return undefined;
    this.#all.add(kept);
    return kept;
  }

  /** Learns the end of a session, as it was read. */
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

  /** Hears what a session remembers. */
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
