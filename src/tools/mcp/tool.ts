// One tool of an MCP server as a tool of ours: its name a token, its schema checked here where zod can.
import type { Tool as Definition } from '@modelcontextprotocol/client';
import { z } from 'zod';
import type { Tool, ToolContext } from '../tool.ts';

export interface Mounting {
  /** The server's name here. */
  readonly server: string;
  readonly approval?: boolean | readonly string[];
  readonly timeout_ms?: number;
  readonly call: (definition: Definition, input: Record<string, unknown>, context: ToolContext) => Promise<unknown>;
}

/** Every tool of a server, in its order, each with a name of its own. */
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

/** `{server}_{tool}` as a token; two tools whose names come out the same are told apart by a number. */
export function nameOf(server: string, tool: string, taken: Set<string>): string {
  const name = `${server}_${tool.toLowerCase().replaceAll(/[^a-z0-9_-]/g, '_')}`.slice(0, 63);
  let own = name;
  for (let n = 2; taken.has(own); n += 1) own = `${name.slice(0, 62 - `${n}`.length)}_${n}`;
  taken.add(own);
  return own;
}

// What zod cannot make a schema of is for the server alone to judge.
function inputOf({ inputSchema }: Definition): z.ZodType {
  try {
    return z.intersection(anything, z.fromJSONSchema(inputSchema as Parameters<typeof z.fromJSONSchema>[0]));
  } catch {
    return anything;
  }
}

const anything = z.record(z.string(), z.unknown());
