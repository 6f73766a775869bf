// The types of agents: their declarations, the call that a run makes, and the results that they return.
import type { AnyStateMachine, EventObject } from 'xstate';
import type { StepResult } from '../../machines/flow/events.ts';
import type { Decision } from '../../machines/session/events.ts';
import type { Tool } from '../tools/tool.ts';
import type { Fields, FormValues } from './fields.ts';

/** Tokens spent, as the OpenAI API counts them; an agent reports the counts that it has. */
export interface Usage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly total_tokens?: number;
  readonly cost_usd?: number;
}

/** One message of a conversation as an agent gets it: the llm history (user and assistant only). */
export interface HistoryMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** One attempt of a run, as data: all the input of a local or remote agent. It is sent over the wire unchanged. */
export interface AgentCall {
  readonly tenant: string;
  readonly session_id: string;
  readonly run_id: string;
  readonly agent_id: string;
  /** The number of the transfer that brought the run here, counted from 1; absent before the first. */
  readonly hop?: number;
  /** For an agent that is a step of a flow: the path to the step, unique in the run. */
  readonly step?: string;
  /** 1 for the first try of this run; every retry, failover and resumption raises it. */
  readonly attempt: number;
  /** The idempotency key: the same for every delivery of this attempt, also after a crash. */
  readonly idempotency_key: string;
  /** The user's messages: the one that started the run (or answered its question), then those steered into it. */
  readonly input: readonly { readonly role: 'user'; readonly content: string }[];
  /** Messages that supervisors whispered since the last answer. */
  readonly guidance: readonly string[];
  /** The data that `prepareContext` added. */
  readonly context: Readonly<Record<string, unknown>>;
  /** The flow that the message named, with its parameters and the only tools that the agent may use. */
  readonly flow?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly tools?: readonly string[];
  /** The agent's own state from when it asked for input. */
  readonly task?: unknown;
  /** The decision of a person, the result of the caller's tool, or the outcome of a transfer, since this agent asked. */
  readonly decision?: Decision;
  /** Instances that already failed this run; the pool picks another one if there is any. */
  readonly tried: readonly string[];
}

/** The functions and data that an agent can use during an attempt. */
export interface AgentContext {
  readonly call: AgentCall;
  /** Aborted when the run leaves the state that made the call: paused, taken over, timed out, cancelled. */
  readonly signal: AbortSignal;
  /** Streams a delta of the answer to the subscribers. */
  part(text: string): void;
  /** The conversation before this message, newest last; at most `limit` messages (default 50). */
  history(limit?: number): Promise<HistoryMessage[]>;
  /** Calls one of the tools that this agent may use; the trace records the call and its result. */
  tool(name: string, input: unknown): Promise<unknown>;
}

/** The result of an attempt. */
export type AgentResult =
  | { readonly type: 'answer'; readonly final_message: string; readonly usage?: Usage }
  /** The agent needs the user's next message; `task` comes back with it. */
  | { readonly type: 'input_required'; readonly prompt: string; readonly task?: unknown }
  /** A person must decide before the agent continues; `task` comes back with the decision. */
  | {
      readonly type: 'approval_required';
      readonly action: string;
      readonly summary: string;
      readonly details?: unknown;
      readonly task?: unknown;
    }
  /** The caller runs this tool and sends its result; `task` comes back with it. */
  | { readonly type: 'tool_required'; readonly name: string; readonly arguments: unknown; readonly task?: unknown }
  /**
   * The run goes to another agent, which gets the reason in its context (`transfer`). When that agent cannot take it,
   * the run comes back with `task` and a decision of kind `transfer` that gives the reason.
   */
  | {
      readonly type: 'transfer';
      readonly agent: string;
      readonly reason: string;
      readonly context?: Readonly<Record<string, unknown>>;
      readonly task?: unknown;
    }
  /** The agent hands the conversation off to a person: its answer is emitted, then the AI pauses. */
  | { readonly type: 'handoff'; readonly final_message: string; readonly reason: string };

/** The values that a function agent may return; text and streams of text become answers. */
export type AgentReturn = string | AgentResult | AsyncIterable<string> | void;

export type AgentFunction = (
  message: string,
  context: AgentContext,
) => AgentReturn | Promise<AgentReturn> | AsyncGenerator<string, AgentResult | string | void>;

interface Declared {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly id: string;
  /** Recorded in the provenance of an orchestrator's records. */
  readonly version?: string;
  /** For people and for routing by LLM. */
  readonly description?: string;
  /** Phrases that route a message to this agent (B1). */
  readonly triggers?: readonly string[];
  readonly capabilities?: readonly string[];
  /** Time limit of one attempt of this agent, ms; the session's `attempt_ms` is a limit in any case. */
  readonly timeout_ms?: number;
  /** Agents to try, in order, when this one has failed for good. */
  readonly fallbacks?: readonly string[];
  /** The tools that it may use when no flow narrows them. */
  readonly tools?: readonly Tool[];
}

/** An agent that is a function in this process. */
export interface FunctionAgent extends Declared {
  readonly kind?: 'function';
  readonly run: AgentFunction;
}

