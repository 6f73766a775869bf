// A file of recorded conversations: who said what, and which service each of the user's turns is about.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const turn = z.discriminatedUnion('speaker', [
  z.object({ speaker: z.literal('user'), text: z.string().min(1), service: z.string().min(1) }),
  z.object({ speaker: z.literal('system'), text: z.string() }),
]);

const dialogue = z.object({
  id: z.string(),
  turns: z
    .array(turn)
    .refine(
      (turns) => turns.length % 2 === 0 && turns.every(({ speaker }, at) => speaker === (at % 2 ? 'system' : 'user')),
      'must be a user turn and a system turn, again and again',
    ),
});

/** What the user says, what it is about, and what is answered. */
export interface Exchange {
  readonly text: string;
  readonly agent: string;
  readonly answer: string;
}

export interface Dialogue {
  /** A session id made of the dialogue's. */
  readonly session: string;
  readonly exchanges: readonly Exchange[];
}

/** Reads one conversation per line. Throws an error that names the line. */
export function readDialogues(path: string): Dialogue[] {
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line, index) => {
    if (line.trim() === '') return [];
    try {
      return [dialogueOf(dialogue.parse(JSON.parse(line)))];
    } catch (error) {
      const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
      throw new Error(`${path}, line ${index + 1}: ${why}`);
    }
  });
}

function dialogueOf({ id, turns }: z.infer<typeof dialogue>): Dialogue {
  const exchanges = turns.flatMap((said, at) =>
    said.speaker === 'user' ? [{ text: said.text, agent: tokenOf(said.service), answer: turns[at + 1]!.text }] : [],
  );
  return { session: tokenOf(id), exchanges };
}

/** Ids of agents and sessions are tokens: lower case, without punctuation. */
const tokenOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9_-]+/g, '-');
