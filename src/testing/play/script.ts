// Reads a transcript: which of its lines are directions to be carried out, and which tell what came of them.

/** One line, with the lines that go on with it (they are indented). */
export interface ScriptLine {
  readonly number: number;
  readonly text: string;
  /** Before `>`; the transcript's own session when there is none. */
  readonly session?: string;
  /** The text behind `>`. */
  readonly words: string;
}

export function readScript(transcript: string): ScriptLine[] {
  const lines: ScriptLine[] = [];
  for (const [index, text] of dedent(transcript).split('\n').entries()) {
    const last = lines.at(-1);
    if (/^\s+\S/.test(text) && last) {
      lines[lines.length - 1] = { ...last, text: `${last.text}\n${text}`, words: `${last.words}\n${text.trim()}` };
      continue;
    }
    const [, session, words] = /^(?:([a-z0-9_/-]+)> )?(.*)$/.exec(text)!;
    lines.push({ number: index + 1, text, session, words: words! });
  }
  return lines;
}

/** Takes the indentation away that all lines share, and the empty lines around. */
export function dedent(text: string): string {
  const lines = text.split('\n').map((line) => line.trimEnd());
  const indents = lines.filter((line) => line !== '').map((line) => line.length - line.trimStart().length);
  const shared = Math.min(...indents);
  return lines
    .map((line) => line.slice(shared))
    .join('\n')
    .replace(/^\n+|\n+$/g, '');
}

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** `5s`, `250ms`, `2m`, `1h`, `1d` as milliseconds. */
export function milliseconds(time: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(time) ?? [];
  if (!unit) throw new Error(`"${time}" is no time such as 5s, 250ms, 2m, 1h or 1d`);
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}
