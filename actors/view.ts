// The view of a session's state for callers and lists.
import type { StateValue } from 'xstate';
import type { Question, SessionContext, Verb } from '../machines/session/events.ts';
import { runId } from '../machines/session/rules.ts';
import { outerLevel, stateName } from '../machines/state-name.ts';
import type { Session } from './session.ts';

/** The open question of a run: a decision for a person, or a tool call for its caller to execute. */
export type Asks =
  | { readonly kind: 'approval'; readonly action: string; readonly summary: string; readonly details?: unknown }
  | { readonly kind: 'tool'; readonly name: string; readonly arguments: unknown };

/** The current state of a session. */
export interface SessionView {
  readonly session_id: string;
  readonly control: 'automated' | 'pausing' | 'paused' | 'human' | 'closed' | 'failed';
  /** The turn's state, e.g. `idle` or `running.attempting`; null when the session has ended. */
  readonly turn: string | null;
  readonly epoch: number;
  readonly holder: string | null;
  /** The open run and its question. */
  readonly run: {
    readonly run_id: string;
    readonly agent_id: string | null;
    readonly attempt: number;
    readonly question: string | null;
    /** The content of that question; absent when there is none or it is decided already. */
    readonly asks?: Asks;
  } | null;
  /** Number of queued messages. */
  readonly waiting: number;
  /** The number of the last entry. */
  readonly entry: number;
  /** The verbs that the session accepts now; absent in the outcome of a message, where computing them would cost too much. */
  readonly allowed?: readonly Verb[];
}

/** The view of a live session. */
export const view = (session: Session): SessionView =>
  viewOf(session.key.session, session.snapshot, session.position.n);

/** The view of a session after entry `n`. */
export function viewOf(
  session_id: string,
  { value, context }: { readonly value: unknown; readonly context: unknown },
  n: number,
): SessionView {
  const { epoch, holder, run, queue } = context as SessionContext;
  const [control, turn = null] = stateName(value as StateValue).split('/') as [string, string?];
  return {
    session_id,
    control: outerLevel(control) as SessionView['control'],
    turn,
    epoch,
    holder,
    run: run && {
      run_id: runId(session_id, run.n),
      agent_id: run.agent,
      attempt: run.attempt,
      question: (run.decision ? undefined : run.question?.id) ?? null,
      ...(run.question && !run.decision && { asks: asksOf(run.question) }),
    },
    waiting: queue.length,
    entry: n,
  };
}

function asksOf({ id: _, ...asks }: Question): Asks {
  return asks;
}

/** The open question in a stored context; undefined when there is none. */
export function askedIn(context: unknown): { readonly question: string; readonly asks: Asks } | undefined {
  const { question, decision } = (context as SessionContext).run ?? {};
  return question && !decision ? { question: question.id, asks: asksOf(question) } : undefined;
}
