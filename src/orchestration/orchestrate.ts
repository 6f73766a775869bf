// One message through the whole pipeline (E1): cleaned, routed, sent to one agent or several, and their answers aggregated.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { asHistory, type TranscriptMessage } from '../../actors/transcript.ts';
import { MAX_TEXT, token } from '../../machines/session/events.ts';
import type { Key } from '../journal/journal.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import type { Access } from '../routing/access.ts';
import type { Directory } from '../routing/directory.ts';
import type { Accepted, Conversations } from '../sessions/conversations.ts';
import { type Answered, callAgents } from './calling.ts';
import { timeLimit } from './limit.ts';
import type { Orchestration } from './orchestration.ts';

export const modes = ['single', 'sequential', 'parallel'] as const;

/** Control characters without meaning in a message; line ends and tabs stay. */
const UNSAID = /[\p{Cc}\u2028\u2029]/gu;
const cleaned = (text: string): string =>
  text
    .normalize('NFC')
    .replace(/\r\n?|\u2028|\u2029/g, '\n')
    .replace(UNSAID, (one) => (one === '\n' || one === '\t' ? one : ''))
    .trim();

export const orchestrateBody = z.strictObject({
  message: z
    .string()
    .max(MAX_TEXT, `must not be longer than ${MAX_TEXT} characters`)
    .transform(cleaned)
    .pipe(z.string().min(1, 'must not be empty')),
  tenant: token.optional().describe('`default` unless told here or by whoever asks'),
  session_id: token.optional().describe('the conversation that it belongs to; a new one unless told'),
  agents: z
    .array(token)
    .min(1)
    .max(20)
    .refine((agents) => new Set(agents).size === agents.length, 'must differ')
    .optional()
    .describe('who is asked; found by routing unless told'),
  mode: z
    .enum(modes)
    .optional()
    .describe('`single`, or all agents one after the other or at once; `single` unless several agents are told'),
  timeout_ms: z
    .int()
    .positive()
    .max(86_400_000)
    .optional()
    .describe('the longest that it may take; side by side, the longest that each agent may'),
});
export type OrchestrateBody = z.input<typeof orchestrateBody>;

const error = z.object({ code: z.string(), message: z.string(), retry_after_s: z.number().optional() });

export const orchestrated = z.object({
  success: z.boolean(),
  result: z.string().nullable(),
  execution_time: z.number().describe('seconds'),
  agents_used: z.array(z.string()).describe('those that answered or failed, in order'),
  mode: z.enum(modes),
  session_id: z.string(),
  error: error.optional().describe('why there is no answer'),
  routing: z.object({ agent: z.string(), confidence: z.number(), reason: z.string(), secondary: z.array(z.string()) }),
  status: z.string().optional().describe('in `single` mode: what became of the message, e.g. `awaiting_input`'),
  run_id: z.string().optional().describe('in `single` mode'),
  individual_results: z
    .array(
      z.object({
        agent: z.string(),
        answered_by: z.string(),
        success: z.boolean(),
        result: z.string().optional(),
        error: error.optional(),
        execution_time: z.number().describe('seconds, from the beginning'),
      }),
    )
    .optional(),
  failed_agents: z.array(z.string()).optional(),
  success_rate: z.number().optional().describe('0 to 1'),
});
/** The result. `success` is whether there is an answer: with several agents, whether at least one answered. */
export type Orchestrated = z.infer<typeof orchestrated>;

export interface OrchestrateHost {
  readonly access: Access;
  readonly conversations: Conversations;
  readonly directory: Directory;
  readonly orchestration: Orchestration;
}

export interface OrchestrateOptions {
  /** Tenant of the caller. Default: the one in the body, or `default`. */
  readonly tenant?: string;
  /** Aborts the wait for the answer. */
  readonly signal?: AbortSignal;
  readonly idempotencyKey?: string;
  /** Timeout unless the body sets one, ms. */
  readonly timeout_ms: number;
}

