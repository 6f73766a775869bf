// Access control (E12): one function of the application authorizes every action, at every interface and before every call.
import type { AgentCall, AgentDefinition } from '../agents/definition.ts';
import { Refused } from '../platform/errors.ts';
import type { Tool, ToolSource } from '../tools/tool.ts';

/** An action to authorize. */
export interface AccessRequest {
  readonly tenant: string;
  /**
   * A verb of a session (`message`, `pause`, `takeover`, …; `create`, `fork`), `orchestrate`, `run` and `enqueue` for orchestrators, `cancel_job`
   * and `retry_job`, `call` before an agent is called, `tool` before one is, `model` before one is called for a caller of the OpenAI API.
   */
  readonly action: string;
  readonly session_id?: string;
  readonly agent?: string;
  readonly tool?: string;
  readonly orchestrator?: string;
  /** The person that the request names. */
  readonly by?: string;
}

export type Verdict = boolean | { readonly allow: boolean; readonly reason?: string };
export type Authorize = (request: AccessRequest) => Verdict | Promise<Verdict>;

export class Access {
  readonly #authorize: Authorize | undefined;

  /** Without `authorize` every action is allowed. */
  constructor(authorize?: Authorize) {
    this.#authorize = authorize;
  }

  /** Whether there is a function to ask. */
  get asks(): boolean {
    return this.#authorize !== undefined;
  }

  /**
   * Rejects with `Refused('forbidden')`, 403, and the reason; or with the error that the function threw, which allows nothing.
   */
  async check(request: AccessRequest): Promise<void> {
    const verdict = (await this.#authorize?.(request)) ?? true;
    const { allow, reason } = typeof verdict === 'boolean' ? { allow: verdict, reason: undefined } : verdict;
    if (allow) return;
    const what = request.tool ?? request.agent ?? request.orchestrator;
    const said = reason ?? `${request.action}${what === undefined ? '' : ` of "${what}"`} is not permitted`;
    throw new Refused('forbidden', said, 403, { action: request.action });
  }
}

/** The tool with an access check before each call. A tool that runs at the caller stays as it is. */
export function guarded(tool: Tool, access: Access): Tool {
  const { execute } = tool;
  if (!access.asks || !execute) return tool;
  return {
    ...tool,
    execute: async (input, context) => {
      const { tenant, session_id, call } = context;
      await access.check({ tenant, action: 'tool', session_id, agent: call.agent_id, tool: tool.name });
      return execute.call(tool, input, context);
    },
  };
}

/** The same for tools, and for each tool of a source as it is listed. */
export const guardedTools = (tools: readonly (Tool | ToolSource)[], access: Access): (Tool | ToolSource)[] =>
  tools.map((one) => ('tools' in one ? guardedSource(one, access) : guarded(one, access)));

const guardedSource = (source: ToolSource, access: Access): ToolSource => ({
  name: source.name,
  tools: async () => (await source.tools()).map((tool) => guarded(tool, access)),
  close: () => source.close(),
});

/** The agent with an access check before each call of its own tools. */
export function guardedAgent<A extends AgentDefinition>(agent: A, access: Access): A {
  const { tools } = agent as { tools?: readonly (Tool | string)[] };
  if (!access.asks || !tools) return agent;
  return { ...agent, tools: tools.map((tool) => (typeof tool === 'string' ? tool : guarded(tool, access))) };
}

/** Checks that an agent may be called. */
export const permitCall = (access: Access, { tenant, session_id, agent_id }: AgentCall): Promise<void> =>
  access.check({ tenant, action: 'call', session_id, agent: agent_id });
