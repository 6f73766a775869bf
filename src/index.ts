// What `import … from 'troupe'` gives.
export type { Dump } from '../actors/durable.ts';
export type { Migrations } from '../actors/versions.ts';
export type { SessionView } from '../actors/view.ts';
export type { StepResult } from '../machines/flow/events.ts';
export { performed } from '../machines/performed.ts';
export type { Decision } from '../machines/session/events.ts';
export { defineAgent, defineFlow, defineTool } from './agents/define.ts';
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
} from './agents/definition.ts';
export type { OwnMachine } from './charts/charts.ts';
export type { Emitted, EmittedOf, UserEmitted } from './emitted/emitted.ts';
export type { FleetView } from './fleet/nodes.ts';
export type { JobView } from './jobs/view.ts';
export type { Entry, Journal, Key, Stored } from './journal/journal.ts';
export { memoryJournal } from './journal/memory.ts';
export { sqliteJournal } from './journal/sqlite.ts';
export type { ModelMessage, ModelReply, ModelRequest, ModelScope, Models } from './llm/model.ts';
export type { LlmLevel, LlmSettings } from './llm/settings.ts';
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
export { type Clock, realClock, SteppedClock } from './platform/clock.ts';
export { Conflict, Failed, JournalError, Refused } from './platform/errors.ts';
export type { AccessRequest, Authorize } from './routing/access.ts';
export type { Flow } from './routing/directory.ts';
export type { Route, Router, RoutingStrategy } from './routing/triggers.ts';
export type { SendOptions } from './sessions/conversations.ts';
export type { FeedItem } from './sessions/feed.ts';
export type { SessionHandle, StreamEvent } from './sessions/handle.ts';
export type { Outcome } from './sessions/outcome.ts';
export { type McpOptions, mcpTools } from './tools/mcp.ts';
export type { Tool, ToolCall, ToolContext, ToolSource } from './tools/tool.ts';
export { memoryTransport } from './transport/memory.ts';
export type { Transport } from './transport/transport.ts';
export { createTroupe, type Troupe, type TroupeOptions } from './troupe.ts';
