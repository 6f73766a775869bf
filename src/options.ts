// The options of a runtime.

import { z } from 'zod';
import type { Inspect } from '../actors/durable.ts';
import type { HookFunctions } from '../actors/hooks.ts';
import { breakerLimits } from '../machines/breaker/events.ts';
import type { Settings } from '../machines/session/events.ts';
import type { AgentDefinition, AgentFunction } from './agents/definition.ts';
import type { PoolOptions } from './agents/pool.ts';
import type { OwnMachine } from './charts/charts.ts';
import type { ClusterOptions } from './cluster/cluster.ts';
import type { AgentProtocolOptions } from './interfaces/nats/agent-protocol.ts';
import type { Journal } from './journal/journal.ts';
import type { LlmSettings } from './llm/settings.ts';
import type { OrchestratorDefinition } from './orchestration/definition.ts';
import type { Clock } from './platform/clock.ts';
import type { Log } from './platform/log.ts';
import type { Authorize } from './routing/access.ts';
import type { Flow } from './routing/directory.ts';
import type { RoutingStrategy } from './routing/triggers.ts';
import type { McpOptions } from './tools/mcp.ts';
import type { Tool, ToolSource } from './tools/tool.ts';
import type { Transport } from './transport/transport.ts';

const given = z.unknown().optional();

/** The names of all options. What stands under them is checked where it is used. */
export const troupeOptions = z.strictObject({
  ...{ agents: given, flows: given, tools: given, mcp: given, orchestrators: given, machines: given },
  ...{ authorize: given, shouldProcess: given, prepareContext: given, postProcess: given, inspect: given },
  ...{ routing: given, routing_threshold: given, routing_model: given, default_agent: given, handleNoMatch: given },
  ...{ journal: given, transport: given, clock: given, random: given, log: given, settings: given, llm: given },
  ...{ max_concurrent_requests: given, request_timeout_ms: given, drain_ms: given, passivate_ms: given },
  ...{ max_resident: given, stuck_ms: given },
  agent_protocol: z.union([z.boolean(), z.strictObject({ tenant: given, interval_s: given })]).optional(),
  jobs: z.strictObject({ workers: given }).optional(),
  pool: z
    .strictObject({
      ...{ balancing: given, models: given, permit: given },
      breaker: breakerLimits.strict().optional(),
      checks: z.strictObject({ interval_ms: given, timeout_ms: given }).optional(),
      http: z.strictObject({ maxAnswerBytes: given, idleMs: given }).optional(),
    })
    .optional(),
  cluster: z
    .strictObject({ id: given, buckets: given, shards: given, limits: given, scan: given, timing: given })
    .optional(),
} satisfies Record<keyof TroupeOptions, z.ZodType>);

export interface TroupeOptions extends HookFunctions {
  readonly agents?: readonly AgentDefinition[];
  readonly flows?: Readonly<Record<string, Flow>>;
  /** Tools, and sources of tools; agents and flows refer to them by name. */
  readonly tools?: readonly (Tool | ToolSource)[];
  /** MCP servers by name; their tools are called `{name}_{tool}`, and the name alone stands for all of them. */
  readonly mcp?: Readonly<Record<string, McpOptions>>;
  /** Serves the agents on NATS by the Synadia Agent Protocol (`agents.prompt.troupe.…`) too. Default: no. */
  readonly agent_protocol?: boolean | AgentProtocolOptions;
  /** Authorizes every message, verb, run, call of an agent and call of a tool (E12). Default: everything is allowed. */
  readonly authorize?: Authorize;
  readonly orchestrators?: readonly OrchestratorDefinition[];
  /** Calls of `orchestrate` and `run` in progress at once on this node. Default 100. */
  readonly max_concurrent_requests?: number;
  /** Timeout of such a call unless it sets one, ms. Default 300,000. */
  readonly request_timeout_ms?: number;
  /** `workers`: jobs that run concurrently on this node. Default 4. */
  readonly jobs?: { readonly workers?: number };
  /**
   * How a message that names no agent finds one: `trigger` (the default), `llm` asks a model, `hybrid` does if triggers are not
   * sure; a function may return `'default'` to defer to triggers.
   */
  readonly routing?: RoutingStrategy;
  /** `hybrid` asks the model if the triggers' confidence is below this, 0 to 1. Default 0.75. */
  readonly routing_threshold?: number;
  /** Name of the routing model. Default: the model of the settings. */
  readonly routing_model?: string;
  /** The agent for messages that match no other. */
  readonly default_agent?: string;
  /** Answers messages that match no agent (B6). */
  readonly handleNoMatch?: AgentFunction;
  /** Default: in memory. `sqliteJournal({ path })` survives the process. */
  readonly journal?: Journal;
  /** Carries messages on subjects and calls of agents of kind `nats`. Default: within this process only. */
  readonly transport?: Transport;
  readonly clock?: Clock;
  /** Random numbers, 0 ≤ x < 1, for the jitter of back-offs. Default `Math.random`. */
  readonly random?: () => number;
  readonly log?: Log;
  /** Settings of new sessions; see `settings` for each one's meaning and default. */
  readonly settings?: Partial<Settings>;
  /** Settings of model calls: levels by founder, tenant and user; `OPENAI_API_KEY` and `OPENAI_BASE_URL` are the level below. */
  readonly llm?: LlmSettings;
  readonly pool?: Omit<PoolOptions, 'clock' | 'random' | 'transport' | 'inspect'>;
  /**
   * XState's inspection callback: called with every actor of this runtime as it is created, and with its events and snapshots.
   * The `id` of a session's actor is `{tenant}/{session}`, and begins so for agents' own charts; the node, its agents, endpoints,
   * breakers, budgets and shards have actors too. It is called while a session decides, so it should only take notes; what it
   * throws is logged.
   */
  readonly inspect?: Inspect;
  /** Makes this process a node of a cluster; journal and transport must be shared with the other nodes. */
  readonly cluster?: Omit<ClusterOptions, 'transport' | 'clock' | 'log' | 'inspect'>;
  /** Charts of the application, for viewers: `GET /v1/machines` shows them, and transitions can be computed there. */
  readonly machines?: Readonly<Record<string, OwnMachine>>;
  /** Time limit per part of a session's state after which the session counts as stuck, ms. Defaults: `STUCK_MS`. */
  readonly stuck_ms?: Readonly<Record<string, number>>;
  /**
   * Time for running answers to end on a node that leaves its cluster, ms. Default 30,000. Answers that take longer begin anew on
   * another node, with the same idempotency key.
   */
  readonly drain_ms?: number;
  /** Time after which an idle session is passivated, ms. Default 60,000. */
  readonly passivate_ms?: number;
  /** Largest number of idle sessions in memory. Default 10,000. */
  readonly max_resident?: number;
}
