// Formats rows as aligned columns for people; programs read JSON.
import { stripVTControlCharacters, styleText } from 'node:util';

/** Columns in the order of `heads`; a missing cell is a dash. */
export function table(
  heads: readonly string[],
  rows: readonly (readonly (string | number | null | undefined)[])[],
): string {
  const cells = rows.map((row) => heads.map((_, index) => String(row[index] ?? '–')));
  const widths = heads.map((head, index) => Math.max(head.length, ...cells.map((row) => widthOf(row[index]!))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, index) => cell + ' '.repeat(widths[index]! - widthOf(cell)))
      .join('  ')
      .trimEnd();
  return [styleText('bold', line(heads)), ...cells.map(line)].join('\n');
}

const widthOf = (cell: string): number => stripVTControlCharacters(cell).length;

/** A time span in its largest unit: `3 min`. `at` and `now` are ms since the epoch. */
export function ago(at: number, now = Date.now()): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
