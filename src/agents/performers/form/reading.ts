// Reads what a user says to a form: words in, an event for the form chart out.
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

/** Whether the whole message is one of the agent's words for cancelling. */
export const isCancel = (agent: FormAgent, text: string): boolean => isOneOf(agent.cancelWords ?? CANCEL, text);

/**
 * What a message means where the form is now; undefined when it means nothing there.
 * An `answer` is what the user gave, not yet checked against its field.
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

/** Puts an answer through its field's schema. Rejects with what the schema threw. */
export async function check(agent: FormAgent, field: string, answer: unknown): Promise<Checked> {
  const { schema, invalid } = agent.fields[field]!;
  const parsed = await schema.safeParseAsync(answer);
  if (parsed.success) return { fits: true, value: parsed.data };
  return {
    fits: false,
    message: invalid ?? [...new Set(parsed.error.issues.map(({ message }) => message))].join('\n'),
  };
}

/** A field as people call it: `party_size` and `partySize` are both "party size". */
export const nameOf = (field: string): string =>
  field
    .replace(/(\p{Ll}|\p{N})(\p{Lu})/gu, '$1 $2')
    .replace(/[_-]+/g, ' ')
    .toLowerCase();

/** A value as the journal will give it back, so that it is checked today as it will be then. */
export const toJson = (value: unknown): z.core.util.JSONType => JSON.parse(JSON.stringify(value) ?? 'null');

/** "change date", "change the date to friday": only for fields there are, so that "change of plans" can be an answer. */
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
