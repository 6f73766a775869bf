// Cuts text into words, the same way for every script: what users say is compared word by word.

// Scripts that put no space between words: each character (with its marks) counts as a word, so that a phrase is found
// wherever its characters stand together.
const UNSPACED = ['Han', 'Hiragana', 'Katakana', 'Thai', 'Lao', 'Khmer', 'Myanmar']
  .map((script) => `\\p{Script=${script}}`)
  .join('');

const ASCII_ONLY = /^\p{ASCII}*$/u;
const ASCII_WORD = /[a-z0-9]+/g;
const WORD = new RegExp(`[${UNSPACED}]\\p{M}*|[[\\p{L}\\p{N}\\p{M}]--[${UNSPACED}]]+`, 'gv');

/** The words of a text, lower-cased and NFKC-normalised, without punctuation: `"Don't stop!"` → `['don', 't', 'stop']`. */
export function wordsOf(text: string): string[] {
  if (ASCII_ONLY.test(text)) return text.toLowerCase().match(ASCII_WORD) ?? [];
  return text.normalize('NFKC').toLowerCase().normalize('NFKC').match(WORD) ?? [];
}

/** Whether two texts are the same words, however they are spaced and punctuated: `Never mind!` and `nevermind`. */
export const sameWords = (a: string, b: string): boolean => wordsOf(a).join('') === wordsOf(b).join('');
