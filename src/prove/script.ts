// The scripted agent of the proof: its answer is a function of session and message, so that every answer can be checked.
import { setTimeout as pause } from 'node:timers/promises';
import type { FunctionAgent } from '../agents/definition.ts';

/** Name of an attempt of a run. */
export const attemptOf = ({ run_id, attempt }: { run_id: string; attempt: number }): string => `${run_id}#${attempt}`;

/** The complete answer to a message. */
export const answerTo = (session: string, message: string): string =>
  `${session} was told: ${message}. ${words(message)}`;

export type Word = readonly [end: number, at: number];

export interface Told {
  readonly invoked: (session: string, key: string) => void;
  /**
   * Called with the end of a call. Each of `words` has the answer's length after a delta, characters, and its time, ms since the
   * epoch.
   */
  readonly ended: (session: string, key: string, attempt: string, words: readonly Word[]) => void;
}

/** Streams its answer word by word within 20 to 100 ms, and reports every call that it gets. */
export const scripted = ({ invoked, ended }: Told): FunctionAgent => ({
  id: 'scripted',
  triggers: ['message'],
  async *run(message, { call, signal }) {
    const { session_id, idempotency_key } = call;
    const words: Word[] = [];
    let end = 0;
    invoked(session_id, idempotency_key);
    try {
      const pieces = answerTo(session_id, message).split(/(?<= )/);
      const each = (20 + (hash(message) % 80)) / pieces.length;
      for (const piece of pieces) {
        await pause(each, undefined, { signal });
        end += piece.length;
        words.push([end, Date.now()]);
        yield piece;
      }
    } finally {
      ended(session_id, idempotency_key, attemptOf(call), words);
    }
  },
});

const words = (message: string): string =>
  ['It', 'is', 'so.', 'Good', 'bye.'].slice(0, 2 + (hash(message) % 4)).join(' ');

const hash = (text: string): number => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);
