// The chart of a session, lit as it stood after the last of these entries.
import { useEffect, useMemo, useState } from 'react';
import type { Entry } from '../../../src/journal.ts';
import { charts, type Machine } from '../api.ts';
import { idsOfValue, taken } from '../chart/active.ts';
import { Chart } from '../chart/chart.tsx';

export function SessionChart({ entries }: { readonly entries: readonly Entry[] }) {
  const [machines, setMachines] = useState<Record<string, Machine>>();
  const [whole, setWhole] = useState(false);
  useEffect(() => {
    charts().then(setMachines, () => {});
  }, []);
  const last = entries.at(-1);
  const before = entries.at(-2);
  // A session may be of another chart than `session`: a job, a flow.
  const name = last?.machine.split('@')[0] ?? 'session';
  const machine = machines && Object.values(machines).find(({ id }) => id === name);
  const active = useMemo(() => (last ? idsOfValue(name, last.snapshot.value) : new Set<string>()), [last, name]);
  const lit = useMemo(() => {
    if (!machine || !last || !before) return;
    const from = idsOfValue(name, before.snapshot.value);
    return { arrows: taken(machine, from, active, last.event.type), n: last.n };
  }, [machine, last, before, active, name]);
  return (
    <div className="chart-holder">
      {machine ? (
        <Chart graph={machine} brief={!whole} active={active} taken={lit} />
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
