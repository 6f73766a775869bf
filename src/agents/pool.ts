// The agents that this node can call: their registration per tenant, and single calls of them.
import { isDeepStrictEqual } from 'node:util';
import type { AnyStateMachine } from 'xstate';
import type { Inspect } from '../../actors/durable.ts';
import { asFailed, type CallIO, type ToolStep } from '../../actors/performer.ts';
import type { BreakerInput } from '../../machines/breaker/events.ts';
import type { TaskEmitted } from '../emitted/emitted.ts';
import type { Models } from '../llm/model.ts';
import { type Clock, realClock } from '../platform/clock.ts';
import { Failed, Refused } from '../platform/errors.ts';
import { quiet } from '../platform/quiet.ts';
import type { Transport } from '../transport/transport.ts';
import { type AgentView, PooledAgent } from './agent.ts';
import type { Balancing } from './balance.ts';
import { HealthChecks } from './checks.ts';
import type { AgentCall, AgentDefinition, AgentResult, HttpAgent } from './definition.ts';
import type { Endpoint, EndpointDefinition, Heartbeat } from './endpoint.ts';
import { Instances } from './instances.ts';
import type { Agents } from './performers/flow/step.ts';
import { flowPerformer } from './performers/flow.ts';
import { formPerformer } from './performers/form.ts';
import { functionPerformer } from './performers/function.ts';
import { type HttpOptions, httpCheck, httpPerformer, shown } from './performers/http.ts';
import { type LlmOptions, llmPerformer } from './performers/llm.ts';
import { machinePerformer } from './performers/machine.ts';
import { subjectPerformer } from './performers/subject.ts';

export interface PoolOptions {
  readonly clock?: Clock;
  /** Draws the jitter of failures, from 0 up to 1; Math.random by default. */
  readonly random?: () => number;
  /** Default `round_robin`. */
  readonly balancing?: Balancing;
  readonly breaker?: BreakerInput;
  /** Turns health checks on: by default every 30,000 ms, failed after 5,000 ms. */
  readonly checks?: { readonly interval_ms?: number; readonly timeout_ms?: number };
  readonly http?: HttpOptions;
  /** The transport on which agents of kind `nats` are called. */
  readonly transport?: Transport;
  /** The models of agents of kind `llm`. */
  readonly models?: Models;
  /** Called before every call, which fails with its rejection. */
  readonly permit?: (call: AgentCall) => Promise<void>;
  /** Gets every event and snapshot of every agent, endpoint and breaker. */
  readonly inspect?: Inspect;
}

export interface Registration {
  /** Endpoints that replace those of the definition. */
  readonly endpoints?: readonly EndpointDefinition[];
  /** Overrides the pool's. */
  readonly balancing?: Balancing;
  readonly breaker?: BreakerInput;
}

/**
 * The outcome of a successful call. `endpoint` is `agent/instance`; a failed call has it in the details, and the
 * session adds it to `tried`.
 */
export interface Performed {
  readonly result: AgentResult;
  readonly endpoint: string;
  readonly ms: number;
  readonly steps: readonly ToolStep[];
  readonly told: readonly TaskEmitted[];
  readonly events: readonly unknown[];
}

const ALL_TENANTS = '*';

export class AgentPool {
  readonly #clock: Clock;
  readonly #options: PoolOptions;
  readonly #checks: HealthChecks | undefined;
  readonly #tenants = new Map<string, Map<string, PooledAgent>>();
  /** The instances that share the subject of an agent of kind `nats`. */
  readonly instances: Instances;
  /**
   * Incremented whenever an agent is added or removed, so that indexes compiled from the list of agents can tell when
   * they are stale.
   */
  generation = 0;

