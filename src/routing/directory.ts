// The directory of a tenant's agents, flows and tools, and the routing of messages to agents.

import { type Route, token } from '../../machines/session/events.ts';
import { checkFlow, checkTool } from '../agents/define.ts';
import type { AgentDefinition } from '../agents/definition.ts';
import type { AgentPool } from '../agents/pool.ts';
import type { Key } from '../journal/journal.ts';
import type { Models } from '../llm/model.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import { isOf, type Tool, type ToolSource } from '../tools/tool.ts';
import { routeByModel } from './by-model.ts';
import { type Candidate, compileTriggers, type RouterContext, type RoutingStrategy } from './triggers.ts';

/** A profile of an agent: its id, the tools it may use, and its parameters (A2). */
export interface Flow {
  readonly agent_type: string;
  readonly tools?: readonly string[];
  readonly agent_params?: Readonly<Record<string, unknown>>;
}

export interface DirectoryOptions {
  readonly pool: AgentPool;
  readonly flows?: Readonly<Record<string, Flow>>;
  readonly tools?: readonly (Tool | ToolSource)[];
  /** `trigger` (the default), `llm`, `hybrid`, or a custom function that may return `'default'` to defer to triggers. */
  readonly routing?: RoutingStrategy;
  /** Models for `llm` and `hybrid`. */
  readonly models?: Models;
  /** Name of the routing model. Default: the model of the settings. */
  readonly routingModel?: string;
  /** `hybrid` asks the model if the triggers' confidence is below this. Default 0.75: no whole phrase of any agent matched. */
  readonly threshold?: number;
  /** The agent for messages that match nothing; without one such a run fails with `no_match`. */
  readonly noMatch?: string;
  /** An agent only for messages that match nothing; a model cannot choose it. */
  readonly hidden?: string;
}

