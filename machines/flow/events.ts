// What can happen to a flow over other agents: the schemas of its events, its input and its context.
import { z } from 'zod';
import { failure, plan } from '../attempt/events.ts';
import type { Decision } from '../session/events.ts';
import { decided, heard, type Question, usage } from '../task/events.ts';

const declaredStep = z.object({
  id: z.string(),
  agent: z.string(),
  timeout_ms: z.int().positive().optional(),
  /** Agents to try, in order, when its own has failed for good. */
  fallbacks: z.array(z.string()).optional(),
});

const error = z.object({ code: z.string(), message: z.string() });

/** What an agent's own chart told on its way; it is told on, with the step. */
const told = z.array(z.looseObject({ type: z.string() })).optional();

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

export const flowContext = z.object({
  mode: flowInput.shape.mode,
  on_failure: flowInput.shape.on_failure,
  attempts: flowInput.shape.attempts,
  backoff_ms: flowInput.shape.backoff_ms,
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

const id = z.string();

/** Whoever performs the steps tells of each. */
export const flowEvent = z.discriminatedUnion('type', [
  heard,
  decided,
  /** The agent of a step got so far that it must not do it again. */
  z.object({ type: z.literal('step.progressed'), step: id, task: z.unknown(), told }),
  /** An attempt of its agent failed; the attempt policy says what follows. `at` is ms since the epoch. */
  z.object({ type: z.literal('step.failed'), step: id, failure, at: z.number(), ms: z.number(), told }),
  /** Its agent gave it to another one, which begins afresh; `task` is what the giver goes on with should that one fail. */
  z.object({
    type: z.literal('step.transferred'),
    step: id,
    agent: z.string(),
    reason: z.string(),
    task: z.unknown().optional(),
    ms: z.number(),
    told,
  }),
  z.object({
    type: z.literal('step.finished'),
    step: id,
    output: z.string(),
    usage: usage.optional(),
    ms: z.number(),
    told,
  }),
  z.object({
    type: z.literal('step.asked'),
    step: id,
    question: z.custom<Question>(),
    task: z.unknown().optional(),
    told,
  }),
  /** It gave the conversation to a person, which ends the flow. */
  z.object({
    type: z.literal('step.handed_over'),
    step: id,
    final_message: z.string(),
    reason: z.string(),
    told,
  }),
]);
export type FlowEvent = z.infer<typeof flowEvent>;

export type FlowEmitted = { readonly type: string; readonly [member: string]: unknown };

/** What came of a step, as the steps after it and the function that aggregates get it: either `output` or `error` is there. */
export interface StepResult {
  readonly step: string;
  readonly agent: string;
  readonly output?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

/** The steps that are at work, all at once. */
export interface StepsInput {
  readonly steps: readonly Step[];
  readonly words: readonly string[];
  readonly results: readonly StepResult[];
}

export interface AggregateInput {
  readonly words: readonly string[];
  readonly results: readonly StepResult[];
}
