// Word segmentation for texts in every script, for triggers and other comparisons by word.

// Scripts without spaces between words: each character (with its marks) counts as a word, so that a phrase matches
// wherever its characters are adjacent.
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{Script=${script}}`)
  .join('');

const ASCII_ONLY = /^\p{ASCII}*$/u;
const ASCII_WORD = /[a-z0-9]+/g;
const WORD = new RegExp(`[${UNSPACED}]\\p{M}*|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+`, 'gv');

/**
 * The words of a text, lower-cased and NFKC-normalised, without punctuation: `"Don't stop!"` → `['don', 't', 'stop']`.
 */
export function wordsOf(text: string): string[] {
  if (ASCII_ONLY.test(text)) return text.toLowerCase().match(ASCII_WORD) ?? [];
  return text.normalize('NFKC').toLowerCase().normalize('NFKC').match(WORD) ?? [];
}

/** Whether two texts have the same words, regardless of spaces and punctuation: `Never mind!` and `nevermind`. */
export const sameWords = (a: string, b: string): boolean => wordsOf(a).join('') === wordsOf(b).join('');
