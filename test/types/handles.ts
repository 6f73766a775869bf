// Every return value of a runtime with its type by name.

import type { FastifyInstance } from 'fastify';
import {
  type Accepted,
  type ActiveAgent,
  type AgentDefinition,
  type AgentView,
  type Asks,
  type Birth,
  type BodyInput,
  type Catalog,
  createTroupe,
  type Emitted,
  type EndpointView,
  type EnqueueOptions,
  type Entry,
  type Envelope,
  type EnvelopeRecord,
  type FeedItem,
  type FeedOptions,
  type FleetView,
  type HealthView,
  type InlineRun,
  type JobQuery,
  type JobState,
  type JobView,
  type Key,
  type MessageBody,
  type NodeView,
  type OrchestrateBody,
  type Orchestrated,
  type OrchestratorDefinition,
  type OrchestratorView,
  type Outcome,
  type Part,
  type Provenance,
  Refused,
  type Registered,
  type RequestSubjectOptions,
  type Row,
  type RowQuery,
  type RunEvent,
  type SendOptions,
  type SessionHandle,
  type SessionView,
  type Stored,
  type StreamEvent,
  type SubjectHandler,
  type SubjectMessage,
  type SubjectOptions,
  type SubscribeOptions,
  type Subscription,
  type Tool,
  type ToolView,
  type TranscriptMessage,
  type Troupe,
  type Verb,
  type View,
} from 'troupe';
import { createServer, type ServerOptions } from 'troupe/http';
import { sessionMachine, settings } from 'troupe/machines';
import {
  connectNats,
  type JetstreamJournal,
  jetstreamJournal,
  type NatsConnection,
  NatsError,
  type NatsNode,
  type NatsPort,
  natsNode,
  natsPort,
  natsTransport,
} from 'troupe/nats';
import {
  type ErrorAnswer,
  type ExploreOptions,
  explore,
  type Fixture,
  fingerprint,
  type Graph,
  type GraphEdge,
  type GraphState,
  type ModelServer,
  modelServer,
  play,
  replay,
  start,
  type Walk,
} from 'troupe/testing';

export async function session(troupe: Troupe): Promise<void> {
  const birth: Birth = { settings: { attempts: 1 }, config: { tenant: {} } };
  const accepted = ({ run_id, message_id }: Accepted): void => void [run_id, message_id];
  const options: SendOptions = { idempotencyKey: 'k', birth, accepted };
  const handle: SessionHandle = troupe.session('s1', { tenant: 'acme' });
  const key: Key = handle.key;
  const outcome: Outcome = await handle.send('hello', options);
  const trace: readonly RunEvent[] = outcome.trace;
  const question: Emitted | undefined = outcome.question;
  const state: SessionView = outcome.state;
  const asks: Asks | undefined = state.run?.asks;
  const allowed: readonly Verb[] | undefined = state.allowed;
  for await (const event of handle.stream('hello')) {
    const one: StreamEvent = event;
    if (one.type === 'state_change') void (one.emitted satisfies readonly Emitted[]);
  }
  const pause: BodyInput<'pause'> = { mode: 'drain' };
  const views: SessionView[] = [await handle.pause(pause), await handle.takeOver({ by: 'ann' }), await handle.state()];
  const view: View = 'llm';
  const history: TranscriptMessage[] = await handle.history(view);
  const feed: FeedOptions = { after: 1, buffer: 10 };
  for await (const item of handle.events(feed)) {
    const one: FeedItem = item;
    const entry: Entry | undefined = one.type === 'entry' ? one.entry : undefined;
    const part: Part | undefined = one.type === 'part' ? one.part : undefined;
    void [entry, part];
  }
  const query: RowQuery = { tenant: key.tenant };
  const rows: Row[] = await troupe.journal.rows(query);
  const stored: Stored | undefined = await troupe.journal.last(key);
  void [trace, question, asks, allowed, views, history, rows, stored];
}

