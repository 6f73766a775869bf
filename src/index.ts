// The exports of the package `troupe`.
export type { Dump, Inspect } from '../actors/durable.ts';
export type { HookFunctions, Incoming } from '../actors/hooks.ts';
export type { Birth } from '../actors/orchestrator.ts';
export type { Part } from '../actors/parts.ts';
export type { RunEvent, TranscriptMessage, View } from '../actors/transcript.ts';
export type { Migrations } from '../actors/versions.ts';
export type { Asks, SessionView } from '../actors/view.ts';
export type { BreakerInput } from '../machines/breaker/events.ts';
export type { StepResult } from '../machines/flow/events.ts';
export { performed } from '../machines/performed.ts';
export type { Registered } from '../machines/registry/events.ts';
export type { Described } from '../machines/samples.ts';
export type { BodyInput, Decision, Settings, Verb } from '../machines/session/events.ts';
export type { AgentView, EndpointView } from './agents/agent.ts';
export type { Balancing } from './agents/balance.ts';
export { defineAgent, defineFlow, defineTool } from './agents/define.ts';
export type {
  AgentCall,
  AgentContext,
  AgentDefinition,
  AgentFunction,
  AgentKind,
  AgentResult,
  AgentReturn,
  FlowAgent,
  FlowStep,
  FormAgent,
  FunctionAgent,
  HistoryMessage,
  HttpAgent,
  LlmAgent,
  MachineActor,
  MachineAgent,
  MachineWork,
  NatsAgent,
  Usage,
} from './agents/definition.ts';
export type { Field, Fields, FormValues } from './agents/fields.ts';
export type { HttpOptions } from './agents/performers/http.ts';
export type { PoolOptions } from './agents/pool.ts';
export type { OwnMachine } from './charts/charts.ts';
export type { ClusterOptions } from './cluster/cluster.ts';
export type { ConfigFile } from './config/schemas.ts';
export type { Emitted, EmittedOf, UserEmitted } from './emitted/emitted.ts';
export type { HealthView } from './fleet/health.ts';
export type { FleetView, NodeView } from './fleet/nodes.ts';
export type { AgentProtocolOptions } from './interfaces/nats/agent-protocol.ts';
export type { JobQuery } from './jobs/jobs.ts';
export type { JobState, JobView } from './jobs/view.ts';
export type { Entry, Journal, Key, Owed, Row, RowQuery, Stored, Version } from './journal/journal.ts';
export { memoryJournal } from './journal/memory.ts';
export { sqliteJournal } from './journal/sqlite.ts';
export type { ModelMessage, ModelReply, ModelRequest, ModelScope, Models } from './llm/model.ts';
export type { LlmLevel, LlmSettings } from './llm/settings.ts';
export type { Catalog } from './orchestration/catalog.ts';
export type { ToolView } from './orchestration/catalogs.ts';
export type {
  Answer,
  CallOptions,
  Enqueued,
  EnqueueOptions,
  RunContext,
  Source,
  ToolAnswer,
} from './orchestration/context.ts';
export { defineOrchestrator, type OrchestratorDefinition, type OrchestratorView } from './orchestration/definition.ts';
export {
  type Envelope,
  type EnvelopeRecord,
  envelope,
  envelopeRecord,
  type Provenance,
  provenance,
} from './orchestration/envelope.ts';
export type { OrchestrateBody, Orchestrated, OrchestrateOptions } from './orchestration/orchestrate.ts';
export type { InlineRun } from './orchestration/orchestration.ts';
export { type Clock, realClock, SteppedClock } from './platform/clock.ts';
export { Conflict, Failed, JournalError, Refused } from './platform/errors.ts';
export type { Log } from './platform/log.ts';
export type { AccessRequest, Authorize, Verdict } from './routing/access.ts';
export type { Flow } from './routing/directory.ts';
export type { Candidate, Route, Router, RouterContext, RoutingStrategy } from './routing/triggers.ts';
export type { ActiveAgent } from './sessions/active.ts';
export type { Accepted, SendOptions } from './sessions/conversations.ts';
export { type FeedItem, type FeedOptions, Overrun } from './sessions/feed.ts';
export type { SessionHandle, StreamEvent } from './sessions/handle.ts';
export type { Outcome } from './sessions/outcome.ts';
export { type McpOptions, mcpTools } from './tools/mcp.ts';
export type { Tool, ToolCall, ToolContext, ToolSource } from './tools/tool.ts';
export { type MemoryTransportOptions, memoryTransport } from './transport/memory.ts';
export type {
  MessageBody,
  RequestSubjectOptions,
  SubjectHandler,
  SubjectMessage,
  SubjectOptions,
  SubscribeOptions,
} from './transport/messages.ts';
export type {
  Headers,
  Message,
  PublishOptions,
  RequestOptions,
  Subscription,
  Transport,
} from './transport/transport.ts';
export { createTroupe, type Troupe, type TroupeOptions } from './troupe.ts';
