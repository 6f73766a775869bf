// Schemas of the environment and of `troupe.config.ts` or `.yaml`. Every refusal names the valid values.
import { z } from 'zod';
import type { HookFunctions } from '../../actors/hooks.ts';
import { ownSettings, token } from '../../machines/session/events.ts';
import { balancings } from '../agents/balance.ts';
import type { AgentDefinition, AgentFunction } from '../agents/definition.ts';
import type { OwnMachine } from '../charts/charts.ts';
import { llmData, llmProgram } from '../llm/settings.ts';
import type { OrchestratorDefinition } from '../orchestration/definition.ts';
import type { Authorize } from '../routing/access.ts';
import { type RoutingStrategy, strategies } from '../routing/triggers.ts';
import { mcpServer } from '../tools/mcp.ts';
import type { Tool, ToolSource } from '../tools/tool.ts';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

const PORT = 'must be a port: 0 to 65535';
const port = z.int(PORT).min(0, PORT).max(65_535, PORT);
const url = z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' });
const milliseconds = z.int('must be a whole number of milliseconds').positive('must be more than 0');
const logLevel = z.enum(logLevels);

/** A number written as text. */
const written = <S extends z.ZodType<number, number>>(schema: S) => z.string().transform(numberIn).pipe(schema);

const numberIn = (text: string): number => (/^\d{1,15}$/.test(text.trim()) ? Number(text) : Number.NaN);

const natsUrl = z
  .string()
  .regex(
    /^((nats|tls):\/\/)?[^\s,/]+(,((nats|tls):\/\/)?[^\s,/]+)*$/,
    'must be nats://host:port, several separated by commas',
  );
const natsPort = z.union([z.literal('off'), port], { error: `${PORT}, or "off"` });
const replicas = z.int().min(1).max(5);

export const environment = z.object({
  HTTP_HOST: z.string().optional(),
  HTTP_PORT: written(port).optional(),
  DATABASE_URL: z.string().optional(),
  INGRESS_URL: url.optional(),
  AGENT_TIMEOUT_MS: written(milliseconds).optional(),
  DRAIN_TIMEOUT_MS: written(milliseconds).optional(),
  LOG_LEVEL: logLevel.optional(),
  NATS_URL: natsUrl.optional(),
  NATS_PORT: z
    .string()
    .transform((text) => (text.trim() === 'off' ? 'off' : numberIn(text)))
    .pipe(natsPort)
    .optional(),
  NATS_REPLICAS: written(replicas).optional(),
  TROUPE_CONFIG: z.string().optional(),
});

const httpAgent = z.strictObject({
  id: token,
  kind: z.literal('http').default('http'),
  description: z.string().optional(),
  triggers: z.array(z.string().min(1)).optional(),
  capabilities: z.array(z.string().min(1)).optional(),
  fallbacks: z.array(token).optional(),
  endpoints: z.array(z.strictObject({ id: token, url, weight: z.number().positive().optional() })).min(1),
});

/** The file's fields that are plain data. Numbers whose name has no unit are seconds, as operators know these settings. */
export const dataFile = z.strictObject({
  http: z.strictObject({ host: z.string().min(1).optional(), port: port.optional() }).optional(),
  database_url: z.string().min(1).optional(),
  ingress_url: url.optional(),
  agent_timeout_ms: milliseconds.optional(),
  /**
   * Time for running answers to end after SIGTERM, ms. Default 30,000. A supervisor must wait longer before it kills the process.
   */
  drain_timeout_ms: milliseconds.optional(),
  log_level: logLevel.optional(),
  nats_url: natsUrl.optional(),
  /** The loopback port for NATS clients if there is no `nats_url`. Default 4222, if free. */
  nats_port: natsPort.optional(),
  nats_replicas: replicas.optional(),
  settings: ownSettings.optional(),
  agents: z.array(httpAgent).optional(),
  flows: z
    .record(
      token,
      z.strictObject({
        agent_type: token,
        tools: z.array(token).optional(),
        agent_params: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .optional(),
  /** MCP servers by name; `${NAME}` in their args, env and headers is a variable of the environment. */
  mcp: z
    .record(token, mcpServer, {
      error: ({ code }) => (code === 'invalid_key' ? 'must be 1 to 63 characters of a-z, 0-9, "_" and "-"' : undefined),
    })
    .optional(),
  /** Settings of model calls. The environment provides OPENAI_API_KEY, OPENAI_BASE_URL and TROUPE_ENCRYPTION_KEY. */
  llm: llmData.optional(),
  routing_strategy: z.enum(strategies).optional(),
  routing_threshold: z.number().min(0).max(1).optional(),
  routing_model: z.string().min(1).optional(),
  default_agent: token.optional(),
  /** Serves the agents by the Synadia Agent Protocol for NATS too. */
  agent_protocol: z
    .union([z.boolean(), z.strictObject({ tenant: token.optional(), interval_s: z.number().positive().optional() })])
    .optional(),
  balancing: z.enum(balancings).optional(),
  breaker: z
    .strictObject({
      failure_threshold: z.int().min(1).optional(),
      recovery_timeout: z.number().positive().optional(),
      slow_ms: z.number().positive().optional(),
      slow_rate: z.number().min(0).max(1).optional(),
      budget_usd: z.number().positive().optional(),
    })
    .optional(),
  /** 0 turns the checks off. */
  health_check_interval: z.number().min(0).optional(),
  /** Time limit per part of a session's state, e.g. `human`, after which the session counts as stuck, ms. */
  stuck_ms: z.record(z.string(), milliseconds).optional(),
  passivate_ms: milliseconds.optional(),
  max_resident: z.int().min(0).optional(),
  /** Limits of `orchestrate` and of orchestrators' runs, per node. */
  max_concurrent_requests: z.int().min(1).optional(),
  request_timeout: z.number().positive().optional(),
  /** Jobs that run concurrently on a node. */
  jobs: z.strictObject({ workers: z.int().min(0).max(10_000).optional() }).optional(),
});

const callable = <T>() => z.custom<T>((value) => typeof value === 'function', 'must be a function').optional();
const object = <T>(name: string) =>
  z.custom<T>((value) => typeof value === 'object' && value !== null, `must be ${name}`);

/** The file's fields that need code. Agents and tools are validated where they are declared. */
export const programFile = dataFile.extend({
  llm: llmProgram.optional(),
  /** Charts of the application, for viewers. */
  machines: z.record(z.string(), object<OwnMachine>('an XState machine, or { machine, events, … }')).optional(),
  orchestrators: z.array(object<OrchestratorDefinition>('an orchestrator: { name, version, payload, run }')).optional(),
  agents: z.array(object<AgentDefinition>('an agent: { id, run } or another kind')).optional(),
  tools: z.array(object<Tool | ToolSource>('a tool: { name, description, input, execute }')).optional(),
  routing: z
    .custom<RoutingStrategy>(
      (value) => strategies.includes(value as 'trigger') || typeof value === 'function',
      'must be "trigger", "llm", "hybrid" or a function',
    )
    .optional(),
  handleNoMatch: callable<AgentFunction>(),
  authorize: callable<Authorize>(),
  shouldProcess: callable<NonNullable<HookFunctions['shouldProcess']>>(),
  prepareContext: callable<NonNullable<HookFunctions['prepareContext']>>(),
  postProcess: callable<NonNullable<HookFunctions['postProcess']>>(),
});

/** The type of a configuration file's content. */
export type ConfigFile = z.input<typeof programFile>;
