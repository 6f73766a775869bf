// What a person may do about a session. A button is enabled exactly when the session's machine accepts its event.
import { useCallback, useState } from 'react';
import { ask, command, type Standing } from '../api.ts';
import { useKey } from '../keys.tsx';
import { Answering } from './answering.tsx';
import { Close, TakeOver } from './asking.tsx';
import { Composer } from './composer.tsx';
import type { LiveSession, Now } from './live.ts';
import { questionOf } from './model.ts';

/** Sends something, and says what the service had against it. */
export type Send = (work: () => Promise<unknown>) => Promise<boolean>;

interface ActionsProps {
  readonly session: LiveSession;
  readonly now: Now;
  readonly past: boolean;
}

export function Actions({ session, now, past }: ActionsProps) {
  const [problem, setProblem] = useState<string>();
  const [busy, setBusy] = useState(false);
  const { id } = session;
  const allowed = new Set(past ? [] : now.standing?.allowed);
  const send: Send = useCallback(
    async (work) => {
      setBusy(true);
      setProblem(undefined);
      try {
        const answer = (await work()) as Partial<Standing> | undefined;
        if (answer?.session_id === id && answer.entry !== undefined) session.stands(answer as Standing);
        return true;
      } catch (error) {
        setProblem((error as Error).message);
        return false;
      } finally {
        setBusy(false);
      }
    },
    [session, id],
  );
  const question = past ? undefined : questionOf(now.entries);
  const shared = { send, allowed, id };
  return (
    <section className="actions" aria-label="Actions" aria-busy={busy}>
      {question && <Answering key={question.id} question={question} {...shared} />}
      <div className="bar">
        <Verb {...shared} verb="pause" keys="p" title="Pause" hint="after this answer" />
        <Verb {...shared} verb="pause" name="interrupt" keys="Shift+P" title="Interrupt" hint="at once" body={NOW} />
        <Verb {...shared} verb="resume" keys="r" title="Resume" hint="the AI goes on" />
        <TakeOver {...shared} holder={now.standing?.holder ?? null} />
        <Verb {...shared} verb="release" keys="l" title="Release" hint="the floor goes back to the AI" />
        <Verb {...shared} verb="cancel" keys="c" title="Cancel run" hint="ends the open run" danger />
        <Close {...shared} />
      </div>
      <Composer
        {...shared}
        missing={now.problem?.status === 404}
        past={past}
        held={now.standing?.holder != null}
        began={() => session.begin()}
      />
      {past && <p className="quiet">This is the past: go back to now to act, or fork from here.</p>}
      {problem && (
        <p className="notice" role="alert" data-testid="refused">
          {problem}
        </p>
      )}
    </section>
  );
}

const NOW = { mode: 'interrupt' };

export interface Shared {
  readonly id: string;
  readonly allowed: ReadonlySet<string>;
  readonly send: Send;
}

interface VerbProps extends Shared {
  readonly verb: string;
  readonly name?: string;
  readonly keys: string;
  readonly title: string;
  readonly hint: string;
  readonly body?: object;
  readonly danger?: boolean;
}

function Verb({ id, allowed, send, verb, name = verb, keys, title, hint, body = {}, danger }: VerbProps) {
  const enabled = allowed.has(verb);
  const act = (): void => void send(() => command(id, verb, body));
  useKey(keys, `${title}: ${hint}`, act, enabled);
  return (
    <button
      type="button"
      data-testid={`action-${name}`}
      className={danger ? 'danger' : undefined}
      disabled={!enabled}
      onClick={act}
      title={`${hint} (${keys.replace('Shift+', '⇧')})`}
      aria-keyshortcuts={keys}
    >
      {title}
    </button>
  );
}

/** The name under which a person acts; remembered in this browser. */
export function useName(): [string, (name: string) => void] {
  const [name, setName] = useState(() => localStorage.getItem('by') ?? 'supervisor');
  const keep = (next: string): void => {
    setName(next);
    localStorage.setItem('by', next);
  };
  return [name, keep];
}

/** The name as it is now, for what is sent without a form. */
export const nameNow = (): string => localStorage.getItem('by') || 'supervisor';

/** Answers the open question. */
export const decide = (id: string, approval: string, body: object): Promise<Standing> =>
  ask('POST', `/v1/sessions/${encodeURIComponent(id)}/approvals/${encodeURIComponent(approval)}`, body);
export const handIn = (id: string, call: string, body: object): Promise<Standing> =>
  ask('POST', `/v1/sessions/${encodeURIComponent(id)}/tool-results/${encodeURIComponent(call)}`, body);