type Request = z.output<typeof orchestrateBody>;

/**
 * Sends a message through the pipeline. Rejects with `Refused`: `bad_request`, `unknown_agent`, `no_match` if no agent matches
 * the message, `forbidden`; and as a message to a session does. Failures of agents are part of the result.
 */
export async function orchestrate(
  host: OrchestrateHost,
  body: OrchestrateBody,
  { idempotencyKey, ...options }: OrchestrateOptions,
): Promise<Orchestrated> {
  const request = parse(orchestrateBody, body);
  const tenant = options.tenant ?? request.tenant ?? 'default';
  if (request.tenant !== undefined && request.tenant !== tenant)
    throw new Refused('bad_request', `body.tenant: is "${request.tenant}", but it is "${tenant}" that asks`);
  const session_id = request.session_id ?? `o-${randomUUID()}`;
  const key = host.conversations.key(tenant, session_id);
  const { timeout_ms = options.timeout_ms } = request;
  const { clock } = host.orchestration;
  const limit = timeLimit(timeout_ms, clock, options.signal);
  const { signal } = limit;
  const began = clock.now();
  try {
    const plan = await planOf(host, key, request, signal);
    for (const agent of plan.agents)
      if (host.access.asks) await host.access.check({ tenant, action: 'orchestrate', session_id, agent });
    const made =
      plan.mode === 'single'
        ? await single(host, key, request, plan, { signal, idempotencyKey })
        : await several(host, key, request, plan, {
            // In parallel mode each agent has its own timeout, so that a slow one fails alone.
            signal: plan.mode === 'parallel' ? (options.signal ?? new AbortController().signal) : signal,
            timeout_ms: Math.max(1, timeout_ms - (clock.now() - began)),
            idempotencyKey,
          });
    const { agents: _, mode, ...routing } = plan;
    return { ...made, execution_time: seconds(clock.now() - began), mode, session_id, routing };
  } catch (error) {
    if (!limit.over) throw error;
    throw new Refused('timed_out', `it was not answered within ${timeout_ms} ms`, 504, { session_id });
  } finally {
    limit.end();
  }
}

interface Plan {
  readonly mode: (typeof modes)[number];
  /** The agents to call, in order. */
  readonly agents: readonly string[];
  readonly agent: string;
  readonly confidence: number;
  readonly reason: string;
  readonly secondary: string[];
}

type Made = Omit<Orchestrated, 'execution_time' | 'mode' | 'session_id' | 'routing'>;

/** The agents for the message, and the mode in which they are called. */
async function planOf(
  { directory, conversations, orchestration }: OrchestrateHost,
  key: Key,
  { message, agents, mode }: Request,
  signal: AbortSignal,
): Promise<Plan> {
  if (agents) {
    for (const agent of agents) directory.routeNow(key, { content: message, agent_id: agent });
    const [agent, ...secondary] = agents as [string, ...string[]];
    const how = mode ?? (secondary.length > 0 ? 'parallel' : 'single');
    if (how === 'single' && secondary.length > 0)
      throw new Refused('bad_request', 'body.mode: "single" goes to one agent, and several are told');
    return { mode: how, agents, agent, confidence: 1, reason: 'named by the caller', secondary };
  }
  const history = (limit?: number) => saidBefore(conversations, key, limit);
  const route =
    directory.routeNow(key, { content: message }) ?? (await directory.route(key, message, { history, signal }));
  if (!route) throw new Refused('no_match', 'no agent is for this message', 422);
  const { agent, confidence, reason } = route;
  const secondary = (route.secondary ?? []).filter((one) => orchestration.pool.get(key.tenant, one));
  const how = mode ?? 'single';
  return {
    mode: how,
    agents: how === 'single' ? [agent] : [agent, ...secondary],
    agent,
    confidence,
    reason,
    secondary,
  };
}