export async function runtime(troupe: Troupe): Promise<void> {
  const agents: Catalog<AgentDefinition, AgentView> = troupe.agents;
  const endpoints: readonly EndpointView[] | undefined = agents.list()[0]?.endpoints;
  const tools: Catalog<Tool, ToolView> = troupe.tools;
  const orchestrators: Catalog<OrchestratorDefinition, OrchestratorView> = troupe.orchestrators;
  const body: OrchestrateBody = { message: 'hello' };
  const orchestrated: Orchestrated = await troupe.orchestrate(body, { tenant: 'acme' });
  const inline: InlineRun = { timeout_ms: 1 };
  const envelope: Envelope = await troupe.run('lead', {}, inline);
  const record: EnvelopeRecord | undefined = envelope.records[0];
  const provenance: Provenance | undefined = record?.provenance;
  const enqueue: EnqueueOptions = { priority: 'low' };
  const { job_id }: { readonly job_id: string } = await troupe.enqueue('lead', {}, enqueue);
  const job: JobView = await troupe.jobs.get(job_id);
  const query: JobQuery = { state: 'done' satisfies JobState };
  const active: ActiveAgent[] = await troupe.active();
  const health: HealthView = await troupe.health.view('acme');
  const fleet: FleetView = await troupe.fleet.view('acme');
  const nodes: readonly NodeView[] = fleet.nodes;
  const registered: Registered = { agent_id: 'far', kind: 'nats' };
  await troupe.registerAgent('acme', registered);
  for await (const { key, entry } of troupe.events()) void [key satisfies Key, entry satisfies Entry];
  void [endpoints, tools, orchestrators, orchestrated, provenance, job, await troupe.jobs.list(query)];
  void [active, health, nodes];
}

export async function subjects(troupe: Troupe): Promise<unknown> {
  const body: MessageBody = { a: 1 };
  const options: SubjectOptions = { headers: { Kind: 'news' } };
  const queue: SubscribeOptions = { queue: 'shops' };
  const handler: SubjectHandler = async (message) => message.respond(body, options);
  const subscription: Subscription = troupe.subscribe('shop.*', handler, queue);
  troupe.publish('shop.news', body, options);
  const within: RequestSubjectOptions = { timeout_ms: 100, ...options };
  const reply: SubjectMessage = await troupe.request('shop.news', body, within).catch((error: unknown) => {
    throw error instanceof Refused ? new Error(error.code) : error;
  });
  subscription.unsubscribe();
  return reply.json();
}

export async function doors(url: string): Promise<void> {
  const node: NatsNode = await natsNode({ url });
  const { journal, transport, cluster } = node;
  const troupe: Troupe = await createTroupe({ journal, transport, cluster });
  const options: ServerOptions = { buffer: 10 };
  const app: FastifyInstance = await createServer(troupe, options);
  const address: string = await app.listen({ port: 0 });
  const connection: NatsConnection = await connectNats({ servers: url }).catch((error: unknown) => {
    throw error instanceof NatsError ? new Error(error.code) : error;
  });
  const shared: JetstreamJournal = await jetstreamJournal({ connection });
  const port: NatsPort = await natsPort(natsTransport(connection));
  void [address, shared.shards, port.url];
}

export async function testing(fixture: Fixture, script: string): Promise<void> {
  const walk: Walk<typeof sessionMachine> = start(sessionMachine, { id: 's1', settings: settings.parse({}) });
  const again: Walk<typeof sessionMachine> = replay(fixture);
  const options: ExploreOptions<typeof sessionMachine> = {
    input: { id: 's1', settings: settings.parse({}) },
    events: [],
  };
  const graph: Graph = explore(sessionMachine, options);
  const states: readonly GraphState[] = graph.states;
  const edges: readonly GraphEdge[] = graph.edges;
  const refusal: ErrorAnswer = { status: 429 };
  const models: ModelServer = await modelServer(() => refusal);
  const print: string = fingerprint(sessionMachine, [options]);
  void [walk.state, again.owed, states, edges, models.url, print, await play({}, script)];
}
