// What can happen to an agent that thinks and acts: the schemas of its events, its input and its context.
import { z } from 'zod';
import { decided, heard, type Question, usage } from '../task/events.ts';

/** One line of this run in the OpenAI shape. The performer adds the instructions and the conversation before. */
export const modelMessage = z.discriminatedUnion('role', [
  z.object({ role: z.literal('user'), content: z.string() }),
  z.object({
    role: z.literal('assistant'),
    content: z.string().nullable(),
    tool_calls: z
      .array(
        z.object({
          id: z.string(),
          type: z.literal('function'),
          function: z.object({ name: z.string(), arguments: z.string() }),
        }),
      )
      .optional(),
  }),
  z.object({ role: z.literal('tool'), tool_call_id: z.string(), content: z.string() }),
]);
export type ModelMessage = z.infer<typeof modelMessage>;

/** A call that the model wants made, already checked against the tool's schema. */
export const wantedCall = z.object({
  id: z.string(),
  name: z.string(),
  arguments: z.json(),
  /** Runs here, runs once a person has approved it, runs at the caller, or gives the run to another agent. */
  kind: z.enum(['run', 'approve', 'client', 'transfer']),
  /** Why it cannot be made: told to the model instead of being run. */
  invalid: z.string().optional(),
  /** Shown to the person who approves it. */
  summary: z.string().optional(),
  /** Where a transfer goes, and why. */
  agent: z.string().optional(),
  reason: z.string().optional(),
});
export type WantedCall = z.infer<typeof wantedCall>;

export const modelReply = z.object({
  text: z.string(),
  calls: z.array(wantedCall),
  usage: usage.optional(),
  /** What the model said instead of an answer it would not give. */
  refusal: z.string().optional(),
  model: z.string().optional(),
});
export type ModelReply = z.infer<typeof modelReply>;

/** A call of the reply that is being acted on. It is open until it has a result. */
const call = wantedCall.extend({
  approved: z.boolean().optional(),
  /** Who approved it with other arguments than the model's. */
  edited_by: z.string().optional(),
  /** What the model is told of it. */
  result: z.string().optional(),
});
export type Call = z.infer<typeof call>;

export const reactInput = z.object({
  /** The user's words. */
  input: z.array(z.string()),
  /** Replies with calls that are acted on; after so many the model is asked once more, to conclude without tools. */
  max_steps: z.int().positive(),
});
export type ReactInput = z.infer<typeof reactInput>;

export const reactContext = z.object({
  max_steps: z.int(),
  /** Replies of the model so far. */
  steps: z.int(),
  messages: z.array(modelMessage),
  /** The user's words that the next call of the model sees. */
  heard: z.array(z.string()),
  /** Of the last reply, in its order. */
  calls: z.array(call),
  question: z.custom<Question>().nullable(),
  /** What the user saw, reply by reply. */
  said: z.array(z.string()),
  usage,
  /** Whether the model was asked again because it had said nothing. */
  nudged: z.boolean(),
});
export type ReactContext = z.infer<typeof reactContext>;

export const reactEvent = z.discriminatedUnion('type', [
  heard,
  decided,
  /** A call ended; told while the others still run. */
  z.object({
    type: z.literal('tool.finished'),
    call: z.string(),
    output: z.json().optional(),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    ms: z.number(),
  }),
]);
export type ReactEvent = z.infer<typeof reactEvent>;

/** What the model is asked with; a `concluding` call offers no tools. */
export interface ModelInput {
  readonly messages: readonly ModelMessage[];
  readonly concluding: boolean;
}

/** The calls that may run now, all at once. None of them has a result yet. */
export interface ToolsInput {
  readonly calls: readonly Pick<Call, 'id' | 'name' | 'arguments'>[];
}
