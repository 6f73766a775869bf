// What a runtime is created with.

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
  /** Tools, and sources of tools; agents and flows name them. */
  readonly tools?: readonly (Tool | ToolSource)[];
  /** MCP servers by name; their tools are called `{name}_{tool}`, and the name alone stands for all of them. */
  readonly mcp?: Readonly<Record<string, McpOptions>>;
  /** Offers the agents on NATS by the Synadia Agent Protocol (`agents.prompt.troupe.…`) too; not unless told. */
  readonly agent_protocol?: boolean | AgentProtocolOptions;
  /** Asked before anything is done: for every message, verb, run, call of an agent and call of a tool (E12). */
  readonly authorize?: Authorize;
  readonly orchestrators?: readonly OrchestratorDefinition[];
  /** `orchestrate` and `run` that may be at work at once on this node; 100 unless told. */
  readonly max_concurrent_requests?: number;
  /** The longest that one of them may take unless it says otherwise, ms; 300,000 unless told. */
  readonly request_timeout_ms?: number;
  /** `workers`: jobs that run at once on this node, 4 unless told. */
  readonly jobs?: { readonly workers?: number };
  /**
   * How a message finds its agent when it names none: `trigger` unless told, `llm` asks a model, `hybrid` does when triggers are
   * not sure; a function may answer `'default'` to defer to triggers.
   */
  readonly routing?: RoutingStrategy;
  /** `hybrid` asks the model when triggers are less sure than this, 0 to 1; 0.75 unless told. */
  readonly routing_threshold?: number;
  /** The model that routes; the one of the settings unless told. */
  readonly routing_model?: string;
  /** The agent for what matches nothing. */
  readonly default_agent?: string;
  /** Answers when no agent matches (B6). */
  readonly handleNoMatch?: AgentFunction;
  /** In memory unless told; `sqliteJournal({ path })` survives the process. */
  readonly journal?: Journal;
  /** Where messages on subjects come in and agents of kind `nats` are called; in this process only unless told. */
  readonly transport?: Transport;
  readonly clock?: Clock;
  /** Chance, 0 up to 1: the jitter of back-offs. Math.random unless told. */
  readonly random?: () => number;
  readonly log?: Log;
  /** What sessions are created with; see `settings` for each one's meaning and default. */
  readonly settings?: Partial<Settings>;
  /** How models are called: levels by founder, tenant and user; `OPENAI_API_KEY` and `OPENAI_BASE_URL` are the level below. */
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
  /** Charts of the user's own, for viewers: `GET /v1/machines` shows them, and they can be tried out there. */
  readonly machines?: Readonly<Record<string, OwnMachine>>;
  /** After how long in a part of its state a session counts as stuck, ms; see `STUCK_MS` for what holds unless told. */
  readonly stuck_ms?: Readonly<Record<string, number>>;
  /**
   * A node that leaves a cluster lets running answers end for so many ms; 30,000 unless told. Those that take longer begin anew
   * on another node, with the same idempotency key.
   */
  readonly drain_ms?: number;
  /** An idle session leaves memory after so many ms; 60,000 unless told. */
  readonly passivate_ms?: number;
  /** At most so many idle sessions stay in memory; 10,000 unless told. */
  readonly max_resident?: number;
}
