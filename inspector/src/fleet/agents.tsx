// The agents and their instances: how they are, and whether their breakers let calls through.
import { memo } from 'react';
import type { FleetView } from '../../../src/fleet/nodes.ts';
import { useShown } from '../frames.ts';
import { span, whole } from '../words.ts';
import type { Fleet } from './live.ts';

const BREAKERS: Record<string, readonly [tone: string, words: string]> = {
  closed: ['good', 'closed'],
  open: ['bad', 'open'],
  halfOpen: ['warn', 'half open'],
};

export function Agents({ fleet }: { readonly fleet: Fleet }) {
  const agents = useShown(fleet.view, (view) => view?.agents);
  const nodes = useShown(fleet.view, (view) => view?.nodes.length ?? 1);
  return (
    <section className="panel" aria-label="Agents">
      <h2>Agents and breakers</h2>
      <ul className="agents">
        {agents?.map((agent) => (
          <Agent key={`${agent.node} ${agent.agent_id}`} agent={agent} named={nodes > 1} />
        ))}
      </ul>
      {agents?.length === 0 && <p className="quiet">There are none.</p>}
    </section>
  );
}

type Seen = FleetView['agents'][number];

const Agent = memo(
  function Agent({ agent, named }: { readonly agent: Seen; readonly named: boolean }) {
    const { agent_id, kind, description, state, endpoints, node } = agent;
    return (
      <li data-testid={`agent-${agent_id}`}>
        <div className="bar">
          <b title={description}>{agent_id}</b>
          <span className="quiet">
            {kind}
            {named && ` on ${node}`}
          </span>
          <span className={`chip ${state.startsWith('available') ? 'good' : 'warn'}`}>{state}</span>
        </div>
        <ul>
          {endpoints.map((one) => {
            const [tone, words] = BREAKERS[one.breaker] ?? ['', one.breaker];
            return (
              <li key={one.id} className="endpoint">
                <span className="mono">{one.id}</span>
                <span className={`chip ${tone}`}>breaker {words}</span>
                <span className="quiet">
                  {one.state} · {whole(one.in_flight)} at work · {whole(one.requests)} calls
                  {one.failures > 0 && ` · ${whole(one.failures)} failed`}
                  {one.latency_ms.p95 !== null && ` · p95 ${span(one.latency_ms.p95)}`}
                </span>
                {one.last_error && <span className="problem">{one.last_error.message}</span>}
              </li>
            );
          })}
        </ul>
      </li>
    );
  },
  (before, after) => JSON.stringify(before) === JSON.stringify(after),
);