/** One agent: a turn of the session, with its retries, fallbacks and questions. */
async function single(
  { conversations }: OrchestrateHost,
  key: Key,
  { message }: Request,
  { agent }: Plan,
  { signal, idempotencyKey }: { signal: AbortSignal; idempotencyKey?: string },
): Promise<Made> {
  let mine: string | undefined;
  const accepted = (taken: Accepted): void => {
    mine = taken.run_id;
  };
  const sent = conversations.send(key, { content: message, agent_id: agent }, { signal, idempotencyKey, accepted });
  const outcome = await sent.catch(async (error) => {
    if (signal.aborted && mine !== undefined) await leave(conversations, key, mine).catch(() => {});
    throw error;
  });
  const { status, run_id, answer, trace } = outcome;
  const used = trace.flatMap((one) => (one.type === 'agent_invoke_started' ? [one.agent_id] : []));
  const agents_used = [...new Set(used)];
  const { error } = outcome;
  return { success: status === 'done', result: answer, agents_used, status, run_id, ...(error && { error }) };
}

/**
 * Cancels the run that the caller no longer waits for. A run that has not begun stays in the mailbox: the session's current run
 * belongs to another caller.
 */
async function leave(conversations: Conversations, key: Key, run_id: string): Promise<void> {
  const { run } = await conversations.view(key);
  if (run?.run_id === run_id) await conversations.command(key, 'cancel', { reason: 'nobody waits for it' });
}

/** Several agents: a flow that reads the conversation but is not part of it. */
async function several(
  { conversations, orchestration }: OrchestrateHost,
  key: Key,
  { message, session_id }: Request,
  { agents, mode }: Plan,
  { signal, timeout_ms, idempotencyKey }: { signal: AbortSignal; timeout_ms: number; idempotencyKey?: string },
): Promise<Made> {
  const run_id = `${key.session}-o${randomUUID().slice(0, 8)}`;
  const answers = await callAgents(orchestration, {
    tenant: key.tenant,
    session_id: key.session,
    run_id,
    agents,
    mode: mode as 'sequential' | 'parallel',
    content: message,
    history: async () => (session_id === undefined ? [] : asHistory(await saidBefore(conversations, key))),
    idempotency_key: `${key.tenant}/${idempotencyKey ?? run_id}`,
    signal,
    timeout_ms,
  });
  return aggregate(answers, mode);
}

/** In sequential mode the last answer; in parallel mode all answers, each under its agent's name. */
function aggregate(answers: readonly Answered[], mode: Plan['mode']): Made {
  const good = answers.filter(({ error }) => !error);
  const said = good.map(({ asked, text }) => (good.length === 1 ? text! : `${asked}: ${text}`));
  return {
    success: good.length > 0,
    result: good.length === 0 ? null : mode === 'sequential' ? good.at(-1)!.text! : said.join('\n\n'),
    agents_used: [...new Set(answers.map(({ agent }) => agent))],
    individual_results: answers.map(({ asked, agent, text, error, ms }) => ({
      agent: asked,
      answered_by: agent,
      success: !error,
      ...(error ? { error: { code: error.code, message: error.message } } : { result: text }),
      execution_time: seconds(ms),
    })),
    failed_agents: answers.filter(({ error }) => error).map(({ asked }) => asked),
    success_rate: good.length / answers.length,
    ...(good.length === 0 && { error: { code: 'all_agents_failed', message: reasons(answers) } }),
  };
}

const reasons = (answers: readonly Answered[]): string =>
  answers.map(({ asked, error }) => `${asked}: ${error!.message}`).join('; ');

/** The messages before this one; empty if the session does not exist. */
const saidBefore = (conversations: Conversations, key: Key, limit = 50): Promise<TranscriptMessage[]> =>
  conversations.messages(key, 'llm').then(
    (messages) => messages.slice(-limit),
    (error) => {
      if (error instanceof Refused && error.code === 'unknown_session') return [];
      throw error;
    },
  );

const seconds = (ms: number): number => Math.round(ms) / 1_000;
