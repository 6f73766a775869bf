// A run as a task of A2A: its state, its answer as an artifact, and its messages as history.

import { parseRunId, type RunEvent, type RunView } from '../../../../actors/transcript.ts';
import type { Conversations } from '../../../sessions/conversations.ts';
import type { Artifact, Message, Part, Task, TaskState } from './objects.ts';

/** The task of a run. Throws `Refused('unknown_run')`. */
export async function taskOf(conversations: Conversations, tenant: string, id: string): Promise<Task> {
  const { run, events } = await conversations.run(tenant, id);
  // A message to a run that waited joined that run, which answers it.
  if (run.joined !== undefined) return { ...(await taskOf(conversations, tenant, run.joined)), id };
  const contextId = run.session_id;
  const history = historyOf(events, id, contextId);
  const message = saying(run, events);
  const state = stateOf(run);
  return {
    id,
    contextId,
    status: {
      state,
      ...(message && { message: agentMessage(`${id}-${events.at(-1)!.id}`, message, id, contextId) }),
      timestamp: new Date(run.updated_at).toISOString(),
    },
    ...(run.final_message !== undefined && { artifacts: [answerOf(id, run.final_message)] }),
    ...(history.length > 0 && { history }),
  };
}

export const answerOf = (run_id: string, text: string): Artifact => ({
  artifactId: `${run_id}-answer`,
  name: 'answer',
  parts: [{ text }],
});

/** The task with at most `length` messages of its history, the protocol's `historyLength`; undefined means all. */
export function withHistory({ history, ...task }: Task, length: number | undefined): Task {
  if (!history || length === 0) return task;
  return { ...task, history: length === undefined ? history : history.slice(-length) };
}

/** The session of a task id; undefined if the id does not parse. */
export const sessionOf = (id: string): string | undefined => parseRunId(id)?.session;

function stateOf({ status, waiting_for }: RunView): TaskState {
  if (status === 'DONE') return 'TASK_STATE_COMPLETED';
  if (status === 'FAILED') return 'TASK_STATE_FAILED';
  if (status === 'CANCELLED') return 'TASK_STATE_CANCELED';
  if (status === 'CREATED') return 'TASK_STATE_SUBMITTED';
  // A run held up by a person counts as working: its client has nothing to do.
  return waiting_for === undefined || waiting_for === 'resume' ? 'TASK_STATE_WORKING' : 'TASK_STATE_INPUT_REQUIRED';
}

/** The status message: the question, or the reason why there is no answer. */
function saying({ status, waiting_for, error, reason }: RunView, events: readonly RunEvent[]): Part[] | undefined {
  if (status === 'FAILED') return [{ text: error!.message }, { data: { error } }];
  if (status === 'CANCELLED') return [{ text: reason ?? 'cancelled' }];
  if (waiting_for === undefined || waiting_for === 'resume') return undefined;
  return events.map(questionOf).findLast((parts) => parts !== undefined);
}

/** What an event asks, if it asks something. */
function questionOf(one: RunEvent): Part[] | undefined {
  if (one.type === 'input_requested') return [{ text: one.prompt }];
  if (one.type === 'approval_requested') {
    const { approval: id, action, summary, details } = one;
    return [{ text: summary }, { data: { approval: { id, action, summary, details } } }];
  }
  if (one.type !== 'tool_requested') return undefined;
  const { call: id, name, arguments: args } = one;
  return [{ text: `Call ${name} and send its result.` }, { data: { tool: { id, name, arguments: args } } }];
}

function historyOf(events: readonly RunEvent[], taskId: string, contextId: string): Message[] {
  return events.flatMap((event): Message[] => {
    if (event.type === 'user_input') {
      const parts = [{ text: event.content }];
      return [{ messageId: ownId(event.message_id), role: 'ROLE_USER', parts, taskId, contextId }];
    }
    const asked = questionOf(event);
    return asked ? [agentMessage(`${taskId}-${event.id}`, asked, taskId, contextId)] : [];
  });
}

/** The idempotency key of a client's message id; `ownId` is its inverse. */
export const causeOf = (messageId: string): string => `${PREFIX}${messageId}`;
const ownId = (id: string): string => (id.startsWith(PREFIX) ? id.slice(PREFIX.length) : id);
const PREFIX = 'a2a/';

const agentMessage = (messageId: string, parts: Part[], taskId: string, contextId: string): Message => ({
  messageId,
  role: 'ROLE_AGENT',
  parts,
  taskId,
  contextId,
});
