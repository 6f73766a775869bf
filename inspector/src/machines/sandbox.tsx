// Trying a chart out: its events with their schemas, and what each of them led to.
import { useMemo, useState } from 'react';
import type { Machine } from '../api.ts';
import { Transitions } from '../chart/transitions.tsx';
import { useKey } from '../keys.tsx';
import { eventWords, pretty } from '../words.ts';
import type { Stepped, Trial } from './trial.ts';

interface SandboxProps {
  readonly machine: Machine;
  readonly trial: Trial;
}

export function Sandbox({ machine, trial }: SandboxProps) {
  const { now, problem, steps } = trial;
  const types = useMemo(() => eventsOf(machine), [machine]);
  const titles = useMemo(() => titlesOf(types), [types]);
  const [input, setInput] = useState(trial.input);
  useKey('u', 'Take back the last step', trial.back, steps.length > 1);
  useKey('b', 'Begin anew', () => trial.begin(input), true);
  return (
    <section className="sandbox panel" aria-label="Sandbox" data-testid="sandbox">
      <div className="bar">
        <h2>Sandbox</h2>
        {now && (
          <span className="chip live mono" data-testid="sandbox-state">
            {now.state}
          </span>
        )}
      </div>
      <div className="bar">
        <button type="button" onClick={() => trial.begin(input)} data-testid="sandbox-begin" aria-keyshortcuts="b">
          Begin anew
        </button>
        <button
          type="button"
          disabled={steps.length < 2}
          onClick={trial.back}
          data-testid="sandbox-back"
          aria-keyshortcuts="u"
        >
          Take back
        </button>
      </div>
      {problem && (
        <p className="notice" role="alert">
          {problem}
        </p>
      )}
      <details>
        <summary>Input</summary>
        <textarea
          className="mono"
          rows={6}
          aria-label="What the machine is created with, as JSON"
          value={input}
          onChange={(event) => setInput(event.target.value)}
        />
      </details>
      <h3>Events</h3>
      <ul className="events">
        {types.map((type) => (
          <EventRow
            key={type}
            type={type}
            title={titles.get(type)!}
            sample={machine.samples?.[type]}
            schema={machine.events?.[type]}
            allowed={now?.allowed.includes(type) ?? false}
            send={trial.send}
          />
        ))}
      </ul>
      <h3>Steps</h3>
      <ol className="steps" aria-label="Steps" reversed>
        {steps
          .map((step, index) => ({ step, index }))
          .reverse()
          .map(({ step, index }) => (
            <StepRow key={index} step={step} open={index === steps.length - 1} />
          ))}
      </ol>
    </section>
  );
}

/** All events of a machine: those with a schema, and those that only its transitions name. */
function eventsOf({ events, edges }: Machine): string[] {
  const named = edges.filter(({ event }) => event !== '' && event !== '*').map(({ event }) => event);
  return [...new Set([...Object.keys(events ?? {}), ...named])];
}

/** Timers of several states may have one name; then the state is said too. */
function titlesOf(types: readonly string[]): Map<string, string> {
  const counts = Map.groupBy(types, eventWords);
  return new Map(
    types.map((type) => {
      const words = eventWords(type);
      return [type, counts.get(words)!.length > 1 ? `${words} (${type.split('.').at(-1)})` : words];
    }),
  );
}

interface EventRowProps {
  readonly type: string;
  readonly title: string;
  readonly sample: unknown;
  readonly schema: unknown;
  readonly allowed: boolean;
  readonly send: (event: { type: string }) => void;
}

function EventRow({ type, title, sample, schema, allowed, send }: EventRowProps) {
  const [text, setText] = useState(() => pretty(sample ?? { type }));
  const [problem, setProblem] = useState<string>();
  const go = (): void => {
    try {
      send({ ...(JSON.parse(text) as object), type });
      setProblem(undefined);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <li className={allowed ? 'allowed' : undefined}>
      <button
        type="button"
        className={allowed ? 'primary' : undefined}
        onClick={go}
        data-testid={`sandbox-event-${type}`}
        title={allowed ? `${type}: accepted here` : `${type}: not accepted here as it stands`}
      >
        {title}
        {!allowed && <span className="hidden"> (not accepted here)</span>}
      </button>
      <details>
        <summary>
          <span className="hidden">{type} </span>edit
        </summary>
        <textarea
          className="mono"
          rows={5}
          aria-label={`${type} as JSON`}
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        {schema ? (
          <details>
            <summary>schema</summary>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
            <pre tabIndex={0}>{pretty(schema)}</pre>
          </details>
        ) : (
          <p className="quiet">There is no schema for its members.</p>
        )}
      </details>
      {problem && <p className="notice">This is no JSON: {problem}</p>}
    </li>
  );
}

function StepRow({ step, open }: { readonly step: Stepped; readonly open: boolean }) {
  const { event, state, changed, transitions, effects, emitted, snapshot } = step;
  return (
    <li>
      <details open={open}>
        <summary>
          <b>{event ? eventWords(event.type) : 'created'}</b>{' '}
          <span className="mono quiet">{changed ? state : 'not taken'}</span>
        </summary>
        {transitions.length > 0 && <Transitions of={transitions} />}
        {effects.length > 0 && (
          <ul>
            {effects.map((effect) => (
              <li key={JSON.stringify(effect)}>
                <span className="chip">{effect.type}</span> <span className="mono">{describe(effect)}</span>
              </li>
            ))}
          </ul>
        )}
        {emitted.length > 0 && (
          <ul>
            {emitted.map((one) => (
              <li key={JSON.stringify(one)}>
                <span className="chip good">{one.type}</span>{' '}
                <span className="mono quiet">{pretty({ ...one, type: undefined }).replace(/\s+/g, ' ')}</span>
              </li>
            ))}
          </ul>
        )}
        <details>
          <summary>snapshot</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it */}
          <pre tabIndex={0}>{pretty(snapshot)}</pre>
        </details>
      </details>
    </li>
  );
}

const describe = ({ type: _, id, delay, src }: Stepped['effects'][number]): string =>
  [src ?? id, delay !== undefined && `${delay} ms`].filter(Boolean).join(' · ');
