// The fleet: the chart of sessions with how many are in each state, and the agents and nodes that carry them.
import { useEffect, useMemo, useState } from 'react';
import { charts, type Machine } from '../api.ts';
import { partOf } from '../chart/active.ts';
import { Chart } from '../chart/chart.tsx';
import { useShown } from '../frames.ts';
import { LinkState } from '../link.tsx';
import { amend, useRoute } from '../place.tsx';
import { whole } from '../words.ts';
import { Agents } from './agents.tsx';
import { total } from './census.ts';
import { figures } from './figures.tsx';
import { InState } from './in-state.tsx';
import { type Fleet, useFleet } from './live.ts';
import { Nodes } from './nodes.tsx';
import { StateList } from './states.tsx';
import { Stuck } from './stuck.tsx';
import { Tape } from './tape.tsx';
import './fleet.css';

export default function FleetView() {
  const [machines, setMachines] = useState<Record<string, Machine>>();
  const [problem, setProblem] = useState<string>();
  const fleet = useFleet();
  useEffect(() => {
    charts().then(setMachines, (error: Error) => setProblem(error.message));
  }, []);
  return (
    <div className="fleet" data-testid="fleet">
      <div className="fleet-main">
        <Heading fleet={fleet} />
        {problem && <p className="notice">{problem}</p>}
        {machines ? <SessionChart fleet={fleet} machine={machines.session!} /> : <div className="chart" />}
        {machines && <StateList machine={machines.session!} fleet={fleet} />}
        <Tape fleet={fleet} />
      </div>
      <div className="fleet-side">
        {machines && <Selected machine={machines.session!} fleet={fleet} />}
        <Stuck fleet={fleet} />
        <Agents fleet={fleet} />
        <Nodes fleet={fleet} />
      </div>
    </div>
  );
}

function Heading({ fleet }: { readonly fleet: Fleet }) {
  const sessions = useShown(fleet.moment, ({ states }) => total(states));
  const link = useShown(fleet.moment, (moment) => moment.link);
  const problem = useShown(fleet.moment, (moment) => moment.problem);
  const perSecond = usePerSecond(fleet);
  return (
    <div className="bar fleet-heading">
      <h1>Fleet</h1>
      <span className="quiet">
        <b data-testid="fleet-total">{whole(sessions)}</b> sessions · {whole(perSecond)} steps/s
      </span>
      <LinkState link={link} problem={problem} />
    </div>
  );
}

function usePerSecond({ moment }: Fleet): number {
  const [rate, setRate] = useState(0);
  useEffect(() => {
    let before = moment.value.steps;
    const timer = setInterval(() => {
      setRate(moment.value.steps - before);
      before = moment.value.steps;
    }, 1_000);
    return () => clearInterval(timer);
  }, [moment]);
  return rate;
}

function SessionChart({ fleet, machine }: { readonly fleet: Fleet; readonly machine: Machine }) {
  const { query } = useRoute();
  const Figures = useMemo(() => figures(fleet, machine), [fleet, machine]);
  const select = (id: string): void => {
    const part = partOf(machine, id);
    if (part) amend({ state: query.state === part ? undefined : part }, true);
  };
  const selected = query.state && machine.nodes.find(({ id }) => partOf(machine, id) === query.state)?.id;
  return <Chart graph={machine} brief Figures={Figures} selected={selected} onState={select} />;
}

function Selected({ machine, fleet }: { readonly machine: Machine; readonly fleet: Fleet }) {
  const { state } = useRoute().query;
  return state ? <InState key={state} state={state} machine={machine} fleet={fleet} /> : null;
}
