// The sessions that are in one state, with how long they stay there.
import { useEffect, useState } from 'react';
import { type Listed, listed, type Machine } from '../api.ts';
import { partOf } from '../chart/active.ts';
import { useShown } from '../frames.ts';
import { amend, Link } from '../place.tsx';
import { clock, span, whole } from '../words.ts';
import { type Dwell, quantile } from './census.ts';
import type { Fleet } from './live.ts';

/** Rows shown. */
const MOST = 100;
/** Between two looks, ms. */
const LOOK = 1_500;

interface InStateProps {
  readonly state: string;
  readonly machine: Machine;
  readonly fleet: Fleet;
}

export function InState({ state, machine, fleet }: InStateProps) {
  const [rows, setRows] = useState<readonly Listed[]>();
  const [more, setMore] = useState(false);
  const dwell = useShown(fleet.view, (view) => view?.dwell[state]);
  const node = machine.nodes.find(({ id }) => partOf(machine, id) === state);
  useEffect(() => {
    let wanted = true;
    const look = (): Promise<void> =>
      listed({ state, limit: String(MOST) }).then(
        ({ sessions, next_cursor }) => {
          if (!wanted) return;
          setRows(sessions);
          setMore(next_cursor !== undefined);
        },
        () => {},
      );
    void look();
    const timer = setInterval(() => !document.hidden && void look(), LOOK);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, [state]);
  return (
    <section className="panel" aria-label={`Sessions in ${state}`} data-testid="in-state">
      <div className="bar">
        <h2>
          Sessions in <span className="mono">{state}</span>
        </h2>
        <button type="button" className="round" aria-label="Close the list" onClick={() => amend({ state: undefined })}>
          ×
        </button>
      </div>
      {node?.description && <p className="quiet">{node.description}</p>}
      {dwell && <Stays dwell={dwell} />}
      {rows?.length === 0 && <p className="quiet">Nobody is here now.</p>}
      <ul className="rows">
        {rows?.map(({ session_id, state: whole, updated_at }) => (
          <li key={session_id} data-testid={`session-row-${session_id}`}>
            <Link path={['sessions', session_id]}>{session_id}</Link>
            <span className="mono quiet">{whole}</span>
            <time className="quiet num" dateTime={new Date(updated_at).toISOString()}>
              {clock(updated_at)}
            </time>
          </li>
        ))}
      </ul>
      {more && (
        <p>
          <Link path={['sessions']} query={{ state }}>
            All of them
          </Link>
        </p>
      )}
    </section>
  );
}

/** A histogram of stays, small. */
function Stays({ dwell }: { readonly dwell: Dwell }) {
  const most = Math.max(1, ...dwell.buckets.map(({ count }) => count));
  const told = [0.5, 0.95].map((share) => quantile(dwell, share));
  const words = ['half', '95 %'].map((share, index) =>
    told[index] === undefined ? undefined : `${share} within ${span(told[index])}`,
  );
  return (
    <figure className="stays">
      <div className="bars" aria-hidden="true">
        {dwell.buckets.map(({ le_ms, count }) => (
          <span
            key={le_ms}
            style={{ height: `${Math.max(count > 0 ? 6 : 1, (count / most) * 100)}%` }}
            title={`${le_ms === null ? 'longer' : `up to ${span(le_ms)}`}: ${whole(count)}`}
          />
        ))}
      </div>
      <figcaption className="quiet">
        {whole(dwell.count)} left{words.filter(Boolean).map((word) => ` · ${word}`)}
      </figcaption>
    </figure>
  );
}
