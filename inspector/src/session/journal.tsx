// The journal: every entry with its event, what was told, what is owed, and where it led.
import { memo, useEffect, useRef } from 'react';
import type { Entry } from '../../../src/journal/journal.ts';
import { Transitions } from '../chart/transitions.tsx';
import { amend } from '../place.tsx';
import { clock, eventWords, pretty, span } from '../words.ts';
import type { Taken } from './taken.ts';

interface JournalProps {
  readonly entries: readonly Entry[];
  readonly at: number;
  readonly taken: Taken;
}

export function Journal({ entries, at, taken }: JournalProps) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    list.current?.querySelector(`[data-testid="entry-${at}"]`)?.scrollIntoView({ block: 'nearest' });
  }, [at]);
  const open = entries[at - 1];
  return (
    <div className="journal">
      <ol ref={list} aria-label="Entries">
        {entries.map((entry) => (
          <Row key={entry.n} entry={entry} here={entry.n === at} />
        ))}
      </ol>
      {open && <Opened entry={open} taken={taken} />}
    </div>
  );
}

const Row = memo(function Row({ entry, here }: { readonly entry: Entry; readonly here: boolean }) {
  const { n, at, event, state } = entry;
  return (
    <li data-testid={`entry-${n}`}>
      <button type="button" aria-current={here || undefined} onClick={() => amend({ at: String(n) })}>
        <span className="num">{n}</span>
        <span className="quiet">{clock(at, true)}</span>
        <b>{eventWords(event.type)}</b>
        <span className="mono quiet">{state}</span>
      </button>
    </li>
  );
});

function Opened({ entry, taken }: { readonly entry: Entry; readonly taken: Taken }) {
  const { n, at, machine, event, emitted, owed, snapshot } = entry;
  return (
    <section className="opened" aria-label={`Entry ${n}`} data-testid="entry-open">
      <h2>
        Entry {n} <span className="quiet mono">{machine}</span>
      </h2>
      <Part title={`Event ${eventWords(event.type)}`} value={event} open />
      {taken && <Transitions of={taken} />}
      <Part title={`Told (${emitted.length})`} value={emitted} open={emitted.length > 0} />
      <details open={owed.length > 0}>
        <summary>Effects owed ({owed.length})</summary>
        <ul>
          {owed.map(({ id, key, due }) => (
            <li key={key}>
              <span className="mono">{id}</span>{' '}
              <span className="quiet">{due === undefined ? 'work' : `in ${span(due - at)}`}</span>
            </li>
          ))}
        </ul>
      </details>
      <Part title="Snapshot" value={snapshot} />
    </section>
  );
}

function Part({ title, value, open }: { readonly title: string; readonly value: unknown; readonly open?: boolean }) {
  return (
    <details open={open}>
      <summary>{title}</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
      <pre tabIndex={0}>{pretty(value)}</pre>
    </details>
  );
}
