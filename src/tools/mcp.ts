// Tools of MCP servers: the schema of a server's options, and the source of its tools.
import { z } from 'zod';
import { token } from '../../machines/session/events.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { parse } from '../platform/parse.ts';
import { McpServer } from './mcp/server.ts';
import type { ToolSource } from './tool.ts';

const common = {
  /** The tools that need a person's approval: all of them, or those with these names on the server. */
  approval: z.union([z.boolean(), z.array(z.string().min(1))], 'must be true or a list of names of tools').optional(),
  /** Time limit of one call, ms. */
  timeout_ms: z.int().positive().optional(),
};

/** A child process, reached over its standard streams. */
const started = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  /** Its whole environment, apart from PATH, HOME and the other variables that name the user and the terminal. */
  env: z.record(z.string(), z.string()).optional(),
  cwd: z.string().min(1).optional(),
  ...common,
});

/** A service, reached over streamable HTTP. */
const reached = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' }),
  headers: z.record(z.string(), z.string()).optional(),
  ...common,
});

/** One MCP server, by its transport. */
export const mcpServer = z.union([started, reached], {
  error: (issue) =>
    issue.code === 'invalid_union' ? 'must be { command, args?, env?, cwd? } or { url, headers? }' : undefined,
});
export type McpOptions = z.infer<typeof mcpServer>;

/**
 * The tools of an MCP server, named `{name}_{tool}`: `mcpTools({ name: 'files', command: 'npx', args: ['-y', '…'] })`
 * starts a process, `mcpTools({ name: 'crm', url: 'https://…', headers })` speaks streamable HTTP. Connects when a tool
 * is first needed, and reconnects after a loss, which fails the calls under way as errors of the tool. Throws
 * `Refused('bad_request')`, which names the invalid member.
 */
export function mcpTools({ name, ...options }: McpOptions & { name: string }, clock: Clock = realClock): ToolSource {
  parse(token, name, 'MCP server');
  return new McpServer(name, parse(mcpServer, options, `MCP server "${name}"`), clock);
}
