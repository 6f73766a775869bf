// The catalogs of a runtime's agents and tools, by name (C1); orchestrators have their own.
import type { AgentView } from '../agents/agent.ts';
import type { AgentDefinition } from '../agents/definition.ts';
import type { AgentPool } from '../agents/pool.ts';
import type { Directory } from '../routing/directory.ts';
import { parametersOf, type Tool } from '../tools/tool.ts';
import { type Catalog, unknown } from './catalog.ts';

/** A tool as `GET /v1/tools` shows it. */
export interface ToolView {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its input. */
  readonly parameters: unknown;
  /** Whether it runs at the caller. */
  readonly client: boolean;
}

/** The agents declared for all tenants; `register` names the agent, overriding the id in its definition. */
export const agentCatalog = (
  pool: AgentPool,
  declare: (agent: AgentDefinition) => void,
): Catalog<AgentDefinition, AgentView> => ({
  register: (name, agent) => declare({ ...agent, id: name }),
  has: (name) => pool.get('*', name) !== undefined,
  get(name) {
    const agent = pool.get('*', name);
    if (agent) return agent.definition;
    throw unknown(
      'agent',
      name,
      pool.agents('*').map(({ id }) => id),
    );
  },
  list: () => pool.list('*'),
});

/** The tools that agents, flows and orchestrators name, without those of MCP servers and other sources. */
export const toolCatalog = (directory: Directory, guard: (tool: Tool) => Tool): Catalog<Tool, ToolView> => {
  const find = (name: string) => directory.declared().find((tool) => tool.name === name);
  return {
    register: (name, tool) => directory.declare(guard({ ...tool, name })),
    has: (name) => find(name) !== undefined,
    get(name) {
      const tool = find(name);
      if (tool) return tool;
      throw unknown(
        'tool',
        name,
        directory.declared().map((one) => one.name),
      );
    },
    list: () =>
      directory
        .declared()
        .map(toolView)
        .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
};

const toolView = (tool: Tool): ToolView => ({
  name: tool.name,
  description: tool.description,
  parameters: parametersOf(tool),
  client: tool.client === true,
});
