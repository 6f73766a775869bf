// The events that the session chart emits itself, as schemas.
import { z } from 'zod';
import { bodies, route } from '../../machines/session/events.ts';
import { usage } from '../../machines/task/events.ts';
import { event } from './event.ts';

const text = z.string();
const ofRun = { run_id: text.describe('`{session_id}-r{number}`') };
const ofMessage = { ...ofRun, message_id: text.describe('the last message that the run took in') };
const ofAgent = { ...ofMessage, agent_id: text };
const attempt = z.int().describe('counted from 1 in every run, over retries, failovers and resumptions');
const why = { by: text.optional(), reason: text.optional() };
const { decision, ...edited } = bodies.approve.shape;

const toolStep = z
  .object({
    type: z.literal('tool'),
    name: text,
    input: z.unknown(),
    output: z.unknown().optional(),
    error: z.object({ code: text, message: text }).optional(),
    started_at: z.number().describe('ms since the epoch'),
    ms: z.number(),
  })
  .describe('a tool call of an agent that is a function');

export const sessionEvents = [
  event('message_accepted', 'A message is kept; its run answers it.', { ...ofMessage, content: text }),
  event('run_started', 'A run begins.', ofMessage),
  event('user_input', 'Words of the user that the next attempt answers.', { ...ofMessage, content: text }),
  event('run_routed', 'The agent of a run is decided.', { ...ofRun, ...route.shape }),
  event('run_joined', 'A message is answered together with a later one.', {
    ...ofMessage,
    into: text.describe('the run that answers it'),
    by: text.describe('the later message'),
  }),
  event('run_done', 'A run has its answer, which stands in the `agent_invoke_done` before.', ofAgent),
  event('run_failed', 'A run has failed for good.', {
    ...ofMessage,
    agent_id: text.nullable(),
    code: text,
    message: text,
    retry_after_s: z.number().optional(),
  }),
  event('run_cancelled', 'A run is left without an answer.', { ...ofMessage, reason: text }),
  event('run_suspended', 'The attempt at work was stopped; the run goes on when the AI has the floor again.', {
    ...ofMessage,
    reason: text.describe('the event that stopped it'),
  }),
  event('run_resumed', 'A suspended run goes on.', ofRun),
  event('run_recovered', 'The process that performed the run died; another performs the attempt again.', {
    ...ofRun,
    attempt,
  }),
  event('agent_invoke_started', 'An attempt begins.', { ...ofRun, agent_id: text, attempt, epoch: z.int() }),
  event('agent_invoke_done', 'An attempt came to an answer, a question or a transfer.', {
    ...ofAgent,
    attempt,
    endpoint: text,
    ms: z.number(),
    final_message: text.optional().describe('the answer, if it is one'),
    usage: usage.optional(),
    steps: z.array(toolStep).readonly().optional(),
    asks: z.enum(['input_required', 'approval_required', 'tool_required', 'transfer']).optional(),
  }),
  event('agent_invoke_failed', 'An attempt failed.', {
    ...ofRun,
    agent_id: text,
    attempt,
    endpoint: text.optional(),
    code: text,
    message: text,
    retryable: z.boolean(),
  }),
  event('agent_failed_over', 'The next attempt goes to another instance, or to this other agent.', {
    ...ofRun,
    agent_id: text,
    tried: z.array(text).readonly().describe('the instances that have failed'),
  }),
  event('agent_transferred', 'An agent gave the run to another one.', {
    ...ofAgent,
    receipt: text.describe('the id of the transfer'),
    from: text,
    to: text,
    reason: text,
  }),
  event('transfer_completed', 'The other agent has come to something: the run stays with it.', {
    ...ofRun,
    receipt: text,
    agent_id: text,
  }),
  event('transfer_failed', 'The other agent could not take the run, which is back where it came from.', {
    ...ofRun,
    receipt: text,
    agent_id: text,
    back_to: text,
    code: text,
    message: text,
  }),
  event('input_requested', 'The run needs the next message of the user.', { ...ofAgent, prompt: text }),
  event('approval_requested', 'A person must decide before the agent goes on.', {
    ...ofAgent,
    approval: text,
    action: text,
    summary: text,
    details: z.unknown().optional(),
  }),
  event('tool_requested', 'The caller must run this tool and hand in its result.', {
    ...ofAgent,
    call: text,
    name: text,
    arguments: z.unknown(),
  }),
  z.discriminatedUnion('kind', [
    event('question_answered', 'A person has decided, or the time to decide is over.', {
      ...ofRun,
      question: text.describe('the id of the approval'),
      kind: z.literal('approval'),
      decision: z.enum([...decision.options, 'expired']),
      by: edited.by.optional(),
      reason: edited.reason,
      arguments: edited.arguments,
    }),
    event('question_answered', 'The caller has handed in the result of a tool, or the time to do so is over.', {
      ...ofRun,
      question: text.describe('the id of the call'),
      kind: z.literal('tool'),
      result: z.unknown().optional(),
      error: text.optional(),
    }),
  ]),
  event('control_changed', 'Who has the floor.', {
    control: z.enum(['automated', 'pausing', 'paused', 'human']),
    epoch: z.int().describe('raised by every takeover and release'),
    holder: text.nullable(),
    ...why,
  }),
  event('supervisor_message', 'A person spoke to the user, guided the agent or left a note.', {
    ...bodies.inject.shape,
    mode: bodies.inject.shape.mode.unwrap(),
    epoch: z.int(),
  }),
  event('session_closed', 'The conversation is over.', why),
  event('session_failed', 'The runtime gave the session up.', { reason: text }),
] as const;
