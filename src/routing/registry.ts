// The registry of agents from outside: journaled per tenant, registered with the pool of every node.
import { REGISTRY } from '../../actors/orchestrator.ts';
import type { Registered, RegistryContext, RegistryEvent } from '../../machines/registry/events.ts';
import { checkAgent } from '../agents/define.ts';
import type { HttpAgent, NatsAgent } from '../agents/definition.ts';
import type { AgentPool } from '../agents/pool.ts';
import type { Journal } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import { Refused } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import type { Conversations } from '../sessions/conversations.ts';
import type { Subscription, Transport } from '../transport/transport.ts';

/** Subject that notifies every node of a change of a tenant's list; the list itself is in the journal. */
export const CHANGED = 'troupe.registry.changed';

export interface RegistryOptions {
  readonly journal: Journal;
  readonly transport: Transport;
  readonly pool: AgentPool;
  readonly conversations: Conversations;
  readonly clock: Clock;
  readonly log: Log;
}

/** Back-off before a list is read again, ms. */
const AGAIN = 1_000;

export class Registry {
  readonly #options: RegistryOptions;
  /** The agents registered with the pool, by tenant. */
  readonly #registered = new Map<string, Set<string>>();
  #changes: Subscription | undefined;
  #stopped = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Registers every listed agent with the pool, now and whenever a list changes on any node. */
  async start(): Promise<void> {
    const { journal, transport } = this.#options;
    this.#changes = transport.subscribe(CHANGED, ({ data }) => this.#reload(new TextDecoder().decode(data)));
    for (const { key } of await journal.rows({ state: 'listing', limit: 1_000_000 }))
      if (key.session === REGISTRY) await this.#load(key.tenant);
  }

  stop(): void {
    this.#stopped = true;
    this.#changes?.unsubscribe();
  }

  /**
   * Registers an agent for one tenant, durably. A repeated registration changes nothing; `join` adds its endpoints to the
   * existing ones. Unchanged endpoints keep their statistics and breakers.
   */
  async register(tenant: string, agent: Registered, join: boolean): Promise<void> {
    checkAgent(definitionOf(agent));
    await this.#send(tenant, { type: 'register', agent, join }).catch((error) => {
      // The same registration exists already.
      if (!isIllegal(error)) throw error;
    });
    await this.#changed(tenant);
  }

  /** Rejects with `Refused('unknown_agent')`. */
  async deregister(tenant: string, agent_id: string): Promise<void> {
    await this.#send(tenant, { type: 'deregister', agent_id }).catch((error) => {
      throw isIllegal(error) ? new Refused('unknown_agent', `no agent "${agent_id}" is registered`, 404) : error;
    });
    await this.#changed(tenant);
  }

  #send(tenant: string, event: RegistryEvent): Promise<void> {
    return this.#options.conversations.tell({ tenant, session: REGISTRY }, event);
  }

  async #changed(tenant: string): Promise<void> {
    await this.#load(tenant);
    this.#options.transport.publish(CHANGED, tenant);
  }

  #reload(tenant: string): void {
    this.#load(tenant).catch((error) => {
      if (this.#stopped) return;
      this.#options.log.warn({ err: error, tenant }, 'the list of agents cannot be read yet');
      this.#options.clock.setTimeout(() => this.#reload(tenant), AGAIN);
    });
  }

  async #load(tenant: string): Promise<void> {
    const { journal, pool } = this.#options;
    const stored = await journal.last({ tenant, session: REGISTRY });
    const { agents } = (stored?.entry.snapshot.context ?? { agents: {} }) as RegistryContext;
    for (const agent of Object.values(agents)) this.#registerInPool(tenant, agent);
    for (const gone of this.#registered.get(tenant) ?? []) if (!(gone in agents)) pool.deregister(tenant, gone);
    this.#registered.set(tenant, new Set(Object.keys(agents)));
  }

  #registerInPool(tenant: string, agent: Registered): void {
    const { pool } = this.#options;
    const definition = definitionOf(agent);
    if (definition.kind === 'http') pool.amend(tenant, definition);
    // An existing registration keeps its statistics.
    else if (pool.get(tenant, definition.id)?.definition.kind !== 'nats') pool.register(tenant, definition);
  }
}

const definitionOf = ({ agent_id, ...agent }: Registered): HttpAgent | NatsAgent => ({ id: agent_id, ...agent });

const isIllegal = (error: unknown): boolean => error instanceof Refused && error.code === 'illegal_in_state';
