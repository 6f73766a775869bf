// The journal as a sequence diagram.
import { useMemo } from 'react';
import type { Entry } from '../../../src/journal.ts';
import { amend } from '../place.tsx';
import { clock } from '../words.ts';
import { lanesOf, type Row, rowsOf, SESSION } from './sequence.ts';

const LANE = 168;
const ROW = 34;
const HEAD = 44;
const MARGIN = 90;
/** Rows drawn; older ones are counted. */
const MOST = 400;

export function Sequence({ entries }: { readonly entries: readonly Entry[] }) {
  const { rows, lanes, left } = useMemo(() => {
    const all = rowsOf(entries);
    const shown = all.slice(-MOST);
    return { rows: shown, lanes: lanesOf(shown), left: all.length - shown.length };
  }, [entries]);
  const width = MARGIN * 2 + (lanes.length - 1) * LANE;
  const height = HEAD + rows.length * ROW + 16;
  const x = new Map(lanes.map((lane, index) => [lane, MARGIN + index * LANE]));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it
    <section className="sequence" tabIndex={0} aria-label="Sequence diagram" data-testid="sequence">
      {left > 0 && <p className="quiet">{left} earlier messages are left out.</p>}
      <svg width={width} height={height} role="img" aria-label={`${rows.length} messages between ${lanes.join(', ')}`}>
        {lanes.map((lane) => (
          <g key={lane} className="lane">
            <line x1={x.get(lane)} x2={x.get(lane)} y1={HEAD - 8} y2={height} />
            <text x={x.get(lane)} y={22}>
              {lane.replace('agent:', '')}
            </text>
          </g>
        ))}
        {rows.map((row, index) => (
          <Message
            // biome-ignore lint/suspicious/noArrayIndexKey: several rows may be of one entry, and they never move
            key={`${row.n} ${index}`}
            row={row}
            x={x}
            y={HEAD + index * ROW + 22}
            first={row.n !== rows[index - 1]?.n}
          />
        ))}
      </svg>
    </section>
  );
}

interface MessageProps {
  readonly row: Row;
  readonly x: ReadonlyMap<string, number>;
  readonly y: number;
  readonly first: boolean;
}

function Message({ row: { n, at, from, to, text, tone }, x, y, first }: MessageProps) {
  const start = x.get(from) ?? 0;
  const end = x.get(to) ?? 0;
  const self = from === to;
  const back = end < start ? -1 : 1;
  const middle = self ? start + 34 : (start + end) / 2;
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
      <text
        x={middle}
        y={y - 6}
        className={self || from === SESSION || to === SESSION ? '' : 'far'}
        textAnchor={self ? 'start' : 'middle'}
      >
        {text}
      </text>
    </g>
  );
}