/** An agent that collects fields turn by turn, then runs (B3). */
export interface FormAgent<F extends Fields = Fields> extends Declared {
  readonly kind: 'form';
  readonly fields: F;
  /** Called when every field is collected and valid. */
  run(values: FormValues<F>, context: AgentContext): AgentReturn | Promise<AgentReturn>;
  /**
   * Extracts values from the message that started the form; the form does not ask for a field whose value fits its
   * schema. Returned values pass the schema like a user's text, so they are the schema's input, not its output.
   */
  readonly extract?: (
    message: string,
    context: AgentContext,
  ) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /** Shows the answers and asks whether they are right before `run` is called. */
  readonly confirm?: boolean;
  /** Phrases that cancel the form; default `cancel`, `stop`, `never mind` and `quit`. */
  readonly cancelWords?: readonly string[];
  /** The answer to a user who cancels; default `Cancelled.`. */
  readonly cancelled?: string;
}

/** An agent that calls a model, in turns with its tools, until it has an answer (A7). */
export interface LlmAgent extends Omit<Declared, 'tools'> {
  readonly kind: 'llm';
  /** The system prompt; a function is called before every call of the model. */
  readonly instructions?: string | ((call: AgentCall) => string | Promise<string>);
  /** Defaults to the model of the settings. */
  readonly model?: string;
  readonly temperature?: number;
  readonly max_output_tokens?: number;
  /** Its tools, or the names of tools that the runtime has. */
  readonly tools?: readonly (Tool | string)[];
  /** Agents to which it may transfer the run. */
  readonly transfers?: readonly string[];
  /** Maximum of model replies with tool calls before the model must conclude; default 10. */
  readonly max_steps?: number;
  /** Number of earlier messages that it gets; default 50. */
  readonly history?: number;
  readonly parallel_tool_calls?: boolean;
}

/** The context of a function agent, plus a key and a way to send events to the chart, for the invokes of a chart. */
export interface MachineWork extends AgentContext {
  /** The idempotency key of the invoke, stable over attempts and crashes. */
  readonly key: string;
  /** Sends an event to the chart; resolves when it is journaled. */
  tell(event: EventObject): Promise<unknown>;
}

/**
 * An agent that is a chart: each of its steps is journaled, so a crash loses none of them. It ends in a final state
 * with an `AgentResult` as output; in a state tagged `asks` the run asks `context.question`, and the chart gets
 * `decided` or `heard`.
 */
export interface MachineAgent extends Declared {
  readonly kind: 'machine';
  readonly machine: AnyStateMachine;
  /** The chart's input; default `{ message }`. */
  readonly input?: (call: AgentCall) => unknown;
  /**
   * By the `src` of its invokes: resolves to the output. An actor that fails in a state without `onError` fails the
   * attempt.
   */
  readonly actors?: Readonly<Record<string, MachineActor>>;
}

/** Performs an invoke of a chart. Its input is what the chart made for it, whatever type this is written with. */
export type MachineActor = { perform(input: unknown, work: MachineWork): unknown }['perform'];

/** One step of a flow. */
export interface FlowStep {
  /** The name of its result; default the agent's id, numbered when the same agent is several steps. */
  readonly id?: string;
  readonly agent: string;
  /** Time limit of the whole step with all its attempts, ms. */
  readonly timeout_ms?: number;
  /** The input of its agent; default the message, followed in a sequence by the results of the steps before. */
  readonly prompt?: (message: string, results: readonly StepResult[]) => string;
}

/**
 * An agent that is a flow over other agents, one after the other or all at once (E5). The result of each step is
 * journaled before the next begins. Agents of the steps get `context.flow`: `{ step, results }`.
 */
export interface FlowAgent extends Omit<Declared, 'tools'> {
  readonly kind: 'flow';
  readonly mode: 'sequential' | 'parallel';
  readonly steps: readonly (string | FlowStep)[];
  /** Whether the other steps continue when one has failed for good; default `stop`, which fails the flow. */
  readonly on_failure?: 'stop' | 'continue';
  /**
   * Combines the results into one answer: a function, or another agent. The default is the last result in a sequence,
   * or all of them unchanged.
   */
  readonly aggregate?:
    | ((results: readonly StepResult[], message: string) => string | Promise<string>)
    | Omit<FlowStep, 'id'>;
  /** Attempts of each agent of a step before its fallbacks are tried; default 3. */
  readonly attempts?: number;
  /** The first back-off between attempts, ms; it doubles up to 30 s; default 500. */
  readonly backoff_ms?: number;
}

/** An agent behind HTTP endpoints that speak `POST {endpoint}/invoke` → SSE `delta` … `done` (D2). */
export interface HttpAgent extends Declared {
  readonly kind: 'http';
  readonly endpoints: readonly { readonly id: string; readonly url: string; readonly weight?: number }[];
  /** Idle timeout of an answer that has begun, ms: without any byte for this long the attempt fails; default 30,000. */
  readonly idle_ms?: number;
}

/**
 * An agent that subscribes to `troupe.<tenant>.agent.<id>.invoke`, in any language: every subscriber is an instance of
 * it.
 */
export interface NatsAgent extends Declared {
  readonly kind: 'nats';
  /** Idle timeout of an answer that has begun, ms; default 30,000. `{"type":"working"}` resets it. */
  readonly idle_ms?: number;
}

/** The values of `kind`. */
export const agentKinds = ['function', 'form', 'llm', 'machine', 'flow', 'http', 'nats'] as const;
export type AgentKind = (typeof agentKinds)[number];

/** An agent of any kind; `F` are the fields of a form. */
export type AgentDefinition<F extends Fields = Fields> =
  | FunctionAgent
  | FormAgent<F>
  | LlmAgent
  | MachineAgent
  | FlowAgent
  | HttpAgent
  | NatsAgent;
