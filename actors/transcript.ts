// Folds of a journal for people and models: the two histories, the events of a run, the outcome of a run. They are
// computed from entries and never stored.
import type { HistoryMessage } from '../src/agents/definition.ts';
import type { Emitted, EmittedOf } from '../src/emitted/emitted.ts';
import { isEnd, isOutcome, RUN_OUTCOMES, runOf } from '../src/emitted/run.ts';
import type { Entry } from '../src/journal/journal.ts';
import type { Part } from './parts.ts';

/** One message of the full history. */
export interface TranscriptMessage {
  readonly role: 'user' | 'assistant' | 'supervisor' | 'tool';
  readonly content: string;
  /** The entry that contains it, and the time of that entry, ms since the epoch. */
  readonly n: number;
  readonly at: number;
  readonly message_id?: string;
  readonly run_id?: string;
  readonly agent_id?: string;
  /**
   * For supervisors: the person, and whether the user sees the message (`speak`), the model (`whisper`) or only staff
   * (`note`).
   */
  readonly by?: string;
  readonly mode?: 'speak' | 'whisper' | 'note';
}

export type View = 'full' | 'llm';

/** The messages of one entry, in order. The full view has all roles; the llm view has user and assistant only. */
export function messagesOf(entry: Entry, view: View = 'full'): TranscriptMessage[] {
  const { n, at, event, emitted } = entry;
  const messages: TranscriptMessage[] = [];
  if (event.type === 'message')
    messages.push({ role: 'user', content: event.content as string, n, at, message_id: event.id as string });
  for (const one of emitted) {
    if (one.type === 'agent_invoke_done') {
      const { run_id, agent_id, steps = [], final_message } = one;
      if (view === 'full')
        for (const step of steps)
          messages.push({ role: 'tool', content: JSON.stringify(step), n, at, run_id, agent_id });
      if (final_message !== undefined)
        messages.push({ role: 'assistant', content: final_message, n, at, run_id, agent_id });
    } else if (one.type === 'tool_finished' && view === 'full') {
      const { run_id, agent_id, call, name, output, error, ms } = one;
      messages.push({
        role: 'tool',
        content: JSON.stringify({ type: 'tool', call, name, output, error, ms }),
        n,
        at,
        run_id,
        agent_id,
      });
    } else if (one.type === 'input_requested') {
      const { run_id, agent_id, prompt: content } = one;
      messages.push({ role: 'assistant', content, n, at, run_id, agent_id });
    } else if (one.type === 'supervisor_message' && view === 'full') {
      const { mode, content, by } = one;
      messages.push({ role: 'supervisor', content, n, at, by, mode });
    }
  }
  return messages;
}

/** The llm history before a message: its last `limit` messages, without those that the current run answers. */
export function before(
  messages: readonly TranscriptMessage[],
  limit: number,
  without: ReadonlySet<string>,
): TranscriptMessage[] {
  return messages.filter(({ message_id }) => message_id === undefined || !without.has(message_id)).slice(-limit);
}

/** The same messages as agents get them. */
export const asHistory = (messages: readonly TranscriptMessage[]): HistoryMessage[] =>
  messages.map(({ role, content }) => ({ role: role as HistoryMessage['role'], content }));

/** A piece of a streamed answer; one that is told while it is written also says of which epoch, and after which entry. */
export interface StreamDelta extends Omit<Part, 'epoch' | 'entry'>, Partial<Pick<Part, 'epoch' | 'entry'>> {
  readonly type: 'agent_stream_delta';
}

/** An event of a run as `GET /v1/runs/{run_id}/events` shows it. `id` is its place in the session's journal. */
export type RunEvent = (Emitted | StreamDelta) & { readonly id: string; readonly at: number };

/** All events of an entry that belong to a run; the deltas of a finished answer precede its `agent_invoke_done`. */
export const runEventsOf = (entry: Entry, run_id: string): RunEvent[] =>
  entry.emitted.flatMap((one, k) => (runOf(one) === run_id ? told(entry, one, k) : []));

