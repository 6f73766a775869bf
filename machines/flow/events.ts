// What can happen to a flow over other agents: the schemas of its events, its input and its context.
import { z } from 'zod';
import { failure, plan } from '../attempt/events.ts';
import type { Decision } from '../session/events.ts';
import { decided, heard, type Question, told, usage } from '../task/events.ts';

const declaredStep = z.object({
  id: z.string(),
  agent: z.string(),
  timeout_ms: z.int().positive().optional(),
});

const error = z.object({ code: z.string(), message: z.string() });

const step = declaredStep.extend({
  /** Writes the answer of the flow, when all others have ended. */
  aggregates: z.boolean().optional(),
  state: z.enum(['waiting', 'running', 'asking', 'done', 'failed']),
  /** How many of the user's words there were when it began. */
  from: z.int().optional(),
  /** The words since then; once it has asked for some, those that were the answer and since. */
  words: z.array(z.string()),
  answering: z.boolean().optional(),
  /** What its agent goes on with, and what came of the question it asked last. */
  task: z.unknown().optional(),
  decision: z.custom<Decision>().optional(),
  question: z.custom<Question>().optional(),
  /** The agent that gave it away and why, and what that one goes on with when the present one cannot. */
  back: z
    .object({
      agent: z.string(),
      reason: z.string(),
      task: z.unknown().optional(),
      words: z.array(z.string()),
      answering: z.boolean().optional(),
    })
    .optional(),
  /** How often it went to another agent, and how often its present one has failed: calls are named by both. */
  moves: z.int(),
  failures: z.int(),
  plan,
  /** When it may be tried again, ms since the epoch. */
  not_before: z.number().optional(),
  output: z.string().optional(),
  error: error.optional(),
});
export type Step = z.infer<typeof step>;

export const flowInput = z.object({
  mode: z.enum(['sequential', 'parallel']),
  steps: z.array(declaredStep).min(1),
  on_failure: z.enum(['stop', 'continue']),
  /** Failed attempts of each agent of a step before its fallbacks are tried; 3 unless told. */
  attempts: z.int().positive().optional(),
  /** The first wait between them, ms; it doubles up to 30 s; 500 unless told. */
  backoff_ms: z.number().optional(),
  /** Who makes one answer of the results: another agent, or the function that comes with the flow; a default unless told. */
  aggregate: z.union([declaredStep, z.literal('function')]).optional(),
  /** The user's words. */
  input: z.array(z.string()),
});
export type FlowInput = z.infer<typeof flowInput>;

export const flowContext = flowInput.pick({ mode: true, on_failure: true, attempts: true, backoff_ms: true }).extend({
  aggregates: z.boolean(),
  words: z.array(z.string()),
  steps: z.array(step),
  question: z.custom<Question>().nullable(),
  answer: z.string().nullable(),
  /** Said when a step gave the conversation to a person. */
  handover: z.object({ final_message: z.string(), reason: z.string() }).nullable(),
  usage,
});
export type FlowContext = z.infer<typeof flowContext>;

/** An event about one step. */
const ofStep = <T extends string, S extends z.core.$ZodLooseShape>(type: T, shape: S) =>
  z.object({ type: z.literal(type), step: z.string(), ...shape, told });

/** The performer of the steps reports on each. */
export const flowEvent = z.discriminatedUnion('type', [
  heard,
  decided,
  /** The agent of a step got so far that it must not do it again. */
  ofStep('step.progressed', { task: z.unknown() }),
  /** An attempt of its agent failed. `chain`: the agent it was declared with and then its fallbacks; `at`: ms since the epoch. */
  ofStep('step.failed', { failure, chain: z.array(z.string()), at: z.number(), ms: z.number() }),
  /** Its agent gave it to another one, which begins afresh; `task` is what the giver goes on with should that one fail. */
  ofStep('step.transferred', { agent: z.string(), reason: z.string(), task: z.unknown().optional(), ms: z.number() }),
  ofStep('step.finished', { output: z.string(), usage: usage.optional(), ms: z.number() }),
  ofStep('step.asked', { question: z.custom<Question>(), task: z.unknown().optional() }),
  /** It gave the conversation to a person, which ends the flow. */
  ofStep('step.handed_over', { final_message: z.string(), reason: z.string() }),
]);
export type FlowEvent = z.infer<typeof flowEvent>;

/** What came of a step, as the steps after it and the function that aggregates get it: either `output` or `error` is there. */
export interface StepResult {
  readonly step: string;
  readonly agent: string;
  readonly output?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

export interface AggregateInput {
  readonly words: readonly string[];
  readonly results: readonly StepResult[];
}

/** The steps that are at work, all at once. */
export interface StepsInput extends AggregateInput {
  readonly steps: readonly Step[];
}
