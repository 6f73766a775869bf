// How a session stands, as callers and lists see it.
import type { StateValue } from 'xstate';
import type { Question, SessionContext, Verb } from '../machines/session/events.ts';
import { runId } from '../machines/session/rules.ts';
import { outerLevel, stateName } from '../machines/state-name.ts';
import type { Session } from './session.ts';

/** What a run asks of somebody outside: what a person decides upon, or the tool that its caller is to run. */
export type Asks =
  | { readonly kind: 'approval'; readonly action: string; readonly summary: string; readonly details?: unknown }
  | { readonly kind: 'tool'; readonly name: string; readonly arguments: unknown };

/** A session as it stands. */
export interface SessionView {
  readonly session_id: string;
  readonly control: 'automated' | 'pausing' | 'paused' | 'human' | 'closed' | 'failed';
  /** The turn's state, e.g. `idle` or `running.attempting`; null when the session has ended. */
  readonly turn: string | null;
  readonly epoch: number;
  readonly holder: string | null;
  /** The open run, with what it waits for. */
  readonly run: {
    readonly run_id: string;
    readonly agent_id: string | null;
    readonly attempt: number;
    readonly question: string | null;
    /** What that question is about; not there when nothing is asked, or it is decided already. */
    readonly asks?: Asks;
  } | null;
  /** Messages that wait. */
  readonly waiting: number;
  /** The number of the last entry. */
  readonly entry: number;
  /** What a caller may do now; not told where it would cost more than it is worth. */
  readonly allowed?: readonly Verb[];
}

/** How a session stands, from its live snapshot. */
export const view = (session: Session): SessionView =>
  viewOf(session.key.session, session.snapshot, session.position.n);

/** How a session stood after entry `n`. */
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

/** What a stored session asks, if it waits for somebody. */
export function askedIn(context: unknown): { readonly question: string; readonly asks: Asks } | undefined {
  const { question, decision } = (context as SessionContext).run ?? {};
  return question && !decision ? { question: question.id, asks: asksOf(question) } : undefined;
}
