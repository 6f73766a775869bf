// The figures of the chart as a list: for narrow windows, and for whoever listens instead of looking.
import { useMemo, useState } from 'react';
import type { Machine } from '../api.ts';
import { partOf } from '../chart/active.ts';
import { Link, useRoute } from '../place.tsx';
import { figures } from './figures.tsx';
import type { Fleet } from './live.ts';

export function StateList({ machine, fleet }: { readonly machine: Machine; readonly fleet: Fleet }) {
  const { state } = useRoute().query;
  const Figures = useMemo(() => figures(fleet, machine), [fleet, machine]);
  const named = machine.nodes.filter(({ id, type }) => type !== 'history' && partOf(machine, id));
  const [open, setOpen] = useState(false);
  return (
    <details className="panel states" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>States as a list</summary>
      <ul>
        {(open ? named : []).map(({ id }) => {
          const part = partOf(machine, id)!;
          return (
            <li key={id} style={{ paddingLeft: `${(part.split('.').length - 1) * 16}px` }}>
              <Link path={['fleet']} query={{ state: part }} aria-current={part === state ? 'true' : undefined}>
                {part}
              </Link>
              <Figures id={id} />
            </li>
          );
        })}
      </ul>
    </details>
  );
}