/** All events of an entry, with or without a run. */
export const eventsOf = (entry: Entry): RunEvent[] => entry.emitted.flatMap((one, k) => told(entry, one, k));

function told(entry: Entry, one: Emitted, k: number): RunEvent[] {
  const event: RunEvent = { ...one, id: `${entry.n}.${k}`, at: entry.at };
  return one.type === 'agent_invoke_done' ? [...deltasOf(entry, one), event] : [event];
}

/** The deltas of a finished answer, cut from its text by the journaled marks. */
function deltasOf(entry: Entry, done: EmittedOf<'agent_invoke_done'>): RunEvent[] {
  const { streamed, ms, result } = (entry.event.output ?? {}) as {
    streamed?: { text?: string; parts: [number, number][] };
    ms: number;
    result: { final_message?: string };
  };
  if (!streamed) return [];
  const text = streamed.text ?? result.final_message ?? '';
  const began = entry.at - ms;
  let offset = 0;
  return streamed.parts.map(([after, length], index) => {
    const delta: RunEvent = {
      type: 'agent_stream_delta',
      id: `${entry.n}.delta.${index}`,
      at: began + after,
      run_id: done.run_id,
      attempt: done.attempt,
      offset,
      text: text.slice(offset, offset + length),
    };
    offset += length;
    return delta;
  });
}

export type RunStatus = 'CREATED' | 'RUNNING' | 'DONE' | 'FAILED' | 'CANCELLED';

/** A run as `GET /v1/runs/{run_id}` shows it. */
export interface RunView {
  readonly run_id: string;
  readonly session_id: string;
  readonly status: RunStatus;
  readonly agent_id: string | null;
  readonly attempts: number;
  /** What the run waits for, while it does: `input`, `approval`, `tool`, `resume`. */
  readonly waiting_for?: 'input' | 'approval' | 'tool' | 'resume';
  readonly final_message?: string;
  readonly usage?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
  readonly reason?: string;
  readonly joined?: string;
  readonly created_at: number;
  readonly updated_at: number;
}

/** Folds the events of a run to its view; undefined when there are none. */
export function foldRun(session_id: string, run_id: string, events: readonly RunEvent[]): RunView | undefined {
  const [first] = events;
  if (!first) return;
  let view: RunView = {
    run_id,
    session_id,
    status: 'CREATED',
    agent_id: null,
    attempts: 0,
    created_at: first.at,
    updated_at: first.at,
  };
  for (const event of events) {
    view = { ...view, updated_at: event.at };
    if (event.type === 'agent_stream_delta') continue;
    if (isOutcome(event) && !isEnd(event)) view = { ...view, waiting_for: RUN_OUTCOMES[event.type].waits_for };
    else if (view.waiting_for && /^(agent_invoke_started|run_)/.test(event.type))
      view = { ...view, waiting_for: undefined };
    view = { ...view, ...changeOf(event, run_id) };
  }
  return view;
}

/** What an event says of its run. */
function changeOf(event: Emitted, run_id: string): Partial<RunView> {
  switch (event.type) {
    case 'run_started':
      return { status: 'RUNNING' };
    case 'run_routed':
      return { agent_id: event.agent };
    case 'agent_invoke_started':
      return { agent_id: event.agent_id, attempts: event.attempt };
    case 'agent_invoke_done':
      return event.final_message === undefined ? {} : { final_message: event.final_message, usage: event.usage };
    case 'run_done':
      return { status: 'DONE' };
    case 'run_joined':
      return event.into === run_id ? {} : { status: 'DONE', joined: event.into };
    case 'run_failed':
      return { status: 'FAILED', error: { code: event.code, message: event.message } };
    case 'run_cancelled':
      return { status: 'CANCELLED', reason: event.reason };
    default:
      return {};
  }
}

/** `s1-r3` → session `s1`, run 3; undefined when it is not a run id. */
export function parseRunId(run_id: string): { session: string; n: number } | undefined {
  const found = /^([a-z0-9_-]{1,63})-r(\d{1,15})$/.exec(run_id);
  return found ? { session: found[1]!, n: Number(found[2]) } : undefined;
}
