// The library: wires journal, agents and sessions into one runtime inside an application. It opens no port.

import type { Inspect } from '../actors/durable.ts';
import { Hooks } from '../actors/hooks.ts';
import { Orchestrator } from '../actors/orchestrator.ts';
import type { Registered } from '../machines/registry/events.ts';
import { type Settings, settings as settingsSchema } from '../machines/session/events.ts';
import type { AgentView } from './agents/agent.ts';
import { checkAgent } from './agents/define.ts';
import type { AgentCall, AgentDefinition } from './agents/definition.ts';
import { AgentPool } from './agents/pool.ts';
import { Charts } from './charts/charts.ts';
import { Cluster, type ClusterOptions } from './cluster/cluster.ts';
import { ClusterConversations } from './cluster/conversations.ts';
import { OtherNodes } from './cluster/elsewhere.ts';
import { Fleet } from './fleet/fleet.ts';
import { Health } from './fleet/health.ts';
import { FleetNodes } from './fleet/nodes.ts';
import { type AgentProtocolOptions, serveAgentProtocol } from './interfaces/nats/agent-protocol.ts';
import { serveSubjects } from './interfaces/nats/subjects.ts';
import { Jobs } from './jobs/jobs.ts';
import { type Entry, isSession, type Journal, type Key, keyName, type Row } from './journal/journal.ts';
import { memoryJournal } from './journal/memory.ts';
import { type OpenAiModels, openModels } from './llm/models.ts';
import { type TroupeOptions, troupeOptions } from './options.ts';
import type { Catalog } from './orchestration/catalog.ts';
import { agentCatalog, type ToolView, toolCatalog } from './orchestration/catalogs.ts';
import type { EnqueueOptions } from './orchestration/context.ts';
import type { Envelope } from './orchestration/envelope.ts';
import { Gate } from './orchestration/gate.ts';
import {
  type OrchestrateBody,
  type Orchestrated,
  type OrchestrateOptions,
  orchestrate,
} from './orchestration/orchestrate.ts';
import { type InlineRun, Orchestration } from './orchestration/orchestration.ts';
import { type Clock, realClock } from './platform/clock.ts';
import { Refused } from './platform/errors.ts';
import { type Log, silent } from './platform/log.ts';
import { parse } from './platform/parse.ts';
import { Access, guarded, guardedAgent, guardedTools, permitCall } from './routing/access.ts';
import { Directory, type Flow } from './routing/directory.ts';
import { Heartbeats } from './routing/heartbeats.ts';
import { Registry } from './routing/registry.ts';
import { type ActiveAgent, activeAgents } from './sessions/active.ts';
import { Conversations, type SendOptions } from './sessions/conversations.ts';
import { SessionHandle } from './sessions/handle.ts';
import type { Outcome } from './sessions/outcome.ts';
import { mcpTools } from './tools/mcp.ts';
import type { Tool, ToolSource } from './tools/tool.ts';
import { memoryTransport } from './transport/memory.ts';
import {
  type MessageBody,
  publishOn,
  type RequestSubjectOptions,
  requestOn,
  type SubjectHandler,
  type SubjectMessage,
  type SubjectOptions,
  type SubscribeOptions,
  subscribeTo,
} from './transport/messages.ts';
import type { Subscription, Transport } from './transport/transport.ts';

export type { TroupeOptions } from './options.ts';

const NO_MATCH = 'no-match';

/**
 * Starts a runtime and resumes its owed effects. Rejects with `Refused` on a bad declaration, `JournalError` on a bad journal.
 *
 * @example
 * ```ts
 * import { createTroupe } from 'troupe';
 *
 * const troupe = await createTroupe({
 *   agents: [{ id: 'echo', triggers: ['hello'], run: (text) => `You said: ${text}` }],
 *   handleNoMatch: () => 'Say hello.',
 * });
 * const { answer } = await troupe.session('s1').send('hello');
 * console.log(answer); // You said: hello
 * await troupe.close();
 * ```
 */
export async function createTroupe(options: TroupeOptions = {}): Promise<Troupe> {
  const troupe = new Troupe(options);
  await troupe.start();
  return troupe;
}

