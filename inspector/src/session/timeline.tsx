// Time travel: a slider over the journal, a fork from any entry, and the session as a fixture for tests.
import { useRef, useState } from 'react';
import type { Entry } from '../../../src/journal/journal.ts';
import { agents, ask, fixture, type Standing } from '../api.ts';
import { useKey } from '../keys.tsx';
import { amend, go } from '../place.tsx';
import { eventWords } from '../words.ts';
import type { LiveSession } from './live.ts';

interface TimelineProps {
  readonly session: LiveSession;
  readonly at: number;
  readonly last: number;
  readonly past: boolean;
  readonly entries: readonly Entry[];
}

export function Timeline({ session, at, last, past, entries }: TimelineProps) {
  const move = (n: number): void => {
    const to = Math.min(Math.max(1, n), last);
    amend({ at: to === last ? undefined : String(to) });
  };
  useKey('ArrowLeft', 'One entry back', () => move(at - 1), last > 1);
  useKey('ArrowRight', 'One entry on', () => move(at + 1), past);
  useKey('Home', 'The first entry', () => move(1), last > 1);
  useKey('End', 'Now', () => move(last), past);
  const entry = entries[at - 1];
  return (
    <section className="timeline panel" aria-label="Time travel">
      <label>
        <span className="hidden">Entry</span>
        <input
          type="range"
          data-testid="timeline"
          min={1}
          max={Math.max(1, last)}
          value={Math.max(1, at)}
          disabled={last < 2}
          onChange={(event) => move(Number(event.target.value))}
          aria-valuetext={entry ? `entry ${at}: ${eventWords(entry.event.type)}, then ${entry.state}` : 'no entries'}
        />
      </label>
      <div className="bar">
        <span className="num">
          {at} / {last}
        </span>
        <b>{entry ? eventWords(entry.event.type) : '–'}</b>
        <button type="button" disabled={!past} onClick={() => move(last)} data-testid="now" aria-keyshortcuts="End">
          Now
        </button>
        <Fork session={session} at={at} ready={last > 0} />
        <Export session={session} at={at} ready={last > 0} />
      </div>
    </section>
  );
}

interface FromHere {
  readonly session: LiveSession;
  readonly at: number;
  readonly ready: boolean;
}

function Fork({ session, at, ready }: FromHere) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [known, setKnown] = useState<readonly string[]>([]);
  const [problem, setProblem] = useState<string>();
  const open = (): void => {
    setProblem(undefined);
    agents().then(
      ({ agents: all }) => setKnown([...new Set(all.map(({ agent_id }) => agent_id))]),
      () => {},
    );
    dialog.current?.showModal();
  };
  useKey('f', 'Fork the session at this entry', open, ready);
  const fork = async (form: FormData): Promise<void> => {
    const [name, agent_id] = [form.get('session'), form.get('agent_id')] as string[];
    const body = { entry: at, ...(name && { session: name }), ...(agent_id && { agent_id }) };
    try {
      const made = await ask<Standing>('POST', `/v1/sessions/${encodeURIComponent(session.id)}/fork`, body);
      dialog.current?.close();
      go(['sessions', made.session_id]);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  return (
    <>
      <button type="button" data-testid="fork" disabled={!ready} onClick={open} aria-keyshortcuts="f">
        Fork here
      </button>
      <dialog ref={dialog} aria-label={`Fork at entry ${at}`}>
        <form
          className="form"
          onSubmit={(event) => {
            event.preventDefault();
            void fork(new FormData(event.currentTarget));
          }}
        >
          <h2>Fork at entry {at}</h2>
          <p className="quiet">
            A new session lives through entries 1 to {at} again and goes on from there. With another agent, the last
            message of the user is answered anew by that one.
          </p>
          <label>
            <span>Name of the new session</span>
            <input
              name="session"
              placeholder="made up unless you say"
              pattern="[a-z0-9_\-]{1,63}"
              data-testid="fork-session"
            />
          </label>
          <label>
            <span>Agent</span>
            <select name="agent_id" data-testid="fork-agent">
              <option value="">as before</option>
              {known.map((id) => (
                <option key={id}>{id}</option>
              ))}
            </select>
          </label>
          {problem && <p className="notice">{problem}</p>}
          <div className="bar">
            <button type="submit" className="primary" data-testid="fork-go">
              Fork
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Back
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}

function Export({ session, at, ready }: FromHere) {
  const [problem, setProblem] = useState<string>();
  const save = async (): Promise<void> => {
    try {
      const text = JSON.stringify(await fixture(session.id, at), undefined, 2);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
      link.download = `${session.id}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
      setProblem(undefined);
    } catch (error) {
      setProblem((error as Error).message);
    }
  };
  useKey('d', 'Download the session as a test fixture', () => void save(), ready);
  return (
    <>
      <button type="button" data-testid="export" disabled={!ready} onClick={() => void save()} aria-keyshortcuts="d">
        Export as fixture
      </button>
      {problem && <span className="notice">{problem}</span>}
    </>
  );
}
