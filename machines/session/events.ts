// What can happen to a session: the schemas its doors parse with, and the types the chart sees.
import { z } from 'zod';
import type { AgentResult } from '../../src/agents/definition.ts';
import type { EmittedOf, TaskEmitted } from '../../src/emitted/emitted.ts';
import type { Failure as AttemptFailure, Plan, Verdict } from '../attempt/events.ts';
import { told } from '../task/events.ts';

/** A NATS token, so that every id can stand in a subject as it is. */
export const token = z.string().regex(/^[a-z0-9_-]{1,63}$/, 'must be 1 to 63 characters of a-z, 0-9, "_" and "-"');

/** Longest text a message may carry, in characters. */
export const MAX_TEXT = 65_536;

const text = z.string().min(1, 'must not be empty').max(MAX_TEXT, `must not be longer than ${MAX_TEXT} characters`);
const name = z.string().min(1).max(200);
const reason = z.string().max(2_000);
/** Who wants it and why, where that need not be said. */
const because = { by: name.optional(), reason: reason.optional() };

/** Where a message goes, decided before the event; the chart only follows it. */
export const route = z.object({
  agent: z.string(),
  /** 0 … 1 */
  confidence: z.number(),
  reason: z.string(),
  /** Agents to try, in order, when the first has failed for good. */
  secondary: z.array(z.string()).optional(),
});
export type Route = z.infer<typeof route>;

const approval = z.strictObject({
  decision: z.enum(['approve', 'reject']),
  by: name,
  reason: reason.optional(),
  /** With `approve`: the arguments to use instead of those that were asked for. */
  arguments: z.unknown().optional(),
});
type Approval = Readonly<z.infer<typeof approval>>;
const fits = (body: Approval): boolean => body.arguments === undefined || body.decision === 'approve';
const misfit = { path: ['arguments'], message: 'go only with "approve": what is rejected is not done' };

/** A decision where the address names the approval. */
export const decision = approval.refine(fits, misfit);

/** What callers may send, as it stands in a request body (the verb names the type). */
export const bodies = {
  message: z.strictObject({ content: text, agent_id: token.optional(), flow: token.optional() }),
  pause: z.strictObject({ mode: z.enum(['drain', 'interrupt']).default('drain'), ...because }),
  resume: z.strictObject({ by: name.optional() }),
  takeover: z.strictObject({
    by: name,
    reason: reason.optional(),
    /** Control returns to the AI by itself after so many milliseconds. */
    deadline_ms: z.int().positive().optional(),
  }),
  inject: z.strictObject({ mode: z.enum(['speak', 'whisper', 'note']).default('speak'), content: text, by: name }),
  release: z.strictObject({ by: name.optional() }),
  cancel: z.strictObject(because),
  close: z.strictObject(because),
  approve: approval.extend({ approval: name }).refine(fits, misfit),
  tool_result: z.strictObject({ call: name, result: z.unknown().optional(), error: reason.optional() }),
} as const;

export type Verb = keyof typeof bodies;
export type Body<V extends Verb> = z.infer<(typeof bodies)[V]>;
/** A body as a caller may write it: what has a default may be left out. */
export type BodyInput<V extends Verb> = z.input<(typeof bodies)[V]>;

/** The policy for a message that comes while the AI is at work. */
export const busyPolicies = ['enqueue', 'reject', 'interrupt', 'steer'] as const;

/** What a session is created with; it stays the same for its life. Times in milliseconds. */
export const settings = z.strictObject({
  busy: z.enum(busyPolicies).default('enqueue'),
  /** Messages that may wait at once. */
  queue_limit: z.int().min(1).max(1_000).default(32),
  /** Attempts of one agent per run before the run moves on or fails. */
  attempts: z.int().min(1).max(100).default(3),
  attempt_ms: z.int().positive().default(300_000),
  /** The first wait between attempts; it doubles up to 30 s. */
  backoff_ms: z.int().min(0).default(500),
  input_ms: z.int().positive().default(86_400_000),
  approval_ms: z.int().positive().default(86_400_000),
  tool_ms: z.int().positive().default(300_000),
  /** How often a run may outlive a crash of its process, without getting on in between, before it is given up. */
  recoveries: z.int().min(0).default(5),
  /** How often a run may go from one agent to another. */
  transfers: z.int().min(0).default(8),
  /** Whether `shouldProcess` / `prepareContext` are asked before a run. */
  hooks: z.boolean().default(false),
});
export type Settings = z.infer<typeof settings>;

const { hooks: _, ...own } = settings.shape;
type WithoutDefaults = { [K in keyof typeof own]: z.ZodOptional<ReturnType<(typeof own)[K]['unwrap']>> };
/** Settings as a caller may give them: those left out are decided elsewhere, not by the defaults above. */
export const ownSettings = z.strictObject(
  Object.fromEntries(Object.entries(own).map(([name, one]) => [name, one.unwrap().optional()])) as WithoutDefaults,
);

export const sessionInput = z.object({
  id: z.string(),
  settings: settings.prefault({}),
  /** What agents see of the tenant and the user besides the conversation. */
  config: z.record(z.string(), z.unknown()).optional(),
});
export type SessionInput = z.infer<typeof sessionInput>;

/** A caller's message, with what the runtime has found out about it. */
const message = z.strictObject({
  type: z.literal('message'),
  id: z.string(),
  ...bodies.message.omit({ agent_id: true }).shape,
  agent: z.string().optional(),
  route: route.optional(),
});

