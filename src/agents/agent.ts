// One registered agent on this node: its endpoints, the choice among them for each call, and its view.
import { type Actor, createActor } from 'xstate';
import { agentMachine } from '../../machines/agent/machine.ts';
import { Failed } from '../platform/errors.ts';
import { type Balancing, type Choose, chooser } from './balance.ts';
import type { HealthChecks } from './checks.ts';
import type { AgentDefinition, AgentKind, HttpAgent } from './definition.ts';
import { Endpoint, type EndpointDefinition, type EndpointSettings } from './endpoint.ts';
import type { Latency } from './metrics.ts';

/** An endpoint as `GET /v1/agents` shows it. Times are ms since the epoch, rates 0 to 1. */
export interface EndpointView {
  readonly id: string;
  readonly url?: string;
  /** The chart's states, outermost first, e.g. `available.busy`. */
  readonly state: string;
  readonly breaker: 'closed' | 'open' | 'halfOpen';
  readonly in_flight: number;
  readonly capacity?: number;
  /** Since its registration. */
  readonly requests: number;
  readonly failures: number;
  /** Over its last 256 calls. */
  readonly success_rate: number;
  readonly latency_ms: Latency;
  readonly last_check: number | null;
  readonly last_error: { readonly code: string; readonly message: string; readonly at: number } | null;
}

/** An agent as `GET /v1/agents` shows it. */
export interface AgentView {
  readonly agent_id: string;
  readonly kind: AgentKind;
  readonly description: string;
  readonly capabilities: readonly string[];
  readonly state: string;
  readonly endpoints: readonly EndpointView[];
}

export interface AgentSettings extends Omit<EndpointSettings, 'changed'> {
  readonly balancing: Balancing;
  readonly checks?: HealthChecks;
}

export class PooledAgent {
  definition: AgentDefinition;
  readonly chart: Actor<typeof agentMachine>;
  readonly #settings: AgentSettings;
  readonly #choose: Choose;
  readonly #endpoints: Endpoint[] = [];

  constructor(definition: AgentDefinition, endpoints: readonly EndpointDefinition[], settings: AgentSettings) {
    this.definition = definition;
    this.#settings = settings;
    this.#choose = chooser(settings.balancing);
    this.chart = createActor(agentMachine, { clock: settings.clock, inspect: settings.inspect }).start();
    for (const endpoint of endpoints) this.add(endpoint);
  }

  get endpoints(): readonly Endpoint[] {
    return this.#endpoints;
  }

  endpoint(id: string): Endpoint | undefined {
    return this.#endpoints.find((endpoint) => endpoint.id === id && endpoint.state !== 'draining');
  }

  /**
   * The name of an endpoint in a call's trace and in `tried`: ids are unique within one agent only, and a run may try
   * several agents.
   */
  nameOf(endpoint: Endpoint): string {
    return `${this.definition.id}/${endpoint.id}`;
  }

