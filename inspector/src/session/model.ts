// What the page knows of a session: its entries, and the answer that is being written. Folded from what the service tells.
import type { Entry } from '../../../src/journal/journal.ts';

/** An answer as far as it was heard. */
export interface Answer {
  readonly run_id: string;
  readonly attempt: number;
  readonly text: string;
  /** It is complete, and its entry is on the way. */
  readonly finished: boolean;
}

export interface Model {
  /** Without gaps: entry `n` is at `n - 1`. */
  readonly entries: readonly Entry[];
  readonly answer: Answer | null;
}

export const EMPTY: Model = { entries: [], answer: null };

/** Takes in entries as the journal gave them; those that are known already, or come too early, change nothing. */
export function withEntries(model: Model, entries: readonly Entry[]): Model {
  const fresh: Entry[] = [];
  for (const entry of entries) if (entry.n === model.entries.length + fresh.length + 1) fresh.push(entry);
  if (fresh.length === 0) return model;
  const all = [...model.entries, ...fresh];
  const answer = model.answer && writes(all.at(-1)!, model.answer) ? model.answer : null;
  return { entries: all, answer };
}

/** Takes in one event of the session's stream: the pieces of an answer, and what ends it. */
export function heard(model: Model, event: string, data: any): Model {
  const { answer } = model;
  if (event === 'agent_stream_delta') return { ...model, answer: grown(answer, data) };
  if (!answer) return model;
  if (event === 'agent_invoke_done' && data.run_id === answer.run_id)
    return { ...model, answer: { ...answer, finished: true } };
  // The floor was taken, or another attempt begins: not one more word of this one is shown.
  if (event === 'state_change' && !answer.finished && !goesOn(data, answer)) return { ...model, answer: null };
  return model;
}

interface Delta {
  readonly run_id: string;
  readonly attempt: number;
  readonly offset: number;
  readonly text: string;
}

/** A piece replaces everything from its offset on. */
function grown(answer: Answer | null, { run_id, attempt, offset, text }: Delta): Answer {
  const same = answer?.run_id === run_id && answer.attempt === attempt;
  return { run_id, attempt, text: (same ? answer.text.slice(0, offset) : '') + text, finished: false };
}

function goesOn(
  standing: { turn: string | null; run: { run_id: string; attempt: number } | null },
  answer: Answer,
): boolean {
  const { turn, run } = standing;
  return turn === 'running.attempting' && run?.run_id === answer.run_id && run.attempt === answer.attempt;
}

/** Whether an entry leaves this attempt at work. */
function writes({ state, snapshot }: Entry, { run_id, attempt }: Answer): boolean {
  const { id, run } = snapshot.context as { id: string; run: { n: number; attempt: number } | null };
  return state.endsWith('running.attempting') && `${id}-r${run?.n}` === run_id && run?.attempt === attempt;
}

/** What a run waits for a person or its caller to answer. */
export interface Question {
  readonly id: string;
  readonly kind: 'approval' | 'tool';
  readonly agent_id?: string;
  readonly action?: string;
  readonly summary?: string;
  readonly details?: unknown;
  readonly name?: string;
  readonly arguments?: unknown;
}

/** The question that is open after the last of these entries. */
export function questionOf(entries: readonly Entry[]): Question | undefined {
  const last = entries.at(-1);
  const run = (
    last?.snapshot.context as { run?: { question?: { id: string; kind: Question['kind'] }; decision?: unknown } | null }
  )?.run;
  if (!run?.question || run.decision) return;
  const { id, kind } = run.question;
  for (const { emitted } of entries.toReversed())
    for (const one of emitted)
      if (
        (one.type === 'approval_requested' && one.approval === id) ||
        (one.type === 'tool_requested' && one.call === id)
      )
        return { ...(one as object), id, kind };
  return { ...run.question, id, kind };
}

/** Who has the floor after an entry, until when, and what waits. */
export function floorOf({ snapshot, owed }: Entry): {
  holder: string | null;
  until?: number;
  epoch: number;
  waiting: number;
} {
  const { holder, epoch, queue } = snapshot.context as {
    holder: string | null;
    epoch: number;
    queue: readonly unknown[];
  };
  const until = owed.find(({ id }) => id.includes('.deadline.'))?.due;
  return { holder, epoch, waiting: queue.length, ...(until !== undefined && { until }) };
}
