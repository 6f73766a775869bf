// Sessions that stay in a state for longer than is usual for it.
import { useShown } from '../frames.ts';
import { Link } from '../place.tsx';
import { span, whole } from '../words.ts';
import type { Fleet } from './live.ts';

const SHOWN = 8;

export function Stuck({ fleet }: { readonly fleet: Fleet }) {
  const stuck = useShown(fleet.view, (view) => view?.stuck);
  const now = useShown(fleet.view, (view) => view?.at ?? 0);
  if (!stuck || stuck.total === 0) return null;
  return (
    <section className="panel" aria-label="Stuck sessions">
      <h2>
        Stuck <span className="chip warn">{whole(stuck.total)}</span>
      </h2>
      <ul className="rows">
        {stuck.sessions.slice(0, SHOWN).map(({ session_id, part, since }) => (
          <li key={`${session_id} ${part}`}>
            <Link path={['sessions', session_id]}>{session_id}</Link>
            <span className="mono quiet">{part}</span>
            <span className="quiet num">{span(now - since)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
