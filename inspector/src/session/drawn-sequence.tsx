// The journal as a sequence diagram.
import { type RefObject, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { Entry } from '../../../src/journal/journal.ts';
import { amend } from '../place.tsx';
import { clock } from '../words.ts';
import { lanesOf, type Row, rowsOf } from './sequence.ts';

/** Lanes share the width that there is, but are never closer than this; then the diagram scrolls. */
const NARROWEST = 76;
/** The width of a letter, about. */
const LETTER = 6;
const ROW = 34;
const HEAD = 44;
const MARGIN = 62;
/** Rows drawn; older ones are counted. */
const MOST = 400;

export function Sequence({ entries }: { readonly entries: readonly Entry[] }) {
  const { rows, lanes, left } = useMemo(() => {
    const all = rowsOf(entries);
    const shown = all.slice(-MOST);
    return { rows: shown, lanes: lanesOf(shown), left: all.length - shown.length };
  }, [entries]);
  const [frame, room] = useWidth();
  const apart = Math.max(NARROWEST, (room - 2 * MARGIN - 24) / (lanes.length - 1));
  const width = MARGIN * 2 + (lanes.length - 1) * apart;
  const height = HEAD + rows.length * ROW + 16;
  const x = new Map(lanes.map((lane, index) => [lane, MARGIN + index * apart]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section ref={frame} className="sequence" tabIndex={0} aria-label="Sequence diagram" data-testid="sequence">
      {left > 0 && <p className="quiet">{left} earlier messages are left out.</p>}
      <svg width={width} height={height} role="img" aria-label={`${rows.length} messages between ${lanes.join(', ')}`}>
        {lanes.map((name) => (
          <g key={name} className="lane">
            <line x1={x.get(name)} x2={x.get(name)} y1={HEAD - 8} y2={height} />
            <text x={x.get(name)} y={22}>
              <title>{name}</title>
              {cut(name.replace('agent:', ''), Math.floor(apart / 7.5))}
            </text>
          </g>
        ))}
        {rows.map((row, index) => (
          <Message
            // biome-ignore lint/suspicious/noArrayIndexKey: several rows may be of one entry, and they never move
            key={`${row.n} ${index}`}
            row={row}
            x={x}
            width={width}
            y={HEAD + index * ROW + 22}
            first={row.n !== rows[index - 1]?.n}
          />
        ))}
      </svg>
    </section>
  );
}

const cut = (text: string, letters: number): string =>
  text.length > letters ? `${text.slice(0, letters - 1)}…` : text;

/** The width of an element, as it changes. */
function useWidth(): [RefObject<HTMLElement | null>, number] {
  const element = useRef<HTMLElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const watch = new ResizeObserver(() => setWidth(element.current?.clientWidth ?? 0));
    setWidth(element.current!.clientWidth);
    watch.observe(element.current!);
    return () => watch.disconnect();
  }, []);
  return [element, width];
}

interface MessageProps {
  readonly row: Row;
  readonly x: ReadonlyMap<string, number>;
  readonly y: number;
  readonly first: boolean;
  readonly width: number;
}

function Message({ row: { n, at, from, to, text, tone }, x, y, first, width }: MessageProps) {
  const start = x.get(from) ?? 0;
  const end = x.get(to) ?? 0;
  const self = from === to;
  const back = end < start ? -1 : 1;
  // A message may be longer than its arrow: nothing else is in its row.
  const half = (text.length * LETTER) / 2 + 8;
  const middle = self ? start + 34 : Math.min(Math.max((start + end) / 2, half + 20), width - half);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the list of entries does the same for the keyboard
    <g className={`message ${tone}`} onClick={() => amend({ at: String(n) }, true)}>
      <title>{`entry ${n}, ${clock(at, true)}: ${text}`}</title>
      {first && (
        <text className="n" x={8} y={y + 4}>
          {n}
        </text>
      )}
      {self ? <path d={`M${start} ${y - 6}h24v12h-18`} /> : <line x1={start} x2={end - back * 6} y1={y} y2={y} />}
      <path className="tip" d={self ? `M${start} ${y + 6}l8 -4v8z` : `M${end} ${y}l${back * -8} -4v8z`} />
      <text x={middle} y={y - 6} textAnchor={self ? 'start' : 'middle'}>
        {text}
      </text>
    </g>
  );
}
