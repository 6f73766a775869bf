// Tools of MCP servers: what may be said of such a server, and the tools that come of it.
import { z } from 'zod';
import { token } from '../../machines/session/events.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { parse } from '../platform/parse.ts';
import { McpServer } from './mcp/server.ts';
import type { ToolSource } from './tool.ts';

const common = {
  /** Which of its tools need a person's yes: all of them, or those the server calls by these names. */
  approval: z.union([z.boolean(), z.array(z.string().min(1))], 'must be true or a list of names of tools').optional(),
  /** How long one call may take, ms. */
  timeout_ms: z.int().positive().optional(),
};

/** A process that is started and spoken to over its standard streams. */
const started = z.strictObject({
  command: z.string().min(1),
  args: z.array(z.string()).optional(),
  /** Besides PATH, HOME and what else names the user and the terminal, its whole environment. */
  env: z.record(z.string(), z.string()).optional(),
  cwd: z.string().min(1).optional(),
  ...common,
});

/** A service that is spoken to over streamable HTTP. */
const reached = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' }),
  headers: z.record(z.string(), z.string()).optional(),
  ...common,
});

/** One MCP server, by how it is reached. */
export const mcpServer = z.union([started, reached], {
  error: (issue) =>
    issue.code === 'invalid_union' ? 'must be { command, args?, env?, cwd? } or { url, headers? }' : undefined,
});
export type McpOptions = z.infer<typeof mcpServer>;

/**
 * The tools of an MCP server, named `{name}_{tool}`: `mcpTools({ name: 'files', command: 'npx', args: ['-y', '…'] })` starts a
 * process, `mcpTools({ name: 'crm', url: 'https://…', headers })` speaks streamable HTTP. Connects when a tool is first needed and
 * again after a loss: a call that falls into one fails as an error of the tool. Throws `Refused('bad_request')` naming what is wrong.
 */
export function mcpTools({ name, ...options }: McpOptions & { name: string }, clock: Clock = realClock): ToolSource {
  parse(token, name, 'MCP server');
  return new McpServer(name, parse(mcpServer, options, `MCP server "${name}"`), clock);
}