  /** Adds an instance; an existing one of the same id is drained first. */
  add(definition: EndpointDefinition): void {
    this.endpoint(definition.id)?.drain();
    const changed = () => this.#changed(endpoint);
    const endpoint: Endpoint = new Endpoint(definition, { ...this.#settings, changed });
    this.#endpoints.push(endpoint);
    this.#settings.checks?.watch(endpoint);
    this.#count();
  }

  /** Applies a new definition: adds or replaces `changed` endpoints, drains those that it no longer names. */
  amend(definition: HttpAgent, changed: readonly EndpointDefinition[]): void {
    this.definition = definition;
    for (const endpoint of [...this.#endpoints])
      if (!definition.endpoints.some(({ id }) => id === endpoint.id)) endpoint.drain();
    for (const endpoint of changed) this.add(endpoint);
  }

  /** Stops calls to all endpoints; each is removed when its running calls have ended. */
  drain(): void {
    this.chart.send({ type: 'remove' });
    for (const endpoint of [...this.#endpoints]) endpoint.drain();
  }

  stop(): void {
    this.chart.stop();
    for (const endpoint of this.#endpoints) this.#release(endpoint);
  }

  /**
   * The endpoint for the next call: a healthy untried one, else a doubtful one, else one that was tried already. Throws
   * `Failed` `no_agent_available` with `retry_after_s` when all are out.
   */
  pick(tried: readonly string[]): Endpoint {
    const candidates = this.#candidates(tried);
    if (candidates.length === 0) throw this.#noneAvailable();
    if (candidates.length === 1) return candidates[0]!;
    // A half-open breaker comes first: the balancing would otherwise avoid the endpoint, and its trial call would never
    // be made.
    return candidates.find((candidate) => candidate.breakerState === 'halfOpen') ?? this.#choose(candidates);
  }

  /** The number of endpoints that can be picked and are neither `failed` nor in `tried`. */
  alternatives(failed: Endpoint, tried: readonly string[]): number {
    const left = (e: Endpoint) => e !== failed && e.standing !== 'out' && !tried.includes(this.nameOf(e));
    return this.#endpoints.filter(left).length;
  }

  view(): AgentView {
    for (const endpoint of [...this.#endpoints]) endpoint.catchUp();
    const { id, kind = 'function', description = '', capabilities = [] } = this.definition;
    const state = this.chart.getSnapshot().value;
    return { agent_id: id, kind, description, capabilities, state, endpoints: this.#endpoints.map(viewOf) };
  }

  /** The candidates of the best health tier that is not empty. */
  #candidates(tried: readonly string[]): readonly Endpoint[] {
    const untried =
      tried.length === 0 ? this.#endpoints : this.#endpoints.filter((e) => !tried.includes(this.nameOf(e)));
    const fresh = bestOf(untried);
    return fresh.length > 0 || tried.length === 0 ? fresh : bestOf(this.#endpoints);
  }

  #noneAvailable(): Failed {
    const id = this.definition.id;
    const waits = this.#endpoints.map((endpoint) => endpoint.readyIn).filter((wait) => wait !== undefined);
    const retry_after_s = Math.max(1, Math.ceil(Math.min(30_000, ...waits) / 1000));
    const states = this.#endpoints.map(
      (e) => `${e.id} is ${e.breakerState === 'closed' ? e.state : `${e.breakerState}`}`,
    );
    const why = states.length === 0 ? 'it has no endpoints' : states.join(', ');
    return new Failed('no_agent_available', `no endpoint of agent "${id}" can be called: ${why}`, true, {
      retry_after_s,
    });
  }

  #changed(endpoint: Endpoint): void {
    if (endpoint.state === 'gone') {
      this.#endpoints.splice(this.#endpoints.indexOf(endpoint), 1);
      this.#release(endpoint);
    }
    this.#count();
  }

  #release(endpoint: Endpoint): void {
    this.#settings.checks?.forget(endpoint);
    endpoint.stop();
  }

  #count(): void {
    const total = this.#endpoints.length;
    const available = this.#endpoints.filter((endpoint) => endpoint.healthy).length;
    const probing = this.#endpoints.filter((endpoint) => endpoint.probing).length;
    const { context, status } = this.chart.getSnapshot();
    const same = context.total === total && context.available === available && context.probing === probing;
    if (!same && status === 'active') this.chart.send({ type: 'endpoints.counted', available, probing, total });
  }
}

function bestOf(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const good = endpoints.filter((endpoint) => endpoint.standing === 'good');
  return good.length > 0 ? good : endpoints.filter((endpoint) => endpoint.standing === 'doubtful');
}

function viewOf(endpoint: Endpoint): EndpointView {
  const { id, definition, state, inFlight, capacity, metrics } = endpoint;
  return {
    id,
    ...(definition.url === undefined ? {} : { url: definition.url }),
    state,
    breaker: endpoint.breakerState,
    in_flight: inFlight,
    ...(capacity === undefined ? {} : { capacity }),
    requests: metrics.requests,
    failures: metrics.failures,
    success_rate: metrics.successRate,
    latency_ms: metrics.latency(),
    last_check: endpoint.lastCheck ?? null,
    last_error: endpoint.lastError ?? null,
  };
}