export class Troupe {
  readonly access: Access;
  readonly pool: AgentPool;
  readonly directory: Directory;
  readonly orchestrator: Orchestrator;
  readonly conversations: Conversations;
  readonly orchestration: Orchestration;
  /** Enqueued runs of orchestrators. */
  readonly jobs: Jobs;
  /** The health of this node: agents, resources and dependencies. */
  readonly health: Health;
  /** Limits the calls of `orchestrate` and `run` in progress. */
  readonly gate: Gate;
  readonly request_timeout_ms: number;
  readonly journal: Journal;
  readonly log: Log;
  readonly transport: Transport;
  /** Calls models for agents, routing and the HTTP interface, and counts the spent tokens. */
  readonly models: OpenAiModels;
  /** This node's membership of a cluster, if there is one. */
  readonly cluster: Cluster | undefined;
  /** The runtime's charts, and those of the application. */
  readonly charts: Charts;
  /** Statistics of sessions per state, of the whole cluster if there is one. */
  readonly fleet: FleetNodes;
  readonly clock: Clock;
  /** Receives heartbeats of agents, and registers new agents by them. */
  readonly heartbeats: Heartbeats;
  readonly #registry: Registry;
  readonly #agentProtocol: AgentProtocolOptions | undefined;
  #unserve: (() => void) | undefined;
  #unoffer: (() => void) | undefined;

