// The hooks of a library user around every run: a guard and extra context before it, a rewrite of the answer after it
// (B5).
import type { ScreenOutput } from '../machines/session/events.ts';
import type { AgentCall, AgentResult } from '../src/agents/definition.ts';
import type { Verdict } from '../src/routing/access.ts';

/** A message before its run starts. */
export interface Incoming {
  readonly tenant: string;
  readonly session: string;
  readonly run_id: string;
  readonly message: string;
}

export interface HookFunctions {
  /**
   * Decides whether this message may start a run. `false` or a reason refuses it, e.g. for rate limits and content
   * filters.
   */
  shouldProcess?(incoming: Incoming): Verdict | Promise<Verdict>;
  /** Returns data that agents get as `call.context`. */
  prepareContext?(incoming: Incoming): Record<string, unknown> | Promise<Record<string, unknown>>;
  /** Gets every finished answer before it is journaled; a returned string replaces the answer. */
  postProcess?(answer: string, call: AgentCall): string | void | Promise<string | void>;
}

export class Hooks {
  readonly #functions: HookFunctions;

  constructor(functions: HookFunctions = {}) {
    this.#functions = functions;
  }

  /** Whether a run must pass the state `screening`; without it a turn costs one entry less. */
  get screens(): boolean {
    return Boolean(this.#functions.shouldProcess ?? this.#functions.prepareContext);
  }

  async screen(incoming: Incoming): Promise<ScreenOutput> {
    const verdict = (await this.#functions.shouldProcess?.(incoming)) ?? true;
    const { allow, reason } = typeof verdict === 'boolean' ? { allow: verdict, reason: undefined } : verdict;
    if (!allow) return { allow: false, reason: reason ?? 'refused by shouldProcess' };
    return { allow: true, context: await this.#functions.prepareContext?.(incoming) };
  }

  async post(call: AgentCall, result: AgentResult): Promise<AgentResult> {
    const { postProcess } = this.#functions;
    if (!postProcess || !('final_message' in result)) return result;
    const rewritten = await postProcess(result.final_message, call);
    return typeof rewritten === 'string' ? { ...result, final_message: rewritten } : result;
  }
}
