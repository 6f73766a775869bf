// The pieces of answers that are still being written: held by the owner until the answer is remembered, told to who listens.
import type { PartMark } from '../machines/session/events.ts';

/** A piece of an answer. It replaces whatever a listener has of this run from `offset` on; a new attempt starts at 0. */
export interface Part {
  readonly run_id: string;
  readonly attempt: number;
  readonly epoch: number;
  /** The last entry that whoever wrote this knew: a node that lost the session without knowing is found out by it. */
  readonly entry: number;
  /** Characters of this attempt before this piece. */
  readonly offset: number;
  readonly text: string;
}

/** A pause shorter than this between two pieces is not worth remembering, ms. */
const COALESCE = 50;
/** Marks kept of one answer; from then on the last one grows. */
const MOST = 256;

/** The answer of one attempt, as far as it is written. */
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

  /** All of it as one piece, for a listener that joins late. */
  whole(): Part {
    return { ...this.#of, entry: this.#entry, offset: 0, text: this.#text };
  }
}
