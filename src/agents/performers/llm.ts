// Performs an agent that calls a model: runs the react chart as a task, and calls the model and the tools that it
// requests.

import type { Performer, PerformerIO } from '../../../actors/performer.ts';
import type { Work } from '../../../actors/session.ts';
import { performTask, taskName, taskOf } from '../../../actors/task.ts';
import type { ModelInput, ModelReply, ToolsInput, WantedCall } from '../../../machines/react/events.ts';
import { reactMachine } from '../../../machines/react/machine.ts';
import type { ModelMessage, Models, ModelTool, ModelToolCall } from '../../llm/model.ts';
import { unlessAborted } from '../../platform/abort.ts';
import type { Clock } from '../../platform/clock.ts';
import { approvalOf, performTool, readArguments } from '../../tools/perform.ts';
import { parametersOf, TOOL_TIMEOUT_MS, type Tool } from '../../tools/tool.ts';
import type { AgentCall, HistoryMessage, LlmAgent } from '../definition.ts';
import { params, promptOf } from './llm/prompt.ts';

export interface LlmOptions {
  readonly models: Models;
  readonly clock: Clock;
  /** The description of an agent to which this one may transfer a run. */
  readonly describe: (tenant: string, agent_id: string) => string | undefined;
}

const MAX_STEPS = 10;
const HISTORY = 50;
const TRANSFER = 'transfer_to_';

/**
 * Performs one attempt of an agent that calls a model. Rejects with `Failed` as `Models.call` does; the next attempt
 * resumes after the last journaled reply or tool result.
 */
export function llmPerformer(agent: LlmAgent, options: LlmOptions): Performer {
  return async (call, io) => {
    const { max_steps = agent.max_steps ?? MAX_STEPS } = params(call);
    const turn = new Turn(agent, options, call, io, await unlessAborted(toolsOf(agent, call, io), io.signal));
    return performTask({
      machine: reactMachine,
      input: { input: call.input.map(({ content }) => content), max_steps },
      call,
      io,
      clock: options.clock,
      actors: {
        model: (input: ModelInput, work) => turn.think(input, work),
        tools: (input: ToolsInput, work) => turn.act(input, work),
      },
    });
  };
}

class Turn {
  readonly #agent: LlmAgent;
  readonly #options: LlmOptions;
  readonly #call: AgentCall;
  readonly #io: PerformerIO;
  readonly #tools: ReadonlyMap<string, Tool>;
  readonly #transfers: readonly string[];
  #history: Promise<HistoryMessage[]> | undefined;
  /** Whether subscribers have the text of the replies before this attempt. */
  #caughtUp = false;

  constructor(
    agent: LlmAgent,
    options: LlmOptions,
    call: AgentCall,
    io: PerformerIO,
    tools: ReadonlyMap<string, Tool>,
  ) {
    this.#agent = agent;
    this.#options = options;
    this.#call = call;
    this.#io = io;
    this.#tools = tools;
    this.#transfers = (agent.transfers ?? []).filter((id) => id !== call.agent_id);
    this.#caughtUp = taskOf(call.task) === undefined;
  }

