// Widths of text from the metrics of Helvetica, which Arial, Liberation Sans and Arimo share, so that no browser is needed.

/** Font sizes of names and of other text, and the height of a line, px. */
export const TITLE = 14;
export const TEXT = 12;
export const LINE_HEIGHT = 16;

// Thousandths of the font size → the characters of this width.
const WIDTHS: Record<number, string> = {
  191: "'",
  222: 'ijl',
  260: '|',
  278: ' !,./:;I[\\]ft',
  333: '()-`r',
  355: '"',
  389: '*',
  469: '^',
  500: 'Jckvxyzs',
  556: '#$0123456789?L_abdeghnopqu',
  584: '+<=>~',
  611: 'FTZ',
  667: '&ABEKPSVXY',
  722: 'CDHNRUw',
  778: 'GOQ',
  833: 'Mm',
  889: '%',
  944: 'W',
  1015: '@',
};
const WIDEST = 1015;
const BOLD = 1.08;

const widthOf = new Map(Object.entries(WIDTHS).flatMap(([width, chars]) => [...chars].map((char) => [char, +width])));

export function textWidth(text: string, size: number, bold = false): number {
  const thousandths = [...text].reduce((sum, char) => sum + (widthOf.get(char) ?? WIDEST), 0);
  return Math.ceil((thousandths / 1000) * size * (bold ? BOLD : 1));
}

/** Breaks text between words where it would exceed `width`. */
export function wrap(text: string, size: number, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.length > 0 ? `${lines.at(-1)} ${word}` : word;
    if (lines.length > 0 && textWidth(line, size) <= width) lines[lines.length - 1] = line;
    else lines.push(word);
  }
  return lines;
}
