// What `import … from 'troupe'` gives.
export { type Dump, performed } from '../actors/durable.ts';
export type { Migrations } from '../actors/versions.ts';
export type { StepResult } from '../machines/flow/events.ts';
export type { Decision } from '../machines/session/events.ts';
export type { AccessRequest, Authorize } from './access.ts';
export type {
  AgentCall,
  AgentContext,
  AgentDefinition,
  AgentResult,
  FlowAgent,
  FlowStep,
  FormAgent,
  FunctionAgent,
  HttpAgent,
  LlmAgent,
  MachineAgent,
  MachineWork,
  NatsAgent,
} from './agent.ts';
export type { OwnMachine } from './charts/charts.ts';
export { type Clock, realClock, SteppedClock } from './clock.ts';
export type { SendOptions } from './conversation.ts';
export { defineAgent, defineFlow, defineTool } from './define.ts';
export type { Flow } from './directory.ts';
export { Conflict, Failed, JournalError, Refused } from './errors.ts';
export type { FeedItem } from './feed.ts';
export type { FleetView } from './fleet/nodes.ts';
export type { SessionHandle, StreamEvent } from './handle.ts';
export type { JobView } from './jobs/view.ts';
export { memoryJournal } from './journal/memory.ts';
export { sqliteJournal } from './journal/sqlite.ts';
export type { Entry, Journal, Key, Stored } from './journal.ts';
export type { ModelMessage, ModelReply, ModelRequest, ModelScope, Models } from './llm/model.ts';
export type { LlmLevel, LlmSettings } from './llm/settings.ts';
export { type McpOptions, mcpTools } from './mcp.ts';
export type { Answer, Enqueued, RunContext, Source, ToolAnswer } from './orchestration/context.ts';
export { defineOrchestrator, type OrchestratorDefinition } from './orchestration/definition.ts';
export {
  type Envelope,
  type EnvelopeRecord,
  envelope,
  envelopeRecord,
  type Provenance,
  provenance,
} from './orchestration/envelope.ts';
export type { OrchestrateBody, Orchestrated } from './orchestration/orchestrate.ts';
export type { Outcome } from './outcome.ts';
export type { Route, Router, RoutingStrategy } from './routing.ts';
export type { Tool, ToolCall, ToolContext, ToolSource } from './tools.ts';
export { memoryTransport } from './transport/memory.ts';
export type { Transport } from './transport.ts';
export { createTroupe, type Troupe, type TroupeOptions } from './troupe.ts';
export type { SessionView } from './view.ts';
