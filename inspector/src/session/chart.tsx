// The chart of a session, lit as it stood after an entry, with the arrows that led there.
import { useEffect, useMemo, useState } from 'react';
import type { Entry } from '../../../src/journal/journal.ts';
import { charts, type Machine } from '../api.ts';
import { arrowsOf, idsOfValue } from '../chart/active.ts';
import { Chart } from '../chart/chart.tsx';
import type { Taken } from './taken.ts';

interface SessionChartProps {
  readonly entry: Entry | undefined;
  readonly taken: Taken;
}

export function SessionChart({ entry, taken }: SessionChartProps) {
  const [machines, setMachines] = useState<Record<string, Machine>>();
  const [whole, setWhole] = useState(false);
  useEffect(() => {
    charts().then(setMachines, () => {});
  }, []);
  // A session may be of another chart than `session`: a job, a flow.
  const name = entry?.machine.split('@')[0] ?? 'session';
  const machine = machines && Object.values(machines).find(({ id }) => id === name);
  const active = useMemo(() => (entry ? idsOfValue(name, entry.snapshot.value) : new Set<string>()), [entry, name]);
  const lit = useMemo(() => entry && taken && { arrows: arrowsOf(taken), n: entry.n }, [entry, taken]);
  return (
    <div className="chart-holder">
      {machine ? (
        <Chart graph={machine} brief={!whole} active={active} taken={lit ?? undefined} />
      ) : (
        <section className="chart" aria-label="Statechart" />
      )}
      <label className="detail">
        <input type="checkbox" checked={whole} onChange={(event) => setWhole(event.target.checked)} />
        <span>guards and actions</span>
      </label>
    </div>
  );
}
