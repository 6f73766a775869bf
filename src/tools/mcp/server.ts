// The client of one MCP server: connects on demand, calls its tools, and reconnects after a loss.
import type { CallToolResult, Client, Tool as Definition } from '@modelcontextprotocol/client';
import { unlessAborted } from '../../platform/abort.ts';
import type { Clock } from '../../platform/clock.ts';
import { Failed } from '../../platform/errors.ts';
import { version } from '../../platform/version.ts';
import type { McpOptions } from '../mcp.ts';
import type { Tool, ToolContext, ToolSource } from '../tool.ts';
import { outputOf, wordsOf } from './content.ts';
import { mount } from './tool.ts';

/** Timeout of connecting, ms. */
const CONNECT_MS = 30_000;
/** How long a list of tools is cached when the server does not notify of changes, ms. */
const LIST_MS = 60_000;
/** The client's own timeout of a call, ms, effectively none: the caller limits it. */
const UNBOUNDED = 2 ** 31 - 1;

type Sdk = typeof import('@modelcontextprotocol/client');

export class McpServer implements ToolSource {
  readonly name: string;
  readonly #options: McpOptions;
  readonly #clock: Clock;
  #connection: Promise<Client> | undefined;
  #cached: { readonly tools: readonly Tool[]; readonly until: number } | undefined;
  #closed = false;

  constructor(name: string, options: McpOptions, clock: Clock) {
    this.name = name;
    this.#options = options;
    this.#clock = clock;
  }

  async tools(): Promise<readonly Tool[]> {
    if (!this.#cached || this.#cached.until <= this.#clock.now()) await this.#list();
    return this.#cached!.tools;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = undefined;
    await connection?.then(
      (client) => client.close(),
      () => {},
    );
  }

  async #list(): Promise<void> {
    try {
      const client = await this.#connected();
      this.#cache((await client.listTools()).tools);
    } catch (error) {
      const { tools } = this.#cached ?? {};
      if (!tools) throw this.#unavailable(error);
      // Keeps the cached list for another interval: calls report that the server is down, and lists need not wait for
      // it each time.
      this.#cached = { tools, until: this.#clock.now() + LIST_MS };
    }
  }

  #cache(definitions: readonly Definition[]): void {
    const { approval, timeout_ms } = this.#options;
    const call = this.#call.bind(this);
    this.#cached = {
      tools: mount(definitions, { server: this.name, approval, timeout_ms, call }),
      until: this.#clock.now() + LIST_MS,
    };
  }

  async #call(definition: Definition, input: Record<string, unknown>, context: ToolContext): Promise<unknown> {
    const result = await this.#ask(definition, input, context);
    if (result.isError)
      throw new Failed('tool_failed', wordsOf(result) || 'the tool failed and did not say why', false);
    return outputOf(result);
  }

  async #ask(
    definition: Definition,
    input: Record<string, unknown>,
    context: ToolContext,
    isAgain = false,
  ): Promise<CallToolResult> {
    const { signal, idempotency_key } = context;
    const { name } = definition;
    const sdk = await load();
    let client: Client | undefined;
    try {
      client = await unlessAborted(this.#connected(), signal);
      const _meta = { 'troupe/idempotency_key': idempotency_key };
      const options = { signal, timeout: UNBOUNDED, toolDefinition: definition };
      return await client.callTool({ name, arguments: input, _meta }, options);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof sdk.ProtocolError || (client && isAnswered(error, sdk)))
        throw new Failed('tool_failed', (error as Error).message, false);
      if (client) this.#drop(client);
      // A restarted server does not have this session: the call was not executed, so it is safe to repeat.
      if (error instanceof sdk.SdkHttpError && error.status === 404 && client && !isAgain)
        return this.#ask(definition, input, context, true);
      throw this.#unavailable(error);
    }
  }

  #connected(): Promise<Client> {
    if (this.#closed) return Promise.reject(new Error('it was closed'));
    if (this.#connection) return this.#connection;
    const connection: Promise<Client> = this.#connect(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    this.#connection = connection;
    connection.catch(() => {
      if (this.#connection === connection) this.#connection = undefined;
    });
    return connection;
  }

  async #connect(lost: () => void): Promise<Client> {
    const sdk = await load();
    const options = this.#options;
    const client: Client = new sdk.Client(
      { name: 'troupe', version },
      {
        // Probing a child process for its protocol version would start another process, so only services are probed.
        versionNegotiation: { mode: 'url' in options ? 'auto' : 'legacy', probe: { timeoutMs: CONNECT_MS } },
        listChanged: { tools: { onChanged: (error, tools) => (error ? this.#forget() : this.#cache(tools ?? [])) } },
      },
    );
    client.onclose = lost;
    // Every error also rejects the call that it belongs to.
    client.onerror = () => {};
    try {
      await client.connect(await transportTo(options, sdk), { timeout: CONNECT_MS });
    } catch (error) {
      await client.close().catch(() => {});
      throw error;
    }
    if (this.#closed) await client.close();
    return client;
  }

  /** Expires the cached list, so that the next caller fetches it. */
  #forget(): void {
    if (this.#cached) this.#cached = { ...this.#cached, until: 0 };
  }

  #drop(client: Client): void {
    this.#connection = undefined;
    client.close().catch(() => {});
  }

  // The message has neither a command's arguments nor headers, which may contain secrets.
  #unavailable(error: unknown): Failed {
    const options = this.#options;
    const where = 'url' in options ? new URL(options.url).host : options.command;
    const why = error instanceof Error ? reasonOf(error) : String(error);
    return new Failed('tools_unavailable', `MCP server "${this.name}" (${where}) cannot be reached: ${why}`);
  }
}

// Loaded with the first server: most processes need none.
const load = (): Promise<Sdk> => import('@modelcontextprotocol/client');

async function transportTo(options: McpOptions, sdk: Sdk) {
  if ('url' in options)
    return new sdk.StreamableHTTPClientTransport(new URL(options.url), {
      requestInit: { headers: options.headers ?? {} },
    });
  const { StdioClientTransport } = await import('@modelcontextprotocol/client/stdio');
  const { command, args, env, cwd } = options;
  // The process may write secrets of its own to its standard error.
  return new StdioClientTransport({ command, args, env, cwd, stderr: 'ignore' });
}

/** Whether the server replied, but with a response that the client cannot use. */
const isAnswered = (error: unknown, { SdkError, SdkErrorCode }: Sdk): boolean =>
  error instanceof SdkError &&
  [SdkErrorCode.InvalidResult, SdkErrorCode.UnsupportedResultType, SdkErrorCode.CapabilityNotSupported].includes(
    error.code,
  );

const reasonOf = ({ message, cause }: Error): string =>
  cause instanceof Error && cause.message !== '' && !message.includes(cause.message)
    ? `${message}: ${cause.message}`
    : message;
