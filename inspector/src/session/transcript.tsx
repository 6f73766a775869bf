// The conversation as it reads, and the answer that is being written.
import { memo, useEffect, useLayoutEffect, useRef } from 'react';
import type { Entry } from '../../../src/journal/journal.ts';
import { amend } from '../place.tsx';
import { clock } from '../words.ts';
import { type Line, linesOf } from './lines.ts';
import type { Answer } from './model.ts';

interface TranscriptProps {
  readonly entries: readonly Entry[];
  readonly answer: Answer | null;
}

export function Transcript({ entries, answer }: TranscriptProps) {
  const list = useRef<HTMLOListElement>(null);
  const follows = useRef(true);
  const lines = linesOf(entries);
  // Whoever scrolled up to read is left there.
  useEffect(() => {
    const element = list.current!;
    const note = () => {
      follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < 60;
    };
    element.addEventListener('scroll', note, { passive: true });
    return () => element.removeEventListener('scroll', note);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is shown grew
  useLayoutEffect(() => {
    if (follows.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [lines.length, answer?.text]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <ol className="transcript" data-testid="transcript" ref={list} tabIndex={0} aria-label="Transcript">
      {lines.length === 0 && <li className="quiet">Nothing was said yet.</li>}
      {lines.map((line) => (
        <One key={line.key} line={line} />
      ))}
      {answer && answer.text !== '' && (
        <li className="said assistant writing" data-testid="turn-writing">
          <span className="who">AI, writing</span>
          <p>{answer.text}</p>
        </li>
      )}
      <li className="hidden" aria-live="polite" data-testid="said-last">
        {lastSaid(lines)}
      </li>
    </ol>
  );
}

const WHO = { user: 'User', assistant: 'AI', supervisor: 'Supervisor', tool: 'Tool' };
const HEARD = { speak: '', whisper: 'whispers to the model', note: 'notes for staff' };

const One = memo(function One({ line }: { readonly line: Line }) {
  const { n, at } = line;
  const place = (
    <button type="button" className="at" onClick={() => amend({ at: String(n) }, true)} title={`Show entry ${n}`}>
      <span className="hidden">entry {n}, </span>
      {clock(at)}
    </button>
  );
  if (line.kind === 'mark')
    return (
      <li className={`mark ${line.tone}`}>
        <span>{line.text}</span>
        {place}
      </li>
    );
  const { role, who, mode, content } = line;
  return (
    <li className={`said ${role} ${mode ?? ''}`} data-testid={`turn-${role}`}>
      <span className="who">
        {WHO[role]}
        {who && <span className="by"> {who}</span>}
        {mode && HEARD[mode] && <em> {HEARD[mode]}</em>}
        {place}
      </span>
      {role === 'tool' ? <pre>{content}</pre> : <p>{content}</p>}
    </li>
  );
});

/** Read out when it comes; pieces of an answer are not, or a reader would never be silent. */
function lastSaid(lines: readonly Line[]): string {
  const last = lines.at(-1);
  if (!last) return '';
  return last.kind === 'mark' ? last.text : `${WHO[last.role]}: ${last.content}`;
}
