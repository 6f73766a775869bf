// The transcript: who said what, and what happened in between that a reader must know.

import { messagesOf } from '../../../actors/transcript.ts';
import type { Emitted, EmittedOf } from '../../../src/emitted/emitted.ts';
import type { Entry } from '../../../src/journal/journal.ts';

export type Line = Said | Mark;

export interface Said {
  readonly kind: 'said';
  readonly key: string;
  readonly n: number;
  readonly at: number;
  readonly role: 'user' | 'assistant' | 'supervisor' | 'tool';
  readonly content: string;
  /** The agent or the person, where it is known. */
  readonly who?: string;
  readonly mode?: 'speak' | 'whisper' | 'note';
}

export interface Mark {
  readonly kind: 'mark';
  readonly key: string;
  readonly n: number;
  readonly at: number;
  readonly tone: 'plain' | 'floor' | 'bad';
  readonly text: string;
}

// Entries never change, so neither do their lines.
const known = new WeakMap<Entry, readonly Line[]>();

export const linesOf = (entries: readonly Entry[]): Line[] => entries.flatMap(linesOfEntry);

function linesOfEntry(entry: Entry): readonly Line[] {
  const before = known.get(entry);
  if (before) return before;
  const { n, at } = entry;
  const said = messagesOf(entry).map(
    ({ role, content, by, agent_id, mode }, index): Line => ({
      kind: 'said',
      key: `${n}.said.${index}`,
      n,
      at,
      role,
      mode,
      ...(role === 'tool' ? toolCall(content) : { content, who: by ?? agent_id }),
    }),
  );
  const marks = entry.emitted.flatMap((one, index): Line[] => {
    const mark = markOf(one, entry);
    return mark ? [{ kind: 'mark', key: `${n}.mark.${index}`, n, at, ...mark }] : [];
  });
  // An answer stands before what follows from it.
  const lines = entry.event.type === 'message' || said.length > 0 ? [...said, ...marks] : [...marks, ...said];
  known.set(entry, lines);
  return lines;
}

/** A call of a tool as people read it: which, with what where that is known, and what came of it. */
function toolCall(content: string): Pick<Said, 'content' | 'who'> {
  const { name, arguments: args, input, output, error } = (JSON.parse(content) ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string') return { content };
  const given = args ?? input;
  const came =
    error === undefined ? text(output ?? null) : `failed: ${text((error as Partial<Error>).message ?? error)}`;
  return { who: name, content: given === undefined ? came : `${text(given)}\n→ ${came}` };
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const because = (reason: unknown): string => (reason ? `: ${text(reason)}` : '');

function markOf(one: Emitted, { event }: Entry): Pick<Mark, 'tone' | 'text'> | undefined {
  switch (one.type) {
    case 'control_changed':
      return { tone: 'floor', text: floor(one, event) };
    case 'run_suspended':
      return { tone: 'floor', text: 'The answer stopped here' };
    case 'run_resumed':
      return { tone: 'plain', text: 'The run goes on' };
    case 'run_failed':
      return { tone: 'bad', text: `The run failed${because(one.message)}` };
    case 'run_cancelled':
      return { tone: 'plain', text: `The run was cancelled${because(one.reason)}` };
    case 'run_recovered':
      return { tone: 'plain', text: 'The attempt is performed again, by another process' };
    case 'agent_invoke_failed':
      return {
        tone: 'bad',
        text: `Attempt ${one.attempt} of ${one.agent_id} failed${because(one.message)}`,
      };
    case 'agent_failed_over':
      return { tone: 'plain', text: `Tried elsewhere: ${one.agent_id}` };
    case 'agent_transferred':
      return { tone: 'plain', text: `${one.from} gave the run to ${one.to}${because(one.reason)}` };
    case 'transfer_failed':
      return { tone: 'bad', text: `${one.agent_id} could not take the run${because(one.message)}` };
    case 'approval_requested':
      return { tone: 'floor', text: `${one.agent_id} asks for approval of ${one.action}${because(one.summary)}` };
    case 'tool_called':
      return { tone: 'plain', text: `${one.agent_id} calls ${one.name} ${text(one.arguments ?? {})}` };
    case 'tool_requested':
      return { tone: 'plain', text: `${one.agent_id} asks the caller to run ${one.name} ${text(one.arguments ?? {})}` };
    case 'question_answered':
      return { tone: 'floor', text: answered(one) };
    case 'session_closed':
      return { tone: 'floor', text: `Closed${because(one.reason)}` };
    case 'session_failed':
      return { tone: 'bad', text: `The session was given up${because(one.reason)}` };
  }
  return;
}

function floor(
  { control, reason, by: who }: EmittedOf<'control_changed'>,
  { type: event, by: sender }: Entry['event'],
): string {
  const by = who ?? sender ?? 'somebody';
  if (control === 'human') return `${by} has the floor${because(reason)}`;
  if (control === 'automated')
    return event.startsWith('xstate.after.deadline')
      ? 'The deadline passed: the AI has the floor'
      : 'The AI has the floor';
  if (control === 'pausing') return `Pauses after this answer${because(reason)}`;
  return event === 'pause' ? `Paused${because(reason)}` : `Paused until somebody comes${because(reason)}`;
}

function answered(one: EmittedOf<'question_answered'>): string {
  if (one.kind === 'tool') return one.error ? `The tool failed${because(one.error)}` : 'The tool has answered';
  const { decision, by, reason } = one;
  if (decision === 'expired') return 'Nobody decided in time';
  return `${by ?? 'Somebody'} ${decision === 'approve' ? 'approved' : 'rejected'}${because(reason)}`;
}
