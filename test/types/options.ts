// Every option of a runtime with its type by name: what compiles here can be written down in a program of its own.
import {
  type AgentCall,
  type AgentContext,
  type AgentDefinition,
  type AgentFunction,
  type AgentKind,
  type AgentProtocolOptions,
  type AgentResult,
  type AgentReturn,
  type Authorize,
  type Balancing,
  type BreakerInput,
  type Clock,
  type ClusterOptions,
  type Decision,
  type Described,
  type Field,
  type Flow,
  type FlowAgent,
  type FlowStep,
  type FormAgent,
  type FunctionAgent,
  type HistoryMessage,
  type HookFunctions,
  type HttpAgent,
  type HttpOptions,
  type Incoming,
  type Inspect,
  type Journal,
  type LlmAgent,
  type LlmSettings,
  type Log,
  type MachineAgent,
  type MachineWork,
  type McpOptions,
  mcpTools,
  memoryJournal,
  memoryTransport,
  type NatsAgent,
  type OrchestratorDefinition,
  type OwnMachine,
  type PoolOptions,
  performed,
  type Route,
  type Router,
  type RouterContext,
  type RoutingStrategy,
  realClock,
  type Settings,
  type StepResult,
  sqliteJournal,
  type Tool,
  type ToolContext,
  type ToolSource,
  type Transport,
  type TroupeOptions,
  type Usage,
  type Verdict,
} from 'troupe';
import type { ServerOptions } from 'troupe/http';
import { breakerMachine, sessionMachine } from 'troupe/machines';
import type { JetstreamJournalOptions, NatsNodeOptions, NatsOptions, NatsPortOptions } from 'troupe/nats';
import { createMachine } from 'xstate';
import { z } from 'zod';

const usage: Usage = { input_tokens: 1, output_tokens: 2, total_tokens: 3, cost_usd: 0.01 };
const result: AgentResult = { type: 'answer', final_message: 'done', usage };
const answers: AgentFunction = async (_message: string, context: AgentContext): Promise<AgentReturn> => {
  const call: AgentCall = context.call;
  const decision: Decision | undefined = call.decision;
  const history: HistoryMessage[] = await context.history(3);
  return decision ? result : `${call.attempt} ${history.length}`;
};
const city: Field = { prompt: 'Where?', schema: z.string(), invalid: 'No.', optional: false };

const tool: Tool<{ order: string }> = {
  name: 'find',
  description: 'Finds an order.',
  input: z.object({ order: z.string() }),
  approval: ({ order }) => order === '1' && 'Really?',
  timeout_ms: 1_000,
  execute: ({ order }, { idempotency_key, signal, call }: ToolContext) => [order, idempotency_key, signal, call.id],
};

const step: FlowStep = { id: 'one', agent: 'function', timeout_ms: 1, prompt: (message, results) => message + results };
const functionAgent: FunctionAgent = { id: 'function', kind: 'function', run: answers, triggers: ['a'], tools: [tool] };
const formAgent: FormAgent = { id: 'form', kind: 'form', fields: { city }, run: () => 'ok', confirm: true };
const llmAgent: LlmAgent = { id: 'llm', kind: 'llm', instructions: 'Be brief.', tools: [tool, 'other'], transfers: [] };
const machineAgent: MachineAgent = {
  id: 'machine',
  kind: 'machine',
  machine: createMachine({ initial: 'a', states: { a: { invoke: { src: 'work' } } } }),
  input: ({ input }: AgentCall) => ({ message: input[0]?.content }),
  actors: { work: (_input: unknown, { key }: MachineWork) => key },
};
const flowAgent: FlowAgent = {
  id: 'flow',
  kind: 'flow',
  mode: 'parallel',
  steps: ['function', step],
  aggregate: (results: readonly StepResult[]) => `${results.length}`,
};
const httpAgent: HttpAgent = { id: 'http', kind: 'http', endpoints: [{ id: 'a', url: 'http://127.0.0.1:1' }] };
const natsAgent: NatsAgent = { id: 'nats', kind: 'nats', idle_ms: 1 };
const agents: readonly AgentDefinition[] = [
  functionAgent,
  formAgent,
  llmAgent,
  machineAgent,
  flowAgent,
  httpAgent,
  natsAgent,
];
export const kinds: readonly (AgentKind | undefined)[] = agents.map(({ kind }) => kind);

