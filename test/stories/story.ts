// What a story is: who plays, and the transcript of how it goes.
import type { TroupeOptions } from '../../src/troupe.ts';

export interface Story {
  /** A fresh cast: scripted agents remember where they are. */
  readonly cast: () => TroupeOptions;
  readonly transcript: string;
}

export type Stories = Readonly<Record<string, Story>>;