  /** Calls the model once and streams its deltas. */
  async think({ messages, concluding }: ModelInput, { signal, key }: Work): Promise<ModelReply> {
    const agent = this.#agent;
    const { model = agent.model, temperature = agent.temperature } = params(this.#call);
    this.#history ??= this.#io.history(agent.history ?? HISTORY);
    const prompt = await promptOf(agent, this.#call, await this.#history);
    const tools = concluding ? [] : this.#offered();
    const { tenant, session_id, agent_id, context } = this.#call;
    const reply = await this.#options.models.call(
      // A run that begins again with more messages makes different calls.
      { tenant, session_id, agent_id, config: context, idempotency_key: `${key}.${messages.length}` },
      {
        model,
        temperature,
        max_output_tokens: agent.max_output_tokens,
        messages: [...prompt, ...(messages as ModelMessage[])],
        ...(tools.length > 0 && { tools, parallel_tool_calls: agent.parallel_tool_calls }),
      },
      { signal, delta: this.#saying(messages) },
    );
    const calls = await Promise.all(reply.calls.map((wanted) => this.#read(wanted)));
    const { text, refusal, usage } = reply;
    return { text, calls, ...(refusal && { refusal }), ...(usage && { usage }), model: reply.model };
  }

  /** Calls all tools at once; each result or error is sent to the chart when its call ends. */
  async act({ calls }: ToolsInput, work: Work): Promise<void> {
    const { clock } = this.#options;
    const { tenant, session_id, run_id, agent_id, attempt } = this.#call;
    await Promise.all(
      calls.map(async ({ id, name, arguments: args }) => {
        const began = clock.now();
        const outcome = await performTool(this.#tools.get(name) ?? gone(name), args, {
          signal: work.signal,
          tenant,
          session_id,
          idempotency_key: `${taskName(this.#call)}#${id}`,
          call: { id, run_id, agent_id, attempt },
          timeout_ms: TOOL_TIMEOUT_MS,
          clock,
        });
        const came = 'error' in outcome ? { error: outcome.error } : { output: outcome.output };
        await work.tell({ type: 'tool.finished', call: id, ...came, ms: clock.now() - began } as never);
      }),
    );
  }

  /**
   * The text of earlier replies comes first: the answer consists of all of them, and the deltas of a new attempt start
   * at 0.
   */
  #saying(messages: ModelInput['messages']): (text: string) => void {
    const said = messages.flatMap((one) => (one.role === 'assistant' && one.content ? [one.content] : []));
    if (!this.#caughtUp && said.length > 0) this.#io.part(said.join('\n\n'));
    this.#caughtUp = true;
    let begun = said.length === 0;
    return (text) => {
      if (!begun && text !== '') this.#io.part('\n\n');
      begun ||= text !== '';
      this.#io.part(text);
    };
  }

  #offered(): ModelTool[] {
    const own = [...this.#tools.values()].map((tool) => {
      const { name, description } = tool;
      return { name, description, parameters: parametersOf(tool) };
    });
    const transfers = this.#transfers.map((id) => {
      const known = this.#options.describe(this.#call.tenant, id);
      return {
        name: `${TRANSFER}${id}`,
        description: `Gives the conversation to the agent "${id}"${known ? `: ${known}` : ''}.`,
        parameters: transferParameters,
      };
    });
    return [...own, ...transfers];
  }

  /**
   * Parses and checks a tool call of the model: an impossible call gets an error for the model, one that needs a person
   * or the caller gets that kind.
   */
  async #read({ id, name, arguments: written }: ModelToolCall): Promise<WantedCall> {
    const json = jsonOf(written);
    const call = { id, name, arguments: (json ?? written) as WantedCall['arguments'] };
    if (name.startsWith(TRANSFER) && this.#transfers.includes(name.slice(TRANSFER.length))) {
      const reason = (json as { reason?: unknown } | undefined)?.reason;
      return {
        ...call,
        kind: 'transfer',
        agent: name.slice(TRANSFER.length),
        reason: typeof reason === 'string' ? reason : '',
      };
    }
    const tool = this.#tools.get(name);
    if (!tool) {
      const known = [...this.#tools.keys()].join(', ') || 'none';
      return { ...call, kind: 'run', invalid: `there is no tool "${name}"; there are: ${known}` };
    }
    const read = await readArguments(tool, json ?? written);
    if ('error' in read) return { ...call, kind: 'run', invalid: read.error.message };
    if (tool.client) return { ...call, kind: 'client' };
    const summary = approvalOf(tool, read.input);
    return summary === undefined ? { ...call, kind: 'run' } : { ...call, kind: 'approve', summary };
  }
}

const transferParameters = {
  type: 'object',
  properties: { reason: { type: 'string', description: 'Why, for the agent that takes over.' } },
  required: ['reason'],
};

/**
 * The tools that it may use: its own, or exactly those that the flow lists; a name may be that of a source, for all its
 * tools.
 */
async function toolsOf(agent: LlmAgent, call: AgentCall, io: PerformerIO): Promise<Map<string, Tool>> {
  const own = (agent.tools ?? []).filter((one) => typeof one !== 'string');
  const wanted = call.tools ?? (agent.tools ?? []).map((one) => (typeof one === 'string' ? one : one.name));
  const found = await Promise.all(
    wanted.map(async (name) => {
      const declared = own.find((tool) => tool.name === name);
      return declared ? [declared] : ((await io.tools?.(name)) ?? []);
    }),
  );
  return new Map(found.flat().map((tool) => [tool.name, tool]));
}

/** Replaces a tool that was removed after the model called it. */
const gone = (name: string): Tool => ({
  name,
  description: '',
  input: { safeParseAsync: async (data: unknown) => ({ success: true, data }) } as never,
  execute: () => {
    throw new Error('it is not there any more');
  },
});

function jsonOf(written: string): unknown {
  if (written.trim() === '') return {};
  try {
    return JSON.parse(written);
  } catch {
    return undefined;
  }
}
