// Writes a session's feed items as lines of a transcript.

import type { Emitted } from '../../emitted/emitted.ts';
import type { Entry } from '../../journal/journal.ts';
import type { FeedItem } from '../../sessions/feed.ts';

/** Beginnings of the lines that stand for events. A line that is neither one of these nor a direction is an error. */
export const TELLING =
  /^(assistant|assistant streams|approval wanted|tool wanted|failed|cancelled|joined|attempt failed|failover|suspended|resumed|recovered|expired|control|kept|refused|unanswered)(:|$)/;

export function linesOf(item: FeedItem): string[] {
  if (item.type === 'part') return [`assistant streams: ${JSON.stringify(item.part.text)}`];
  const { entry } = item;
  return entry.emitted.flatMap((one) => tell(one, entry) ?? []).map(indented);
}

/** Indents the continuation lines. */
export const indented = (line: string): string => line.replaceAll('\n', '\n  ');

function tell(one: Emitted, { event }: Entry): string | undefined {
  switch (one.type) {
    case 'agent_invoke_done':
      return typeof one.final_message === 'string' ? `assistant: ${one.final_message}` : undefined;
    case 'input_requested':
      return `assistant: ${one.prompt}`;
    case 'approval_requested':
      return `approval wanted: ${one.summary}`;
    case 'tool_requested':
      return `tool wanted: ${one.name} ${JSON.stringify(one.arguments)}`;
    case 'agent_invoke_failed':
      return `attempt failed: ${one.code}: ${one.message}`;
    case 'agent_failed_over':
      return `failover: ${one.agent_id}`;
    case 'run_failed':
      return `failed: ${one.code}: ${one.message}`;
    case 'run_cancelled':
      return `cancelled: ${one.reason}`;
    case 'run_joined':
      return `joined: ${one.run_id === one.into ? one.into : `${one.run_id} into ${one.into}`}`;
    case 'run_suspended':
      return 'suspended';
    case 'run_resumed':
      return 'resumed';
    case 'run_recovered':
      return 'recovered';
    case 'question_answered':
      return event.type.startsWith('xstate.') ? 'expired' : undefined;
    case 'control_changed':
      // A change that a direction caused is already in the transcript.
      return event.type.startsWith('xstate.') ? `control: ${one.control}` : undefined;
    default:
      return;
  }
}
