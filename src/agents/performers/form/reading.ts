// Interprets a user's text as an event of the form chart.
import type { z } from 'zod';
import type { FormContext, FormEvent } from '../../../../machines/form/events.ts';
import { sameWords, wordsOf } from '../../../platform/words.ts';
import type { FormAgent } from '../../definition.ts';

const CANCEL = ['cancel', 'stop', 'never mind', 'quit'];
const SKIP = ['skip'];
const YES = ['yes', 'y', 'yep', 'yeah', 'ok', 'okay', 'sure', 'correct', 'right', 'that is right', 'confirm'];
const NO = ['no', 'n', 'nope', 'wrong', 'not right'];

export type Checked =
  | { readonly fits: true; readonly value: unknown }
  | { readonly fits: false; readonly message: string };

/** Whether the whole message is one of the agent's phrases for cancelling. */
export const isCancel = (agent: FormAgent, text: string): boolean => isOneOf(agent.cancelWords ?? CANCEL, text);

/**
 * The event that a message means in the form's current state; undefined when it means none. The value of an `answer` is
 * the user's text, not yet validated.
 */
export function read(
  agent: FormAgent,
  at: { value: unknown; context: FormContext },
  text: string,
): FormEvent | undefined {
  const change = readChange(Object.keys(agent.fields), text);
  if (change) return change;

  const { asking } = at.context;
  if (asking !== null) {
    const isSkipped = text.trim() === '' || isOneOf(SKIP, text);
    return isSkipped ? { type: 'skip', field: asking } : { type: 'answer', field: asking, value: text.trim() };
  }
  if (isOneOf(YES, text)) return { type: 'confirm' };
  if (isOneOf(NO, text)) return { type: 'deny' };
  const named = Object.keys(agent.fields).find((field) => sameWords(nameOf(field), text));
  return named === undefined ? undefined : { type: 'change', field: named };
}

/** Validates an answer with its field's schema. Rejects with the error that the schema threw. */
export async function check(agent: FormAgent, field: string, answer: unknown): Promise<Checked> {
  const { schema, invalid } = agent.fields[field]!;
  const parsed = await schema.safeParseAsync(answer);
  if (parsed.success) return { fits: true, value: parsed.data };
  return {
    fits: false,
    message: invalid ?? [...new Set(parsed.error.issues.map(({ message }) => message))].join('\n'),
  };
}

/** A field's name for people: `party_size` and `partySize` are both "party size". */
export const nameOf = (field: string): string =>
  field
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .toLowerCase();

/** A value after a round trip through JSON, so that it validates now as it will from the journal. */
export const toJson = (value: unknown): z.core.util.JSONType => JSON.parse(JSON.stringify(value) ?? 'null');

/** "change date", "change the date to friday": only for existing fields, so that "change of plans" can be an answer. */
function readChange(fields: readonly string[], text: string): FormEvent | undefined {
  // The longest name first: "change date of birth" is not about "date".
  for (const field of fields.toSorted((a, b) => b.length - a.length)) {
    const name = wordsOf(nameOf(field)).join('[\\s_-]*');
    const said = text
      .normalize('NFC')
      .match(new RegExp(`^\\s*change\\s+(?:(?:the|my)\\s+)?${name}(?:\\s+to\\s+(.+)|[\\p{P}\\p{S}\\s]*)$`, 'isu'));
    if (said) return said[1] ? { type: 'answer', field, value: said[1].trim() } : { type: 'change', field };
  }
  return undefined;
}

const isOneOf = (phrases: readonly string[], text: string): boolean =>
  phrases.some((phrase) => sameWords(phrase, text));
