// Real MCP servers to test against: one set of tools, as a process on its standard streams or as a service on loopback.
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, fromJsonSchema, McpServer, type ServerContext } from '@modelcontextprotocol/server';
import { serveStdio } from '@modelcontextprotocol/server/stdio';
import { z } from 'zod';

const words = (text: string) => ({ content: [{ type: 'text' as const, text }] });
const PIXEL = Buffer.from('a small picture').toString('base64');

/** A server with tools of every kind; `heard` is told what happens inside of them. */
export function toolServer(heard: (word: string) => void): McpServer {
  const server = new McpServer({ name: 'test-tools', version: '1.0.0' });
  const times = z.int().default(1);
  server.registerTool(
    'echo',
    { description: 'Says it again.', inputSchema: z.object({ text: z.string(), times }) },
    ({ text, times }) => {
      heard(`echo ${text}`);
      return words(Array(times).fill(text).join(' '));
    },
  );
  server.registerTool(
    'weather',
    { inputSchema: z.object({ city: z.string() }), outputSchema: z.object({ city: z.string(), celsius: z.number() }) },
    ({ city }) => ({ ...words('see there'), structuredContent: { city, celsius: 21 } }),
  );
  server.registerTool('show', { description: 'Shows everything.' }, () => ({
    content: [
      { type: 'text', text: 'Here:' },
      { type: 'image', data: PIXEL, mimeType: 'image/png' },
      { type: 'audio', data: PIXEL, mimeType: 'audio/wav' },
      { type: 'resource_link', uri: 'file:///a.txt', name: 'a.txt', description: 'the first' },
      { type: 'resource', resource: { uri: 'file:///b.txt', text: 'in b' } },
      { type: 'resource', resource: { uri: 'file:///c.bin', mimeType: 'application/x-c', blob: PIXEL } },
    ],
  }));
  server.registerTool('silent', {}, () => ({ content: [] }));
  server.registerTool('refuse', {}, () => ({ ...words('the shop is closed'), isError: true }));
  server.registerTool('throw', {}, () => {
    throw new Error('no disk');
  });
  server.registerTool('hang', {}, async (context: ServerContext) => {
    heard('hanging');
    await new Promise((resolve) => context.mcpReq.signal.addEventListener('abort', resolve));
    heard('cancelled');
    return words('too late');
  });
  server.registerTool('who', {}, (context: ServerContext) =>
    words(JSON.stringify({ pid: process.pid, meta: context.mcpReq._meta, env: Object.keys(process.env).sort() })),
  );
  server.registerTool('grow', {}, () => {
    server.registerTool('Grown.Tool', {}, () => words('grown'));
    return words('ok');
  });
  server.registerTool('Read.File-v2', {}, () => words('the first'));
  server.registerTool('read_file-v2', {}, () => words('the second'));
  const not = { type: 'object' as const, properties: { word: { not: { type: 'string' } } } };
  server.registerTool('strange', { inputSchema: fromJsonSchema<Record<string, unknown>>(not) }, (input) =>
    words(JSON.stringify(input)),
  );
  return server;
}

export interface McpService extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly heard: readonly string[];
  /** The `authorization` headers that came. */
  readonly keys: ReadonlySet<string | undefined>;
}

/** The same tools over streamable HTTP: of the 2026 protocol, or with sessions as the one before had them. */
export async function serveTools(kind: 'modern' | 'sessions' = 'modern', port = 0): Promise<McpService> {
  const heard: string[] = [];
  const keys = new Set<string | undefined>();
  const make = () => toolServer((word) => heard.push(word));
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>();
  const modern = toNodeHandler(createMcpHandler(make));

  const server = createServer(async (request, response) => {
    keys.add(request.headers.authorization);
    if (kind === 'modern') return modern(request, response);
    const id = request.headers['mcp-session-id'] as string | undefined;
    const known = id === undefined ? undefined : sessions.get(id);
    if (id !== undefined && !known) return response.writeHead(404).end();
    if (known) return known.handleRequest(request, response);
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => crypto.randomUUID(),
      onsessioninitialized: (fresh) => void sessions.set(fresh, transport),
    });
    await make().connect(transport);
    return transport.handleRequest(request, response);
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/mcp`,
    port: taken,
    heard,
    keys,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

if (import.meta.main) {
  const log = process.env.MCP_LOG;
  serveStdio(() => toolServer((word) => log && appendFileSync(log, `${word}\n`)));
}
