// Parses a transcript into lines, each a direction to carry out or an expected event.

/** One line together with its indented continuation lines. */
export interface ScriptLine {
  readonly number: number;
  readonly text: string;
  /** The session before `>`; undefined for the transcript's own session. */
  readonly session?: string;
  /** The text after `>`. */
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

/** Removes the common indentation and the surrounding empty lines. */
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
