// A real HTTP server that plays an agent, and calls as a session would make them.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CallIO } from '../actors/performer.ts';
import type { AgentCall } from '../src/agents/definition.ts';
import { Failed } from '../src/platform/errors.ts';

export interface AgentServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Connections that are open now, and how many there ever were. */
  readonly connections: { open: number; total: number };
}

export type Handler = (response: ServerResponse, body: any, request: IncomingMessage) => unknown;

/** Listens on a free loopback port; `handler` gets the parsed body of every request. */
export async function serveAgent(handler: Handler, port = 0): Promise<AgentServer> {
  const connections = { open: 0, total: 0 };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    await handler(response, body === '' ? undefined : JSON.parse(body), request);
  });
  server.on('connection', (socket) => {
    connections.open += 1;
    connections.total += 1;
    socket.on('close', () => {
      connections.open -= 1;
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    port: address.port,
    connections,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export const EVENTS = { 'content-type': 'text/event-stream' };

export const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

export const callOf = (agent_id: string, more: Partial<AgentCall> = {}): AgentCall => ({
  tenant: 'acme',
  session_id: 's1',
  run_id: 's1.1',
  agent_id,
  attempt: 1,
  idempotency_key: 's1#1.0',
  input: [{ role: 'user', content: 'hello' }],
  guidance: [],
  context: {},
  tried: [],
  ...more,
});

/** What a session lends to a call; `parts` keeps what was streamed. */
export const lend = (more: Partial<CallIO> = {}): CallIO & { readonly parts: string[] } => {
  const parts: string[] = [];
  const never = new AbortController().signal;
  const part = (text: string) => void parts.push(text);
  return { signal: never, part, history: async () => [], remember: async () => {}, ...more, parts };
};

/** The `Failed` that a promise rejects with; anything else is an error of the test. */
export const failureOf = (promise: Promise<unknown>): Promise<Failed> =>
  promise.then(
    (value) => Promise.reject(new Error(`did not fail: ${JSON.stringify(value)}`)),
    (error) => (error instanceof Failed ? error : Promise.reject(error)),
  );
