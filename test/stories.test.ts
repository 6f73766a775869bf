// Whole-system stories, each one transcript; the same again with the process dying after every step, and with idle sessions gone.
import { describe, expect, test } from 'vitest';
import { createTroupe } from '../src/index.ts';
import { AnotherStory, play, SteppedClock } from '../src/testing.ts';
import { conversation } from './stories/conversation.ts';
import { failures } from './stories/failures.ts';
import { questions } from './stories/questions.ts';
import type { Stories } from './stories/story.ts';
import { supervision } from './stories/supervision.ts';

const chapters: Record<string, Stories> = { conversation, supervision, questions, failures };

describe.each(Object.entries(chapters))('%s', (_, stories) => {
  describe.each(Object.entries(stories))('%s', (_, { cast, transcript }) => {
    test('goes as it is written', () => play(cast(), transcript));

    test('goes on when the process dies after every step', async () => {
      expect(heard(await happens(cast(), followed(transcript, 'restart')))).toBe(heard(transcript));
    });

    // Time that passes would end what these stories time.
    test.skipIf(transcript.includes('advance '))(
      'goes on when the session leaves memory wherever it rests',
      async () => {
        const troupe = await createTroupe({ ...cast(), clock: new SteppedClock(), passivate_ms: 1 });
        try {
          expect(heard(await happens(troupe, followed(transcript, 'advance 1s')))).toBe(heard(transcript));
          expect(troupe.orchestrator.counts.passivated).toBeGreaterThan(0);
        } finally {
          await troupe.close();
        }
      },
    );
  });
});

/** A direction of a story, as far as it can be followed by another. */
const DIRECTION = /^ {6}([a-z0-9/]+> )?(user|supervisor|client|agent)\b.*/gm;

const followed = (transcript: string, direction: string): string =>
  transcript.replace(DIRECTION, (line) => `${line}\n      ${direction}`);

/** What the user and the staff hear, without what tells of the interruptions themselves. */
const heard = (transcript: string): string =>
  transcript
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !/^$|(^|> )(restart|advance 1s|recovered|unanswered|kept: .*|assistant streams: .*)$/.test(line))
    .join('\n');

async function happens(...[on, transcript]: Parameters<typeof play>): Promise<string> {
  try {
    return await play(on, transcript);
  } catch (error) {
    if (error instanceof AnotherStory) return error.happened;
    throw error;
  }
}
