// Machines that run elsewhere and stream in over the inspection protocol of @statelyai/inspect.
import { useEffect, useMemo, useState } from 'react';
import type { ChartGraph } from '../../../src/diagram/graph.ts';
import { ask, type Problem } from '../api.ts';
import { idsOfValue } from '../chart/active.ts';
import { Chart } from '../chart/chart.tsx';
import { amend, tenant, useRoute } from '../place.tsx';
import { clock, eventWords, pretty } from '../words.ts';
import './foreign.css';

interface Foreign {
  readonly actor_id: string;
  readonly name?: string;
  readonly parent_id?: string;
  readonly source?: { readonly client?: string };
  readonly status: string;
  readonly value: unknown;
  readonly context?: unknown;
  readonly definition?: ChartGraph | string;
  readonly events: readonly { readonly at: number; readonly type: string; readonly event: unknown }[];
  readonly updated_at: number;
}

/** Between two looks, ms. */
const LOOK = 1_000;

export default function ForeignMachines() {
  const { actors, problem } = useActors();
  const { query } = useRoute();
  const chosen = actors?.find(({ actor_id }) => actor_id === query.actor) ?? actors?.[0];
  return (
    <div className={chosen ? 'foreign' : 'foreign empty'} data-testid="foreign">
      <section className="panel" aria-label="Actors">
        <h1>Foreign machines</h1>
        {problem && <p className="notice">{problem}</p>}
        {actors?.length === 0 && <HowTo />}
        <ul>
          {actors?.map(({ actor_id, name, source, status, value, updated_at }) => (
            <li key={actor_id} data-testid={`actor-${actor_id}`}>
              <button
                type="button"
                aria-pressed={actor_id === chosen?.actor_id}
                onClick={() => amend({ actor: actor_id })}
              >
                <b>{name ?? actor_id}</b>
                {source?.client && <span className="quiet">{source.client}</span>}
                <span className="mono">{value === undefined ? status : short(value)}</span>
                <time className="quiet" dateTime={new Date(updated_at).toISOString()}>
                  {clock(updated_at)}
                </time>
              </button>
            </li>
          ))}
        </ul>
      </section>
      {chosen && <One key={chosen.actor_id} actor={chosen} />}
    </div>
  );
}

function HowTo() {
  const query = tenant() === 'default' ? '' : `?tenant=${tenant()}`;
  const url = `${location.origin.replace(/^http/, 'ws')}/v1/inspect${query}`;
  return (
    <>
      <p>None has said anything yet. Any XState 5 program can:</p>
      <pre>{`import { createWebSocketInspector } from '@statelyai/inspect';

const { inspect } = createWebSocketInspector({
  url: '${url}',
});
createActor(machine, { inspect }).start();`}</pre>
    </>
  );
}

function One({ actor }: { readonly actor: Foreign }) {
  const { actor_id, name, status, value, context, definition, events } = actor;
  // The same chart comes anew with every look; what it says decides whether it is another one.
  const said = typeof definition === 'object' ? JSON.stringify(definition) : undefined;
  const graph = useMemo(() => (said ? (JSON.parse(said) as ChartGraph) : undefined), [said]);
  const active = useMemo(() => graph && idsOfValue(graph.id, value), [graph, value]);
  return (
    <>
      <div className="foreign-chart">
        {graph ? (
          <Chart graph={graph} brief active={active} />
        ) : (
          <p className="quiet waiting">Its chart was not told.</p>
        )}
      </div>
      <section className="panel told" aria-label={`Actor ${name ?? actor_id}`}>
        <h2>{name ?? actor_id}</h2>
        <p>
          <span className="chip live">{status}</span>{' '}
          <span className="mono" data-testid="actor-value">
            {short(value)}
          </span>
        </p>
        <h3>Context</h3>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
        <pre tabIndex={0}>{pretty(context)}</pre>
        <h3>Events</h3>
        <ol reversed>
          {events.toReversed().map(({ at, type, event }, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: events have no names of their own
            <li key={index}>
              <details>
                <summary>
                  <span className="quiet num">{clock(at, true)}</span> <b>{eventWords(type)}</b>
                </summary>
                <pre>{pretty(event)}</pre>
              </details>
            </li>
          ))}
        </ol>
      </section>
    </>
  );
}

const short = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));

function useActors() {
  const [actors, setActors] = useState<readonly Foreign[]>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let wanted = true;
    const look = async (): Promise<void> => {
      try {
        const answer = await ask<{ actors: Foreign[] }>('GET', '/v1/inspect/actors');
        if (!wanted) return;
        setActors(answer.actors);
        setProblem(undefined);
      } catch (error) {
        if (wanted) setProblem((error as Problem).message);
      }
    };
    void look();
    const timer = setInterval(() => !document.hidden && void look(), LOOK);
    return () => {
      wanted = false;
      clearInterval(timer);
    };
  }, []);
  return { actors, problem };
}