  constructor(options: TroupeOptions) {
    parse(troupeOptions, options, 'createTroupe');
    const { agents = [], handleNoMatch, clock = realClock, random, log = silent, journal = memoryJournal() } = options;
    const inspect = options.inspect && harmless(options.inspect, log);
    this.journal = journal;
    this.log = log;
    this.clock = clock;
    this.#agentProtocol = options.agent_protocol === true ? {} : options.agent_protocol || undefined;
    this.transport = options.transport ?? memoryTransport({ clock });
    this.models = openModels(options.llm, { clock, journal, inspect });
    this.access = new Access(options.authorize);
    const permit = this.access.asks ? (call: AgentCall) => permitCall(this.access, call) : undefined;
    this.pool = new AgentPool({
      models: this.models,
      ...options.pool,
      clock,
      random,
      transport: this.transport,
      permit,
      inspect,
    });
    this.charts = new Charts(options.machines, agents);
    for (const agent of agents) this.#declare(agent);
    if (handleNoMatch && options.default_agent !== undefined)
      throw new Refused('bad_request', 'default_agent or handleNoMatch, not both: each takes what matches nothing');
    if (handleNoMatch) this.#declare({ id: NO_MATCH, description: 'answers when nothing matched', run: handleNoMatch });
    this.directory = new Directory({
      pool: this.pool,
      flows: options.flows,
      tools: guardedTools([...(options.tools ?? []), ...serversOf(options.mcp, clock)], this.access),
      routing: options.routing,
      models: this.models,
      routingModel: options.routing_model,
      threshold: options.routing_threshold,
      noMatch: handleNoMatch ? NO_MATCH : options.default_agent,
      hidden: handleNoMatch && NO_MATCH,
    });
    this.orchestration = new Orchestration(this, clock, options.orchestrators);
    const limits = options.drain_ms === undefined ? {} : { release_ms: options.drain_ms };
    const cluster =
      options.cluster &&
      this.#joining({ ...options.cluster, inspect, limits: { ...limits, ...options.cluster.limits } });
    const elsewhere = cluster && new OtherNodes(cluster, this.transport);
    this.cluster = cluster;
    this.orchestrator = new Orchestrator({
      elsewhere,
      run: (key, input, work) => this.jobs.perform(key, input, work),
      journal,
      clock,
      random,
      pool: this.pool,
      directory: this.directory,
      hooks: new Hooks(options),
      settings: parse(settingsSchema, options.settings ?? {}, 'settings'),
      log,
      passivate_ms: options.passivate_ms ?? 60_000,
      max_resident: options.max_resident ?? 10_000,
      inspect,
    });
    elsewhere?.serve(this.orchestrator);
    const shardOf = cluster && ((key: Key) => cluster.shardOf(key));
    const fleet = new Fleet({ journal, now: () => clock.now(), shardOf, stuck_ms: options.stuck_ms });
    this.orchestrator.hearAll((key, entry, session) => fleet.hear(key, entry, session));
    const { transport } = this;
    this.fleet = new FleetNodes({ fleet, orchestrator: this.orchestrator, pool: this.pool, transport, cluster, log });
    this.conversations = cluster
      ? new ClusterConversations(
          { cluster, clock, transport: this.transport, log },
          this.orchestrator,
          this.directory,
          this.access,
        )
      : new Conversations(this.orchestrator, this.directory, this.access);
    this.health = new Health(this);
    this.gate = new Gate(options.max_concurrent_requests ?? 100);
    this.request_timeout_ms = options.request_timeout_ms ?? 300_000;
    this.jobs = new Jobs(this, clock, options.jobs?.workers ?? 4);
    this.conversations.onFork = (key, last) => fleet.came(key, last, 'fork');
    this.#registry = new Registry({
      journal,
      transport: this.transport,
      pool: this.pool,
      conversations: this.conversations,
      clock,
      log,
    });
    this.heartbeats = new Heartbeats(this.pool, (tenant, agent_id) =>
      this.#registry.register(tenant, { agent_id, kind: 'nats' }, true),
    );
  }

  async start(): Promise<void> {
    // Agents must be registered before owed calls of them are resumed.
    await this.orchestrator.start(this.#registry.start());
    if (this.conversations instanceof ClusterConversations) this.conversations.serve();
    this.fleet.serve();
    // Subscribed before the node joins: from then on requests for its sessions arrive.
    this.#unserve = serveSubjects(this, this.transport);
    await this.orchestrator.join(this.cluster?.join());
    await this.jobs.start(this.cluster !== undefined);
    if (this.#agentProtocol) this.#unoffer = serveAgentProtocol(this, this.transport, this.#agentProtocol, this.clock);
  }

  /** Stops accepting messages, leaves owed effects to the journal, and closes it. */
  async close(): Promise<void> {
    this.#unoffer?.();
    this.jobs.queue.close();
    this.health.stop();
    // Until the handover is complete, requests for its sessions arrive here.
    await this.cluster?.handOver();
    this.#unserve?.();
    this.#registry.stop();
    await this.cluster?.leave();
    this.fleet.stop();
    await this.orchestrator.stop();
    this.pool.stop();
    this.models.stop();
    await this.directory.close();
    await this.transport.close();
    await this.journal.close();
  }

  /**
   * A handle of a tenant's session, by default tenant `default`; the first message creates the session. Throws `Refused` on a bad
   * id.
   */
  session(id: string, { tenant = 'default' }: { tenant?: string } = {}): SessionHandle {
    return new SessionHandle(this, this.conversations.key(tenant, id));
  }

  /** Routes one message of a tenant to its agent (B7). Without a session it goes to the session `default`. */
  async process(message: { tenant?: string; session?: string; message: string } & SendOptions): Promise<Outcome> {
    const { tenant, session = 'default', message: content, ...options } = message;
    return this.session(session, { tenant }).send(content, options);
  }

  /**
   * Registers a tenant's flows and creates a session that carries the tenant's and the user's configuration, which agents see as
   * `call.context.tenant` and `.user` (A1). An existing session keeps its configuration.
   */
  async startSession(start: {
    session: string;
    tenant?: string;
    tenantConfig?: Record<string, unknown>;
    userConfig?: Record<string, unknown>;
    flows?: Record<string, Flow>;
    settings?: Partial<Settings>;
  }): Promise<SessionHandle> {
    const { session, tenant = 'default', tenantConfig, userConfig, flows, settings } = start;
    if (flows) this.directory.register(tenant, flows);
    const handle = this.session(session, { tenant });
    const config = tenantConfig || userConfig ? { tenant: tenantConfig, user: userConfig } : undefined;
    await this.conversations.create(handle.key, { settings, config }).catch((error) => {
      if (!(error instanceof Refused && error.code === 'session_exists')) throw error;
    });
    return handle;
  }

  /** Sends a message in a flow (A1). Rejects with `Refused` naming an unknown flow. */
  async handleMessage(session: SessionHandle, text: string, flow?: string): Promise<Outcome> {
    return session.send(text, { flow });
  }

  /**
   * Registers an agent from outside for one tenant, durably. A repeated registration changes nothing; `join` adds its endpoints
   * to the existing ones. Unchanged endpoints keep their statistics and breakers.
   */
  async registerAgent(tenant: string, agent: Registered, { join = false }: { join?: boolean } = {}): Promise<void> {
    await this.#registry.register(tenant, agent, join);
  }

  /** Deregisters an agent that was registered from outside. Rejects with `Refused('unknown_agent')`. */
  async deregisterAgent(tenant: string, agent_id: string): Promise<void> {
    await this.#registry.deregister(tenant, agent_id);
  }

  /** The agents declared for all tenants: `register(name, …)`, `get(name)`, `list()` (C1). */
  get agents(): Catalog<AgentDefinition, AgentView> {
    return agentCatalog(this.pool, (agent) => this.#declare(agent));
  }

  /** The tools that agents, flows and orchestrators name. */
  get tools(): Catalog<Tool, ToolView> {
    return toolCatalog(this.directory, (tool) => guarded(tool, this.access));
  }

  /** The orchestrators: `register(name, …)`, `get(name)`, `list()`. */
  get orchestrators(): Orchestration['orchestrators'] {
    return this.orchestration.orchestrators;
  }

  /**
   * Sends a message to one agent or several and resolves with one answer (E1, E9); failures of agents are part of it. Rejects
   * with `Refused` if nothing was begun: `bad_request`, `unknown_agent`, `no_match`, `forbidden`, `overloaded`; and `timed_out`,
   * 504.
   */
  orchestrate(body: OrchestrateBody, options: Omit<OrchestrateOptions, 'timeout_ms'> = {}): Promise<Orchestrated> {
    const { request_timeout_ms: timeout_ms } = this;
    return this.gate.pass(() => orchestrate(this, body, { timeout_ms, ...options }));
  }

  /**
   * Runs an orchestrator inline and resolves with its envelope; its progress is lost if the process dies. Rejects with `Refused`:
   * `unknown_orchestrator`, or `bad_request` if the payload does not fit; with the error of the run, most often a `Failed`.
   */
  run(orchestrator: string, payload: unknown, options: InlineRun = {}): Promise<Envelope> {
    const { request_timeout_ms: timeout_ms } = this;
    return this.gate.pass(() =>
      this.orchestration.runInline(orchestrator, payload, this.jobs, { timeout_ms, ...options }),
    );
  }

  /**
   * Enqueues a run of an orchestrator as a job: journaled, retried, recovered if its process dies. Resolves when the job is
   * durable. Rejects with `Refused` as `run` does. `troupe.jobs` has its progress and result.
   */
  enqueue(
    orchestrator: string,
    payload: unknown,
    options: EnqueueOptions & { readonly tenant?: string } = {},
  ): Promise<{ readonly job_id: string; readonly duplicate: boolean }> {
    return this.jobs.enqueue(orchestrator, payload, options);
  }

  /**
   * Publishes a message: text and bytes as they are, anything else as JSON. At most once, as NATS has it. Throws `Refused`:
   * `bad_subject`, `message_too_large`.
   */
  publish(subject: string, body: MessageBody, options?: SubjectOptions): void {
    publishOn(this.transport, subject, body, options);
  }

  /**
   * Calls `handler` with every message from now on whose subject matches; `*` stands for one token, a last `>` for one or more.
   * What it throws is reported by the transport. Throws `Refused('bad_subject')`.
   */
  subscribe(subject: string, handler: SubjectHandler, options?: SubscribeOptions): Subscription {
    return subscribeTo(this.transport, subject, handler, options);
  }

  /**
   * Publishes a message and resolves with the first reply, within `timeout_ms` (5,000 ms unless told): a session's verbs
   * (`troupe.<tenant>.session.<id>.message`), an agent, or any other subscriber. Rejects with `Refused`: `bad_subject`,
   * `no_responders` at once where nobody is subscribed, `timed_out`, `message_too_large`, `subject_denied`.
   */
  request(subject: string, body: MessageBody, options?: RequestSubjectOptions): Promise<SubjectMessage> {
    return requestOn(this.transport, subject, body, options);
  }

  /** The agents at work for a tenant: its open runs. */
  active(tenant = 'default', limit = 1_000): Promise<ActiveAgent[]> {
    return activeAgents(this, tenant, limit);
  }

  /** Deletes the ended sessions of a tenant without an entry for `seconds`; resolves to their count. */
  async cleanUp(tenant: string, seconds: number): Promise<number> {
    const before = this.clock.now() - seconds * 1_000;
    let removed = 0;
    for (const state of ['closed', 'failed'])
      for (let after: Key | undefined, full = true; full; ) {
        const rows = await this.journal.rows({ tenant, state, after, limit: 1_000 });
        const old = rows.filter(({ key, at }) => at <= before && isSession(key));
        for (const { key } of old) {
          await this.orchestrator.forget(key);
          this.fleet.own.removed(key, state, 'removed');
        }
        removed += old.length;
        after = rows.at(-1)?.key;
        full = rows.length === 1_000;
      }
    return removed;
  }

  /** Every entry of a tenant's sessions from now on, as it is appended, until `signal` aborts or the troupe closes. */
  async *events({ tenant = 'default', signal }: { tenant?: string; signal?: AbortSignal } = {}): AsyncGenerator<{
    key: Key;
    entry: Entry;
  }> {
    const waiting: { key: Key; entry: Entry }[] = [];
    let wake: (() => void) | undefined;
    const unfollow = this.journal.follow('*', (key, { entry }) => {
      if (key.tenant !== tenant || !isSession(key)) return;
      waiting.push({ key, entry });
      wake?.();
    });
    let stopped = false;
    const stop = () => wake?.();
    const unstop = this.orchestrator.onStop(() => {
      stopped = true;
      stop();
    });
    signal?.addEventListener('abort', stop);
    try {
      while (!signal?.aborted) {
        const next = waiting.shift();
        if (next) yield next;
        else if (stopped) return;
        else
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
      }
    } finally {
      signal?.removeEventListener('abort', stop);
      unfollow();
      unstop();
    }
  }

  #joining(options: Omit<ClusterOptions, 'transport' | 'clock' | 'log'>): Cluster {
    const { transport, log } = this;
    const within = (shard: number) => (key: Key) => cluster.shardOf(key) === shard;
    /** Sessions that another node still ran when this node read their shard, as they were then. */
    const held = new Map<string, Row>();
    const cluster: Cluster = new Cluster(
      { ...options, transport, clock: this.clock, log },
      {
        recover: async (shard, signal, isHeld) => {
          const rows = await options.scan(shard);
          if (signal.aborted) return;
          this.fleet.own.took(shard, rows);
          const [elsewhere, here] = [rows.filter(({ key }) => isHeld(key)), rows.filter(({ key }) => !isHeld(key))];
          for (const row of elsewhere) held.set(keyName(row.key), row);
          await this.orchestrator.recover(here);
          this.jobs.queue.adopt(here);
        },
        wake: async (names) => {
          const keys = names.map((name) => name.split('/') as [string, string]);
          // `wake: 0` makes them due now, so that recovery resumes what each last entry owes.
          const rows = keys.map(([tenant, session]) => ({ key: { tenant, session }, n: 0, at: 0, state: '', wake: 0 }));
          await this.orchestrator.recover(rows);
          for (const session of this.orchestrator.sessions()) {
            const name = keyName(session.key);
            const before = held.get(name);
            if (!before || !names.includes(name)) continue;
            held.delete(name);
            if (session.woken) this.fleet.own.wentOn(session.key, before, session.woken);
          }
        },
        working: (shard) => this.orchestrator.sessions().filter(({ working, key }) => working && within(shard)(key)),
        drop: (shard, except) => {
          const which = (key: Key) => within(shard)(key) && !except.has(keyName(key));
          for (const [name, { key }] of held) if (which(key)) held.delete(name);
          this.orchestrator.drop(which);
          this.fleet.own.dropped(shard);
          this.jobs.queue.drop(which);
        },
        away: () => this.orchestrator.actor.send({ type: 'journal.lost' }),
        back: () => this.orchestrator.actor.send({ type: 'journal.back' }),
      },
    );
    return cluster;
  }

  #declare(agent: AgentDefinition): void {
    checkAgent(agent);
    if (this.pool.get('*', agent.id)) throw new Refused('duplicate_agent', `agent "${agent.id}" is declared twice`);
    this.pool.register('*', guardedAgent(agent, this.access));
  }
}

/** What the program's callback throws is not a failure of the session that it watches. */
const harmless =
  (inspect: Inspect, log: Log): Inspect =>
  (event) => {
    try {
      inspect(event);
    } catch (error) {
      log.error({ err: error }, '`inspect` failed');
    }
  };

const serversOf = (mcp: TroupeOptions['mcp'] = {}, clock: Clock): ToolSource[] =>
  Object.entries(mcp).map(([name, server]) => mcpTools({ name, ...server }, clock));
