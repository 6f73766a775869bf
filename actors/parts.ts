// Open answers and their deltas: the owner of a session buffers an unfinished answer until its entry is appended.
import type { PartMark } from '../machines/session/events.ts';

/**
 * A delta of a streamed answer. It replaces a subscriber's text of this run from `offset` on; a new attempt starts at
 * 0.
 */
export interface Part {
  readonly run_id: string;
  readonly attempt: number;
  readonly epoch: number;
  /**
   * The last entry that the publishing node knew. Subscribers use it to discard deltas of a node that has lost the
   * session without noticing.
   */
  readonly entry: number;
  /** Characters of this attempt before this delta. */
  readonly offset: number;
  readonly text: string;
}

/** Deltas less than this apart are journaled as one mark, ms. */
const COALESCE = 50;
/** Maximum of marks journaled for one answer; after that the last mark grows. */
const MOST = 256;

/** The open answer of one attempt, and the time marks of its deltas. */
export class OpenAnswer {
  readonly #of: Omit<Part, 'entry' | 'offset' | 'text'>;
  readonly #began: number;
  readonly #marks: [ms: number, length: number][] = [];
  #text = '';
  #entry = 0;

  constructor(of: Omit<Part, 'entry' | 'offset' | 'text'>, began: number) {
    this.#of = of;
    this.#began = began;
  }

  get text(): string {
    return this.#text;
  }

  get marks(): readonly PartMark[] {
    return this.#marks;
  }

  add(text: string, now: number, entry: number): Part {
    const part = { ...this.#of, entry, offset: this.#text.length, text };
    this.#entry = entry;
    this.#text += text;
    const after = now - this.#began;
    const last = this.#marks.at(-1);
    if (last && (after - last[0] < COALESCE || this.#marks.length >= MOST)) last[1] += text.length;
    else this.#marks.push([after, text.length]);
    return part;
  }

  /** The whole text so far as one delta, for a subscriber that joins late. */
  whole(): Part {
    return { ...this.#of, entry: this.#entry, offset: 0, text: this.#text };
  }
}
