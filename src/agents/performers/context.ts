// The context of a function agent: the call, its deltas, the history, and only the tools that it may use.

import type { PerformerIO } from '../../../actors/performer.ts';
import { unlessAborted } from '../../platform/abort.ts';
import type { Clock } from '../../platform/clock.ts';
import { Failed } from '../../platform/errors.ts';
import { tellable } from '../../tools/output.ts';
import { performTool, type ToolOutcome } from '../../tools/perform.ts';
import { isOf, type Tool } from '../../tools/tool.ts';
import type { AgentCall, AgentContext, HistoryMessage } from '../definition.ts';

/** The members are bound, so that an agent can destructure them: `run: (message, { part, tool }) => …`. */
export class WorkContext implements AgentContext {
  readonly call: AgentCall;
  readonly agentId: string;
  readonly signal: AbortSignal;
  /** The text streamed so far. */
  said = '';
  readonly #io: PerformerIO;
  readonly #own: readonly Tool[];
  readonly #clock: Clock;
  #tools = 0;

  constructor(call: AgentCall, io: PerformerIO, own: readonly Tool[], clock: Clock) {
    this.call = call;
    this.agentId = call.agent_id;
    this.signal = io.signal;
    this.#io = io;
    this.#own = own;
    this.#clock = clock;
  }

  part = (text: string): void => {
    if (this.signal.aborted) return;
    this.said += text;
    this.#io.part(text);
  };

  history = (limit = 50): Promise<HistoryMessage[]> => this.#io.history(limit);

  /**
   * Resolves with the tool's return value unchanged; the trace gets it as JSON. Rejects with `Failed`:
   * `tool_not_allowed`, `unknown_tool`, or an error of `performTool`; and with the signal's reason when it is aborted.
   */
  tool = async (name: string, input: unknown): Promise<unknown> => {
    const started_at = this.#clock.now();
    const step = { type: 'tool' as const, name, input: tellable(input).output, started_at };
    this.#tools += 1;
    const done = await this.#perform(name, input, this.#tools);
    const ms = this.#clock.now() - started_at;
    if ('error' in done) {
      this.#io.steps.push({ ...step, error: done.error, ms });
      throw done.failed;
    }
    this.#io.steps.push({ ...step, output: done.output, ms });
    return done.value;
  };

  // A deterministic agent makes its calls in the same order after a crash, so the n-th call gets the same idempotency
  // key.
  async #perform(name: string, input: unknown, n: number): Promise<ToolOutcome> {
    const { run_id, agent_id, attempt, idempotency_key, tenant, session_id } = this.call;
    let tool: Tool;
    try {
      tool = await unlessAborted(this.#find(name), this.signal);
    } catch (error) {
      this.signal.throwIfAborted();
      const failed = error as Failed;
      return { error: { code: failed.code, message: failed.message }, failed };
    }
    return performTool(tool, input, {
      signal: this.signal,
      tenant,
      session_id,
      idempotency_key: `${idempotency_key}/${n}`,
      call: { id: `${n}`, run_id, agent_id, attempt },
      clock: this.#clock,
    });
  }

  // A flow's list of tools replaces the agent's own, also when it is empty. A name in it may be that of a source, for
  // all its tools.
  async #find(name: string): Promise<Tool> {
    const allowed = this.call.tools ?? this.#own.map((tool) => tool.name);
    if (allowed.includes(name)) {
      const found = this.#own.find((tool) => tool.name === name) ?? (await this.#io.tools?.(name))?.[0];
      if (found) return found;
      throw new Failed('unknown_tool', `there is no tool "${name}"`, false);
    }
    for (const source of allowed.filter((one) => isOf(one, name))) {
      const found = (await this.#io.tools?.(source))?.find((tool) => tool.name === name);
      if (found) return found;
    }
    const may = allowed.length === 0 ? 'no tools' : allowed.join(', ');
    throw new Failed('tool_not_allowed', `agent "${this.agentId}" may not use "${name}"; it may use ${may}`, false);
  }
}
