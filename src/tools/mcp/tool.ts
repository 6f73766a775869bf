// Adapts a tool of an MCP server: its name becomes a token, and zod checks its input where it can convert the schema.
import type { Tool as Definition } from '@modelcontextprotocol/client';
import { z } from 'zod';
import type { Tool, ToolContext } from '../tool.ts';

export interface Mounting {
  /** The server's name in this runtime. */
  readonly server: string;
  readonly approval?: boolean | readonly string[];
  readonly timeout_ms?: number;
  readonly call: (definition: Definition, input: Record<string, unknown>, context: ToolContext) => Promise<unknown>;
}

/** Converts all tools of a server, in its order, each with a unique name. */
export function mount(definitions: readonly Definition[], mounting: Mounting): Tool[] {
  const { server, approval, timeout_ms, call } = mounting;
  const taken = new Set<string>();
  return definitions.map((definition) => {
    const needsYes = Array.isArray(approval) ? approval.includes(definition.name) : approval === true;
    return {
      name: nameOf(server, definition.name, taken),
      description: definition.description ?? definition.title ?? '',
      input: inputOf(definition),
      parameters: { ...definition.inputSchema, type: 'object' },
      ...(needsYes && { approval: true }),
      ...(timeout_ms !== undefined && { timeout_ms }),
      execute: (input, context) => call(definition, input as Record<string, unknown>, context),
    };
  });
}

/** `{server}_{tool}` as a token; a number distinguishes two tools whose tokens would be equal. */
export function nameOf(server: string, tool: string, taken: Set<string>): string {
  const name = `${server}_${tool.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '_')}`.slice(0, 63);
  let own = name;
  for (let n = 2; taken.has(own); n += 1) own = `${name.slice(0, 62 - `${n}`.length)}_${n}`;
  taken.add(own);
  return own;
}

// When zod cannot convert the schema, the server alone validates the input.
function inputOf({ inputSchema }: Definition): z.ZodType {
  try {
    return z.intersection(anything, z.fromJSONSchema(inputSchema as Parameters<typeof z.fromJSONSchema>[0]));
  } catch {
    return anything;
  }
}

const anything = z.record(z.string(), z.unknown());