  constructor(options: PoolOptions = {}) {
    this.#options = options;
    this.#clock = quiet(options.clock ?? realClock);
    this.instances = new Instances(this.#clock);
    if (options.checks) {
      const { interval_ms = 30_000, timeout_ms = 5_000 } = options.checks;
      this.#checks = new HealthChecks({ interval_ms, timeout_ms }, this.#clock);
    }
  }

  /**
   * Registers an agent for one tenant, or for all (`*`); a tenant's own agent takes precedence over one of the same id
   * for all. It replaces an existing registration, whose running calls finish and whose metrics are dropped. Throws
   * `Refused` `bad_endpoint_url`.
   */
  register(tenant: string, definition: AgentDefinition, registration: Registration = {}): PooledAgent {
    const endpoints = registration.endpoints ?? this.#endpointsOf(definition);
    const agent = new PooledAgent(definition, endpoints, {
      clock: this.#clock,
      inspect: this.#options.inspect,
      balancing: registration.balancing ?? this.#options.balancing ?? 'round_robin',
      breaker: { ...this.#options.breaker, ...registration.breaker },
      checks: this.#checks,
      check_ms: this.#checks?.interval_ms,
    });
    this.deregister(tenant, definition.id);
    const agents = this.#tenants.get(tenant) ?? new Map<string, PooledAgent>();
    this.#tenants.set(tenant, agents.set(definition.id, agent));
    this.generation += 1;
    return agent;
  }

  /** As `register`, but for an existing agent behind HTTP it replaces only the endpoints that changed. */
  amend(tenant: string, definition: HttpAgent): PooledAgent {
    const existing = this.#tenants.get(tenant)?.get(definition.id);
    if (existing?.definition.kind !== 'http') return this.register(tenant, definition);
    if (isDeepStrictEqual(existing.definition, definition)) return existing;
    const before = existing.definition.endpoints;
    const changed = definition.endpoints.filter((one) => !before.some((other) => isDeepStrictEqual(one, other)));
    existing.amend(definition, this.#endpointsOf({ ...definition, endpoints: changed }));
    this.generation += 1;
    return existing;
  }

  /** Removes an agent: no new calls, running ones finish. False when the tenant itself has no such agent. */
  deregister(tenant: string, agent_id: string): boolean {
    const agents = this.#tenants.get(tenant);
    agents?.get(agent_id)?.drain();
    const removed = agents?.delete(agent_id) ?? false;
    if (agents?.size === 0) this.#tenants.delete(tenant);
    if (removed) this.generation += 1;
    return removed;
  }

  /** The agent of that id as this tenant sees it. */
  get(tenant: string, agent_id: string): PooledAgent | undefined {
    return this.#tenants.get(tenant)?.get(agent_id) ?? this.#tenants.get(ALL_TENANTS)?.get(agent_id);
  }

  /** The charts of the agents of kind `machine` that this tenant sees. */
  charts(tenant: string): AnyStateMachine[] {
    const agents = [tenant, ALL_TENANTS].flatMap((one) => [...(this.#tenants.get(one)?.values() ?? [])]);
    return agents.flatMap(({ definition }) => (definition.kind === 'machine' ? [definition.machine] : []));
  }

  /** The tenants that have agents of their own, and `*` if there are agents for all. */
  tenants(): string[] {
    return [...this.#tenants.keys()];
  }

  /** The definitions a tenant can use, in the order of registration: those for all, then its own. */
  agents(tenant: string): AgentDefinition[] {
    return [...this.#visible(tenant).values()].map(({ definition }) => definition);
  }

  /** The agents of a tenant and those for all, by id. */
  list(tenant: string): AgentView[] {
    return [...this.#visible(tenant).values()]
      .map((agent) => agent.view())
      .sort((a, b) => (a.agent_id < b.agent_id ? -1 : 1));
  }

  /** Records a heartbeat. Throws `Refused` `unknown_agent` or `unknown_instance`. */
  heartbeat(tenant: string, agent_id: string, beat: Heartbeat): void {
    const agent = this.get(tenant, agent_id);
    if (!agent) throw new Refused('unknown_agent', `there is no agent "${agent_id}"`, 404);
    const endpoint = agent.endpoint(beat.instance_id);
    if (!endpoint) {
      const message = `agent "${agent_id}" has no instance "${beat.instance_id}"`;
      throw new Refused('unknown_instance', message, 404);
    }
    endpoint.heartbeat(beat);
  }

  /**
   * Performs one attempt at one endpoint. Rejects with `Failed`: `unknown_agent`, `no_agent_available`, or the failure
   * of the attempt, then with `{ endpoint, alternatives, ms }` in its details (`alternatives`: endpoints left to try),
   * its `steps` and the events to emit (`told`), if any.
   */
  async call(call: AgentCall, io: CallIO): Promise<Performed> {
    const { inspect } = this.#options;
    const agent = this.get(call.tenant, call.agent_id);
    if (!agent) throw this.#unknown(call);
    if (io.signal.aborted) throw asFailed(io.signal.reason, io.signal, call.agent_id);
    if (this.#options.permit) await this.#permit(call, io.signal);

    const endpoint = agent.pick(call.tried);
    const steps: ToolStep[] = [];
    const told: TaskEmitted[] = [];
    const events: unknown[] = [];
    const ticket = endpoint.begin();
    const { signal, end } = this.#within(agent.definition.timeout_ms, io.signal);
    let result: AgentResult;
    try {
      result = await endpoint.definition.perform(call, { ...io, signal, steps, told, events, inspect });
    } catch (error) {
      const failed = asFailed(error, signal, call.agent_id);
      const ms = failed.code === 'aborted' ? endpoint.abandoned(ticket) : endpoint.failed(ticket, failed);
      throw whereItFailed(failed, agent, endpoint, call, { ms, steps, told });
    } finally {
      end();
    }
    const ms = endpoint.succeeded(ticket, result.type === 'answer' ? result.usage?.cost_usd : undefined);
    return { result, endpoint: agent.nameOf(endpoint), ms, steps, told, events };
  }

  /** Stops every actor, timer and health check at once. */
  stop(): void {
    this.#checks?.stop();
    for (const agents of this.#tenants.values()) for (const agent of agents.values()) agent.stop();
    this.#tenants.clear();
  }

  #visible(tenant: string): Map<string, PooledAgent> {
    return new Map([...(this.#tenants.get(ALL_TENANTS) ?? []), ...(this.#tenants.get(tenant) ?? [])]);
  }

  async #permit(call: AgentCall, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.permit!(call);
    } catch (error) {
      throw asFailed(error, signal, call.agent_id);
    }
  }

  #unknown({ tenant, agent_id }: AgentCall): Failed {
    const known = [...this.#visible(tenant).keys()].sort().slice(0, 20).join(', ') || 'none';
    return new Failed('unknown_agent', `there is no agent "${agent_id}"; there are: ${known}`, false);
  }

  /** The run's signal, combined with the agent's time limit if it has one. */
  #within(timeout_ms: number | undefined, signal: AbortSignal): { signal: AbortSignal; end: () => void } {
    if (timeout_ms === undefined) return { signal, end: () => {} };
    const late = new AbortController();
    const expire = () => late.abort(new DOMException(`no answer within ${timeout_ms} ms`, 'TimeoutError'));
    const timer = this.#clock.setTimeout(expire, timeout_ms);
    return { signal: AbortSignal.any([signal, late.signal]), end: () => this.#clock.clearTimeout(timer) };
  }

  #transport({ id }: AgentDefinition): Transport {
    const { transport } = this.#options;
    if (transport) return transport;
    throw new Refused('no_transport', `agent "${id}" listens on a subject, but there is no transport to call it on`);
  }

  #thinking({ id }: AgentDefinition): LlmOptions {
    const { models } = this.#options;
    if (!models) throw new Refused('no_models', `agent "${id}" calls a model, but there is nothing to call it with`);
    const describe = (tenant: string, agent_id: string) => this.get(tenant, agent_id)?.definition.description;
    return { models, clock: this.#clock, describe };
  }

  #asAgents(): Agents {
    const fallbacks = (tenant: string, agent_id: string) => this.get(tenant, agent_id)?.definition.fallbacks ?? [];
    const { random = Math.random } = this.#options;
    return { clock: this.#clock, random, call: (call, io) => this.call(call, io), fallbacks };
  }

  #endpointsOf(definition: AgentDefinition): EndpointDefinition[] {
    switch (definition.kind) {
      case undefined:
      case 'function':
        return [{ id: 'local', perform: functionPerformer(definition, this.#clock) }];
      case 'http': {
        const options = { ...this.#options.http, ...(definition.idle_ms && { idleMs: definition.idle_ms }) };
        return definition.endpoints.map(({ id, url, weight }) => ({
          id,
          url: shown(url),
          weight,
          perform: httpPerformer(url, this.#clock, options),
          check: httpCheck(url),
        }));
      }
      case 'form':
        return [{ id: 'local', perform: formPerformer(definition, this.#clock) }];
      case 'llm':
        return [{ id: 'model', perform: llmPerformer(definition, this.#thinking(definition)) }];
      case 'machine':
        return [{ id: 'local', perform: machinePerformer(definition, this.#clock) }];
      case 'flow':
        return [{ id: 'local', perform: flowPerformer(definition, this.#asAgents()) }];
      case 'nats': {
        const options = { clock: this.#clock, instances: this.instances, idleMs: definition.idle_ms };
        return [{ id: 'subject', perform: subjectPerformer(this.#transport(definition), definition.id, options) }];
      }
    }
  }
}

function whereItFailed(
  failed: Failed,
  agent: PooledAgent,
  endpoint: Endpoint,
  call: AgentCall,
  { ms, steps, told }: { ms: number; steps: readonly ToolStep[]; told: readonly TaskEmitted[] },
): Failed {
  const where = { endpoint: agent.nameOf(endpoint), alternatives: agent.alternatives(endpoint, call.tried), ms };
  const trace = { ...(steps.length > 0 && { steps }), ...(told.length > 0 && { told }) };
  const located = new Failed(failed.code, failed.message, failed.retryable, { ...failed.details, ...where, ...trace });
  located.cause = failed.cause;
  return located;
}