/** Input of routing besides the message. */
export interface RoutingIO {
  readonly history: RouterContext['history'];
  readonly signal: AbortSignal;
  /** The session's configuration, with its settings of model calls. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly idempotency_key?: string;
}

/** Confidence of the weakest match of a whole phrase. */
const SURE = 0.75;

/** The fields of a message that name its destination. */
interface Wish {
  readonly content: string;
  readonly agent_id?: string;
  readonly flow?: string;
}

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #tools = new Map<string, Tool>();
  readonly #sources = new Map<string, ToolSource>();
  readonly #flows = new Map<string, ReadonlyMap<string, Flow>>();
  readonly #triggers = new Map<string, { generation: number; match: (message: string) => Route | null }>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    for (const tool of options.tools ?? []) this.declare(tool);
    this.#flows.set('*', this.#checked(options.flows ?? {}));
  }

  /** Registers a tenant's own flows, which override those declared for all. Throws `Refused` on an unknown tool. */
  register(tenant: string, flows: Readonly<Record<string, Flow>>): void {
    this.#flows.set(tenant, new Map([...(this.#flows.get(tenant) ?? []), ...this.#checked(flows)]));
  }

  /** Throws `Refused('unknown_flow')` naming it. */
  flow(tenant: string, name: string): Flow {
    const flow = this.#flows.get(tenant)?.get(name) ?? this.#flows.get('*')?.get(name);
    if (flow) return flow;
    const known = [...new Set([...(this.#flows.get(tenant)?.keys() ?? []), ...this.#flows.get('*')!.keys()])];
    throw new Refused('unknown_flow', `there is no flow "${name}"; there are ${list(known)}`, 404);
  }

  /**
   * The tools of a name: one tool, or all tools of a source; empty if there is neither. Rejects with `Failed` if the source
   * cannot be reached.
   */
  async tools(_tenant: string, name: string): Promise<readonly Tool[]> {
    const declared = this.#tools.get(name);
    if (declared) return [declared];
    const source = this.#sourceOf(name);
    if (!source) return [];
    const tools = await source.tools();
    return name === source.name ? tools : tools.filter((tool) => tool.name === name);
  }

  /** Declares a tool or a source of tools. Throws `Refused`: `duplicate_tool`, or as `defineTool` does. */
  declare(tool: Tool | ToolSource): void {
    const { name } = tool;
    if (this.#tools.has(name) || this.#sources.has(name))
      throw new Refused('duplicate_tool', `tool "${name}" is declared twice`);
    if (isSource(tool)) {
      this.#sources.set(parse(token, name, 'source of tools'), tool);
    } else {
      checkTool(tool);
      this.#tools.set(name, tool);
    }
  }

  /** The declared tools, without those of sources. */
  declared(): Tool[] {
    return [...this.#tools.values()];
  }

  /** Closes the connections of the tool sources. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#sources.values()].map((source) => source.close()));
  }

  /**
   * The route of a message that can be found without waiting: it names its agent or flow, or the triggers decide. Undefined
   * leaves it to the chart's `routing` state. Throws `Refused` on an unknown agent or flow.
   */
  routeNow({ tenant }: Key, { content, agent_id, flow }: Wish): Route | undefined {
    if (flow !== undefined) return this.#to(tenant, this.flow(tenant, flow).agent_type, `flow ${flow}`);
    if (agent_id !== undefined) return this.#to(tenant, agent_id, 'named by the caller');
    const { routing, threshold = SURE } = this.#options;
    if (typeof routing === 'function' || routing === 'llm') return;
    if (routing !== 'hybrid') return this.#byTrigger(tenant, content) ?? this.#matchless(tenant) ?? undefined;
    const matched = this.#byTrigger(tenant, content);
    return matched && matched.confidence >= threshold ? matched : undefined;
  }

  /**
   * Performs the chart's `routing` state: asks the router, the model or the triggers; null if none matches. Rejects with `Failed`
   * if the model could not be asked and there is no other strategy.
   */
  async route(key: Key, content: string, io: RoutingIO): Promise<Route | null> {
    const { routing } = this.#options;
    if (routing === 'llm' || routing === 'hybrid') return this.#byModel(key, content, io);
    if (typeof routing !== 'function') return this.#byTrigger(key.tenant, content) ?? this.#matchless(key.tenant);
    const agents = this.#candidates(key.tenant);
    const route = await routing(content, { tenant: key.tenant, session_id: key.session, agents, history: io.history });
    if (route === 'default') return this.#byTrigger(key.tenant, content) ?? this.#matchless(key.tenant);
    return route === null
      ? this.#matchless(key.tenant)
      : { ...this.#to(key.tenant, route.agent, route.reason), ...route };
  }

  async #byModel({ tenant, session }: Key, content: string, io: RoutingIO): Promise<Route | null> {
    const { models, routing, routingModel, hidden } = this.#options;
    const candidates = this.#candidates(tenant).filter(({ id }) => id !== hidden);
    const { history, signal, config, idempotency_key } = io;
    const scope = { tenant, session_id: session, config, idempotency_key };
    try {
      if (!models) throw new Failed('llm_not_configured', 'there is nothing to ask a model with', false);
      const route = await routeByModel(models, content, candidates, { scope, signal, history }, routingModel);
      return route
        ? this.#withFallbacks(tenant, route)
        : this.#matchless(tenant, 'the model says that no agent is for it');
    } catch (error) {
      if (signal.aborted || !(error instanceof Failed)) throw error;
      const instead = (routing === 'hybrid' ? this.#byTrigger(tenant, content) : null) ?? this.#matchless(tenant);
      if (instead) return { ...instead, reason: `${instead.reason}; the model could not decide: ${error.message}` };
      if (routing === 'llm') throw error;
      throw new Failed(
        'no_match',
        `no agent matches this message; the model could not decide: ${error.message}`,
        false,
      );
    }
  }

  /** An agent's own fallbacks come before those that the model names. */
  #withFallbacks(tenant: string, route: Route): Route {
    const { secondary: own = [] } = this.#to(tenant, route.agent, route.reason);
    const secondary = [...new Set([...own, ...(route.secondary ?? [])])].filter((id) => id !== route.agent);
    return { ...route, ...(secondary.length > 0 && { secondary }) };
  }

  /** The agents of a tenant without the one hidden for messages that match nothing. */
  agents(tenant: string): AgentDefinition[] {
    const { pool, hidden } = this.#options;
    return pool.agents(tenant).filter(({ id }) => id !== hidden);
  }

  #candidates(tenant: string): Candidate[] {
    return this.#options.pool
      .agents(tenant)
      .map(({ id, description, triggers, capabilities }) => ({ id, description, triggers, capabilities }));
  }

  #byTrigger(tenant: string, content: string): Route | null {
    const { pool } = this.#options;
    let compiled = this.#triggers.get(tenant);
    if (compiled?.generation !== pool.generation) {
      compiled = { generation: pool.generation, match: compileTriggers(pool.agents(tenant)) };
      this.#triggers.set(tenant, compiled);
    }
    const matched = compiled.match(content);
    if (!matched) return null;
    const { agent, confidence, reason } = matched;
    // Weaker matches are no fallbacks for an agent that failed; those it declares itself are.
    return { ...this.#to(tenant, agent, reason), confidence };
  }

  #matchless(tenant: string, reason = 'nothing matched'): Route | null {
    const { noMatch } = this.#options;
    return noMatch === undefined ? null : { ...this.#to(tenant, noMatch, reason), confidence: 0 };
  }

  #to(tenant: string, agent: string, reason: string): Route {
    const found = this.#options.pool.get(tenant, agent);
    if (!found) {
      const known = this.#options.pool.agents(tenant).map(({ id }) => id);
      throw new Refused('unknown_agent', `there is no agent "${agent}"; there are ${list(known)}`, 404);
    }
    const { fallbacks } = found.definition;
    return { agent, confidence: 1, reason, ...(fallbacks?.length && { secondary: [...fallbacks] }) };
  }

  /** The source of a name, itself or one of its tools; of several matches the one with the longest name. */
  #sourceOf(name: string): ToolSource | undefined {
    const fitting = [...this.#sources.values()].filter((source) => isOf(source.name, name));
    return fitting.toSorted((a, b) => b.name.length - a.name.length)[0];
  }

  #checked(flows: Readonly<Record<string, Flow>>): Map<string, Flow> {
    for (const [name, flow] of Object.entries(flows)) {
      checkFlow(name, flow);
      // A source lists its tools only when asked, so here it is only checked that the name belongs to a source.
      for (const tool of flow.tools ?? [])
        if (!this.#tools.has(tool) && !this.#sourceOf(tool))
          throw new Refused(
            'unknown_tool',
            `flow "${name}" lists the tool "${tool}", which is not declared; declared are ${list([...this.#tools.keys(), ...this.#sources.keys()])}`,
          );
    }
    return new Map(Object.entries(flows));
  }
}

const isSource = (tool: Tool | ToolSource): tool is ToolSource =>
  typeof (tool as Partial<ToolSource>).tools === 'function';

const list = (names: readonly string[]): string => (names.length > 0 ? names.join(', ') : 'none');
