// What a tenant has: its agents, flows and tools, and how a message finds its agent.
import type { AgentPool } from '../actors/pool.ts';
import type { Route } from '../machines/session/events.ts';
import { checkFlow, checkTool } from './define.ts';
import { Refused } from './errors.ts';
import type { Key } from './journal.ts';
import { compileTriggers, type Router, type RouterContext } from './routing.ts';
import type { Tool } from './tools.ts';

/** A way to run an agent: which one, with only these tools, and with these parameters (A2). */
export interface Flow {
  readonly agent_type: string;
  readonly tools?: readonly string[];
  readonly agent_params?: Readonly<Record<string, unknown>>;
}

export interface DirectoryOptions {
  readonly pool: AgentPool;
  readonly flows?: Readonly<Record<string, Flow>>;
  readonly tools?: readonly Tool<any>[];
  /** `trigger` (the default) or a function of one's own that may answer `'default'` to defer to it. */
  readonly routing?: 'trigger' | Router;
  /** The agent for messages that match nothing; without one such a run fails with `no_match`. */
  readonly noMatch?: string;
}

/** What a message says of where it wants to go. */
interface Wish {
  readonly content: string;
  readonly agent_id?: string;
  readonly flow?: string;
}

export class Directory {
  readonly #options: DirectoryOptions;
  readonly #tools: ReadonlyMap<string, Tool<any>>;
  readonly #flows = new Map<string, ReadonlyMap<string, Flow>>();
  readonly #triggers = new Map<string, { generation: number; match: (message: string) => Route | null }>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    for (const tool of options.tools ?? []) checkTool(tool);
    this.#tools = new Map((options.tools ?? []).map((tool) => [tool.name, tool]));
    this.#flows.set('*', this.#checked(options.flows ?? {}));
  }

  /** Gives a tenant flows of its own, over those declared for all. Throws `Refused` on an unknown tool. */
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

  tool(_tenant: string, name: string): Tool<any> | undefined {
    return this.#tools.get(name);
  }

  /**
   * Where a message goes, when that can be said at the door: it names its agent or flow, or the triggers decide.
   * Undefined leaves it to the chart's `routing` state. Throws `Refused` on an unknown agent or flow.
   */
  routeNow({ tenant }: Key, { content, agent_id, flow }: Wish): Route | undefined {
    if (flow !== undefined) return this.#to(tenant, this.flow(tenant, flow).agent_type, `flow ${flow}`);
    if (agent_id !== undefined) return this.#to(tenant, agent_id, 'named by the caller');
    if (typeof this.#options.routing === 'function') return;
    return this.#byTrigger(tenant, content) ?? undefined;
  }

  /** The chart's `routing` state: asks the custom router, then the triggers; null when nothing matched. */
  async route(key: Key, content: string, history: RouterContext['history']): Promise<Route | null> {
    const { routing, pool } = this.#options;
    if (typeof routing !== 'function') return this.#byTrigger(key.tenant, content);
    const agents = pool.agents(key.tenant).map(({ id, description, triggers, capabilities }) => ({
      id,
      description,
      triggers,
      capabilities,
    }));
    const route = await routing(content, { tenant: key.tenant, session_id: key.session, agents, history });
    if (route === 'default') return this.#byTrigger(key.tenant, content);
    return route === null ? this.#matchless() : { ...this.#to(key.tenant, route.agent, route.reason), ...route };
  }

  #byTrigger(tenant: string, content: string): Route | null {
    const { pool } = this.#options;
    let compiled = this.#triggers.get(tenant);
    if (compiled?.generation !== pool.generation) {
      compiled = { generation: pool.generation, match: compileTriggers(pool.agents(tenant)) };
      this.#triggers.set(tenant, compiled);
    }
    const matched = compiled.match(content);
    if (!matched) return this.#matchless();
    const { agent, confidence, reason } = matched;
    // Others that match less well are no stand-ins for an agent that failed; those it names itself are.
    return { ...this.#to(tenant, agent, reason), confidence };
  }

  #matchless(): Route | null {
    const { noMatch } = this.#options;
    return noMatch === undefined ? null : { agent: noMatch, confidence: 0, reason: 'nothing matched' };
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

  #checked(flows: Readonly<Record<string, Flow>>): Map<string, Flow> {
    for (const [name, flow] of Object.entries(flows)) {
      checkFlow(name, flow);
      for (const tool of flow.tools ?? [])
        if (!this.#tools.has(tool))
          throw new Refused(
            'unknown_tool',
            `flow "${name}" lists the tool "${tool}", which is not declared; declared are ${list([...this.#tools.keys()])}`,
          );
    }
    return new Map(Object.entries(flows));
  }
}

const list = (names: readonly string[]): string => (names.length > 0 ? names.join(', ') : 'none');
