// The events that charts of tasks emit, as schemas: an agent's model and tools, the steps of a flow. Flows and sessions emit them again.
import { z } from 'zod';
import { usage } from '../../machines/task/events.ts';
import { event } from './event.ts';

const text = z.string();
const error = z.object({ code: text, message: text });
const call = { call: text.describe('the id of the call'), name: text };

const path = text
  .optional()
  .describe('where the agent is a step of a flow: the way to it, e.g. `plan` or `plan/search`');
/** Events of the agent of a step carry the way to the step, and of which agent it is. */
const ofAgent = { agent: text.optional().describe('where the agent is a step of a flow: which one it is'), path };
const ofStep = { step: text, agent: text, path };

const results = z
  .array(z.object({ step: text, agent: text, output: text.optional(), error: error.optional() }))
  .readonly();

const taskEvents = [
  event('model_replied', 'The model of an agent has replied.', {
    step: z.int().describe('counts the replies'),
    text,
    calls: z
      .array(z.object({ id: text, name: text, arguments: z.unknown() }))
      .readonly()
      .describe('the tools that it wants called'),
    usage: usage.optional(),
    model: text.optional(),
    ...ofAgent,
  }),
  event('tool_called', 'A tool is called.', { ...call, arguments: z.unknown(), ...ofAgent }),
  event('tool_finished', 'A call of a tool is over; `error` says why it came to nothing.', {
    ...call,
    ms: z.number(),
    output: z.unknown().optional(),
    error: error.optional(),
    ...ofAgent,
  }),
  event('steps_exhausted', 'The model must conclude without tools.', { max_steps: z.int(), ...ofAgent }),
  event('step_started', 'A step of a flow begins.', ofStep),
  event('step_resumed', 'A step of a flow that had asked goes on.', ofStep),
  event('step_finished', 'A step of a flow is over; `error` is there when it failed.', {
    ...ofStep,
    ms: z.number(),
    error: error.optional(),
  }),
  event('step_moved', 'A step of a flow goes to another agent.', { ...ofStep, from: text, reason: text }),
  event('step_retried', 'The agent of a step has failed, and is tried again.', {
    ...ofStep,
    endpoint: text.optional(),
    code: text,
    message: text,
  }),
  event('flow_finished', 'All steps of a flow are over.', {
    results,
    failed: results,
    success_rate: z.number().describe('of all steps, 0 to 1'),
    ...ofAgent,
  }),
] as const;

export const taskEvent = z.discriminatedUnion('type', taskEvents);

const ofAttempt = {
  run_id: text,
  agent_id: text.describe('the agent of the run'),
  attempt: z.int(),
};
type OfAttempt<E> = E extends z.ZodObject<infer S> ? z.ZodObject<S & typeof ofAttempt, z.core.$strict> : never;
type AllOfAttempt<L extends readonly unknown[]> = { [I in keyof L]: OfAttempt<L[I]> };

/** The same as a session emits them. */
export const attemptEvents = taskEvents.map((one) =>
  one.extend(ofAttempt).describe(one.description!),
) as unknown as AllOfAttempt<typeof taskEvents>;