const hooks: Required<HookFunctions> = {
  shouldProcess: ({ message }: Incoming): Verdict => ({ allow: message !== '', reason: 'empty' }),
  prepareContext: async ({ tenant }: Incoming) => ({ tenant }),
  postProcess: (answer: string, call: AgentCall) => `${answer} ${call.agent_id}`,
};
const authorize: Authorize = ({ action, by }) => action !== 'takeover' || by === 'ann';
const router: Router = async (_message: string, { agents: known, history }: RouterContext): Promise<Route | null> =>
  (await history(1)).length > 0 ? null : { agent: known[0]!.id, confidence: 1, reason: 'first' };
const strategy: RoutingStrategy = router;
const settings: Partial<Settings> = { busy: 'steer', attempts: 2 };
const llm: LlmSettings = { founder: { model: 'm' } };
const balancing: Balancing = 'least_connections';
const breaker: BreakerInput = { failure_threshold: 3 };
const http: HttpOptions = { idleMs: 1 };
const pool: Omit<PoolOptions, 'clock' | 'random' | 'transport' | 'inspect'> = { balancing, breaker, http };
const clock: Clock = realClock;
const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const inspect: Inspect = ({ type, actorRef }) => log.debug({ actor: actorRef.sessionId }, type);
const mcp: McpOptions = { command: 'npx', args: ['-y', 'server'] };
const source: ToolSource = mcpTools({ name: 'files', ...mcp });
const described: Described = { samples: { 'call.started': {} } };
const own: OwnMachine = { machine: breakerMachine, ...described };
const orchestrator: OrchestratorDefinition<{ company: string }> = {
  name: 'lead',
  version: '1',
  payload: z.object({ company: z.string() }),
  run: ({ company }, { call, record }) => call('function', company).then((answer) => [record({ company }, answer)]),
};
const flow: Flow = { agent_type: 'function', tools: ['find'], agent_params: { tone: 'kind' } };
const journal: Journal = memoryJournal();
const transport: Transport = memoryTransport({ clock });
const protocol: AgentProtocolOptions = { tenant: 'default', interval_s: 30 };
declare const cluster: Omit<ClusterOptions, 'transport' | 'clock' | 'log' | 'inspect'>;

export const options: Required<Omit<TroupeOptions, 'default_agent'>> = {
  ...hooks,
  agents,
  flows: { support: flow },
  tools: [tool, source],
  mcp: { files: mcp },
  agent_protocol: protocol,
  authorize,
  orchestrators: [orchestrator],
  max_concurrent_requests: 1,
  request_timeout_ms: 1,
  jobs: { workers: 1 },
  routing: strategy,
  routing_threshold: 0.5,
  routing_model: 'm',
  handleNoMatch: answers,
  journal,
  transport,
  clock,
  random: Math.random,
  log,
  settings,
  llm,
  pool,
  inspect,
  cluster,
  machines: { own, session: sessionMachine },
  stuck_ms: { 'running.attempting': 1 },
  drain_ms: 1,
  passivate_ms: 1,
  max_resident: 1,
};
export const server: Required<ServerOptions> = { bodyLimit: 1, heartbeat_ms: 1, buffer: 1, page: '/srv/page' };
export const nats: [NatsOptions, NatsNodeOptions, NatsPortOptions] = [
  { servers: 'nats://127.0.0.1:4222' },
  { url: 'nats://127.0.0.1:4222', replicas: 1, shards: 4, id: 'a' },
  { host: '127.0.0.1', port: 0, clock, log },
];
export type Opened = Omit<JetstreamJournalOptions, 'connection'>;
export const durable = (): Journal => sqliteJournal({ path: 'troupe.db' });
export const performs: typeof performed = performed;
