// The newest steps of all sessions, as they come.
import { useShown } from '../frames.ts';
import { Link } from '../place.tsx';
import { clock, eventWords } from '../words.ts';
import type { Fleet } from './live.ts';

const SHOWN = 12;

export function Tape({ fleet }: { readonly fleet: Fleet }) {
  const steps = useShown(fleet.tape);
  return (
    <section className="panel tape" aria-label="Newest steps">
      <h2>Newest steps</h2>
      {steps.length === 0 && <p className="quiet">Nothing has happened since this page was opened.</p>}
      <ol>
        {steps
          .slice(-SHOWN)
          .reverse()
          .map(({ session_id, n, at, event, before, after }) => (
            <li key={`${session_id} ${n}`}>
              <time className="quiet" dateTime={new Date(at).toISOString()}>
                {clock(at, true)}
              </time>
              <Link path={['sessions', session_id]}>{session_id}</Link>
              <b>{eventWords(event)}</b>
              <span className="mono quiet">{before === after ? after : `${before ?? '·'} → ${after ?? '·'}`}</span>
            </li>
          ))}
      </ol>
    </section>
  );
}
