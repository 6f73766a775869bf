// Every chart that the service runs, its own and its user's, each with a sandbox.
import { useEffect, useMemo, useState } from 'react';
import { charts, type Machine } from '../api.ts';
import { arrowsOf } from '../chart/active.ts';
import { Chart } from '../chart/chart.tsx';
import { Link, useRoute } from '../place.tsx';
import { Sandbox } from './sandbox.tsx';
import { type Trial, useTrial } from './trial.ts';
import './machines.css';

/** States of a chart that can be read at once with all that is said of them. */
const LEGIBLE = 14;

export default function Machines() {
  const [machines, setMachines] = useState<Record<string, Machine>>();
  const [problem, setProblem] = useState<string>();
  const { path } = useRoute();
  useEffect(() => {
    charts().then(setMachines, (error: Error) => setProblem(error.message));
  }, []);
  if (problem) return <p className="notice">{problem}</p>;
  if (!machines) return <p className="quiet waiting">Loading…</p>;
  const name = path[1] ?? Object.keys(machines)[0]!;
  const machine = machines[name];
  return (
    <div className="machines" data-testid="machines">
      <nav aria-label="Machines" className="panel">
        <Names machines={machines} origin="user" title="Yours" chosen={name} />
        <Names machines={machines} origin="troupe" title="Troupe’s own" chosen={name} />
      </nav>
      {machine ? (
        <One key={name} name={name} machine={machine} />
      ) : (
        <p className="notice">There is no machine “{name}”.</p>
      )}
    </div>
  );
}

interface NamesProps {
  readonly machines: Record<string, Machine>;
  readonly origin: 'troupe' | 'user';
  readonly title: string;
  readonly chosen: string;
}

function Names({ machines, origin, title, chosen }: NamesProps) {
  const names = Object.keys(machines).filter((name) => (machines[name]!.origin ?? 'troupe') === origin);
  if (names.length === 0) return null;
  return (
    <>
      <h2>{title}</h2>
      <ul>
        {names.map((name) => (
          <li key={name}>
            <Link
              path={['machines', name]}
              aria-current={name === chosen ? 'page' : undefined}
              data-testid={`machine-${name}`}
            >
              {name}
            </Link>
          </li>
        ))}
      </ul>
    </>
  );
}

function One({ name, machine }: { readonly name: string; readonly machine: Machine }) {
  const [whole, setWhole] = useState(machine.nodes.length <= LEGIBLE);
  const trial = useTrial(name, machine);
  const active = useMemo(() => new Set(trial.now?.active), [trial.now]);
  const lit = useMemo(() => lightsOf(trial), [trial]);
  return (
    <>
      <div className="machine">
        <div className="bar">
          <h1>{name}</h1>
          <span className="quiet">
            {machine.version && `version ${machine.version} · `}
            {machine.nodes.length} states · {machine.edges.length} transitions
          </span>
          <label className="bar">
            <input type="checkbox" checked={whole} onChange={(event) => setWhole(event.target.checked)} />
            <span>guards and actions</span>
          </label>
        </div>
        <Chart graph={machine} brief={!whole} active={active} taken={lit} />
      </div>
      <Sandbox machine={machine} trial={trial} />
    </>
  );
}

const lightsOf = ({ now, steps }: Trial) => now && { arrows: arrowsOf(now.transitions), n: steps.length };