/** A message that waits for its run. */
export interface Pending extends Readonly<Omit<z.infer<typeof message>, 'type'>> {
  /** The number of its run: `{session}-r{run}`. */
  readonly run: number;
}

/** What came of a question of the run, or of its transfer to another agent. */
export type Decision =
  | ({ readonly kind: 'approval'; readonly decision: Approval['decision'] | 'expired' } & Partial<
      Omit<Approval, 'decision'>
    >)
  | { readonly kind: 'tool'; readonly result?: unknown; readonly error?: string }
  /** The other agent could not take the run, which is back where it came from. */
  | { readonly kind: 'transfer'; readonly to: string; readonly error: string };

/** A run on its way from one agent to another. It is complete with the other's first result, and undone when there is none. */
export interface Transfer {
  readonly receipt: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** What `from` goes on with when the run comes back. */
  readonly task?: unknown;
  readonly flow?: string;
  readonly hop?: number;
}

/** What a run waits for: a person's decision, or the result of a tool that its caller runs. */
export type Question = { readonly id: string } & (
  | { readonly kind: 'approval'; readonly action: string; readonly summary: string; readonly details?: unknown }
  | { readonly kind: 'tool'; readonly name: string; readonly arguments: unknown }
);

/** The run that is open: CREATED when its message waits in the queue, RUNNING from here on. */
export interface Run {
  readonly n: number;
  /** The last message it took in; outcomes are reported under this id. */
  readonly message: string;
  /** What the next attempt answers: the message, and what was steered into the run since. */
  readonly input: readonly { readonly id: string; readonly content: string }[];
  readonly agent: string | null;
  readonly flow?: string;
  /** Raised by every entry into `attempting`; deltas of an older attempt do not belong to this answer. */
  readonly attempt: number;
  /** How far its attempts are, and what follows from the last one if that failed. */
  readonly plan: Plan;
  readonly verdict?: Verdict;
  readonly screened: boolean;
  /** What `prepareContext` added. */
  readonly context?: Readonly<Record<string, unknown>>;
  /** The agent's own memory between its questions. */
  readonly task?: unknown;
  /** The question that a person or the caller must answer, and the answer once it is there. */
  readonly question?: Question;
  readonly decision?: Decision;
  readonly transfer?: Transfer;
  /** The number of the transfer that brought the run to its present agent. */
  readonly hop?: number;
}

export interface SessionContext {
  readonly id: string;
  readonly settings: Settings;
  readonly config?: Readonly<Record<string, unknown>>;
  /** Raised by every takeover and release: an answer of an older epoch is never shown. */
  readonly epoch: number;
  readonly holder: string | null;
  /** How long the present takeover may last, ms. */
  readonly deadline_ms: number | null;
  /** Runs numbered so far. */
  readonly runs: number;
  readonly queue: readonly Pending[];
  readonly run: Run | null;
  /** Guidance that the next call of an agent sees. */
  readonly whispers: readonly string[];
}

/** The failure of an agent, a hook or a router, as it is journaled. */
export interface Failure extends AttemptFailure {
  /** The events that the agent's own chart emitted at its end. */
  readonly told?: readonly TaskEmitted[];
}

/** One coalesced piece of a streamed answer: milliseconds since the attempt began, and its length in characters. */
export type PartMark = readonly [ms: number, length: number];

/** What an attempt came to; the result is one of AgentResult's shapes. */
export interface AttemptOutput {
  readonly result: AgentResult;
  readonly endpoint: string;
  readonly ms: number;
  readonly steps?: EmittedOf<'agent_invoke_done'>['steps'];
  /** What the agent's own chart told on its last way, since its last progress. */
  readonly told?: readonly TaskEmitted[];
  /** The events that led it there, for replay. */
  readonly events?: readonly unknown[];
  /** Set when the answer was streamed: the text that listeners saw, and how it was cut. */
  readonly streamed?: { readonly text?: string; readonly parts: readonly PartMark[] };
}

export type ScreenOutput =
  | { readonly allow: true; readonly context?: Record<string, unknown> }
  | { readonly allow: false; readonly reason: string };

/** What the runtime sends: a caller's message, and what no caller may send. */
export const runtimeEvent = z.discriminatedUnion('type', [
  message,
  /** The agent at work got so far that it must not do it again: what it goes on with, and what there is to tell of it. */
  z.object({
    type: z.literal('progressed'),
    task: z.unknown(),
    told,
    /** The events that led the agent's own chart there, for replay. */
    events: z.array(z.unknown()).optional(),
  }),
  /** An agent gave the conversation to a person; the chart tells itself. */
  z.object({ type: z.literal('escalated'), reason: z.string() }),
  /** The process that performed the run died; another performs it again. */
  z.object({ type: z.literal('recovered') }),
  /** The runtime gives the session up: performing it broke the runtime again and again. */
  z.object({ type: z.literal('fail'), reason: z.string() }),
]);

type Commands = { [V in Exclude<Verb, 'message'>]: { readonly type: V } & Body<V> }[Exclude<Verb, 'message'>];

export type SessionEvent = Commands | z.infer<typeof runtimeEvent>;

/** What an agent call is made from; the runtime adds the tenant and the idempotency key. */
export interface AttemptInput extends Pick<Run, 'attempt' | 'hop' | 'flow' | 'context' | 'task' | 'decision'> {
  readonly run: number;
  readonly agent: string;
  readonly epoch: number;
  readonly input: readonly string[];
  readonly guidance: readonly string[];
  readonly tried: readonly string[];
}

/** What `shouldProcess` and a router judge a run by. */
export interface WordsInput {
  readonly run: number;
  readonly content: string;
}
