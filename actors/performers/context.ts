// What a function sees while it works: the call, its parts, the history, and only the tools it may use.
import { z } from 'zod';
import type { AgentCall, AgentContext, HistoryMessage } from '../../src/agent.ts';
import type { Clock } from '../../src/clock.ts';
import { Failed } from '../../src/errors.ts';
import type { Tool } from '../../src/tools.ts';
import type { PerformerIO } from '../performer.ts';

/** The members are bound, so that an agent may take them apart: `run: (message, { part, tool }) => …`. */
export class WorkContext implements AgentContext {
  readonly call: AgentCall;
  readonly agentId: string;
  readonly signal: AbortSignal;
  /** Everything streamed so far. */
  said = '';
  readonly #io: PerformerIO;
  readonly #own: readonly Tool<any>[];
  readonly #clock: Clock;

  constructor(call: AgentCall, io: PerformerIO, own: readonly Tool<any>[], clock: Clock) {
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

  /** Rejects with `Failed`: `tool_not_allowed`, `unknown_tool`, `bad_tool_input`, `tool_failed` or the tool's own. */
  tool = async (name: string, input: unknown): Promise<unknown> => {
    const started_at = this.#clock.now();
    const step = { type: 'tool' as const, name, input, started_at };
    try {
      const output = await this.#execute(this.#find(name), input);
      this.#io.steps.push({ ...step, output, ms: this.#clock.now() - started_at });
      return output;
    } catch (error) {
      const failed = asToolFailed(error, name);
      const { code, message } = failed;
      this.#io.steps.push({ ...step, error: { code, message }, ms: this.#clock.now() - started_at });
      throw failed;
    }
  };

  // A flow's list of tools replaces the agent's own, also when it is empty.
  #find(name: string): Tool<any> {
    const allowed = this.call.tools ?? this.#own.map((tool) => tool.name);
    if (!allowed.includes(name)) {
      const may = allowed.length === 0 ? 'no tools' : allowed.join(', ');
      throw new Failed('tool_not_allowed', `agent "${this.agentId}" may not use "${name}"; it may use ${may}`, false);
    }
    const tool = this.#own.find((own) => own.name === name) ?? this.#io.tools?.(name);
    if (!tool) throw new Failed('unknown_tool', `there is no tool "${name}"`, false);
    return tool;
  }

  async #execute(tool: Tool<any>, input: unknown): Promise<unknown> {
    const parsed = await tool.input.safeParseAsync(input);
    if (!parsed.success) {
      const why = z.prettifyError(parsed.error);
      throw new Failed('bad_tool_input', `tool "${tool.name}" does not take this input: ${why}`, false);
    }
    const { tenant, session_id } = this.call;
    return tool.execute(parsed.data, { signal: this.signal, tenant, session_id });
  }
}

function asToolFailed(error: unknown, name: string): Failed {
  if (error instanceof Failed) return error;
  const failed = new Failed('tool_failed', `tool "${name}": ${error instanceof Error ? error.message : String(error)}`);
  failed.cause = error;
  return failed;
}
