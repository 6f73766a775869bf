// What an agent is: how one is declared, what a run hands to it, and what it may answer.
import type { AnyStateMachine, EventObject } from 'xstate';
import type { StepResult } from '../../machines/flow/events.ts';
import type { Decision } from '../../machines/session/events.ts';
import type { Tool } from '../tools/tool.ts';
import type { Fields, FormValues } from './fields.ts';

/** Tokens spent, as the OpenAI API counts them; an agent reports what it knows. */
export interface Usage {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly total_tokens?: number;
  readonly cost_usd?: number;
}

/** One line of a conversation as an agent sees it: the llm history (user and assistant only). */
export interface HistoryMessage {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** One attempt of a run, as data: everything an agent anywhere needs to do its work. It crosses wires as it is. */
export interface AgentCall {
  readonly tenant: string;
  readonly session_id: string;
  readonly run_id: string;
  readonly agent_id: string;
  /** The transfer that brought the run here, counted from 1; not there where none did. */
  readonly hop?: number;
  /** Where the agent is a step of a flow: the way to it, unique in the run. */
  readonly step?: string;
  /** 1 for the first try of this run, raised by every retry, failover and resumption. */
  readonly attempt: number;
  /** The same for every delivery of this attempt, also after a crash. */
  readonly idempotency_key: string;
  /** The user's words: the message that started the run (or answered its question), then what was steered into it. */
  readonly input: readonly { readonly role: 'user'; readonly content: string }[];
  /** What supervisors whispered since the last answer. */
  readonly guidance: readonly string[];
  /** What `prepareContext` added. */
  readonly context: Readonly<Record<string, unknown>>;
  /** The flow the message named, with its parameters and the only tools it may use. */
  readonly flow?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly tools?: readonly string[];
  /** Where this agent left off when it asked for input; it wrote this itself. */
  readonly task?: unknown;
  /** What a person decided, the caller's tool returned, or became of a transfer, since this agent asked. */
  readonly decision?: Decision;
  /** Instances that already failed this run: pick another when there is one. */
  readonly tried: readonly string[];
}

/** What an agent can use while it works. */
export interface AgentContext {
  readonly call: AgentCall;
  /** Aborted when the run leaves the state that called: paused, taken over, timed out, cancelled. */
  readonly signal: AbortSignal;
  /** Streams a piece of the answer to whoever listens. */
  part(text: string): void;
  /** The conversation before this message, newest last; at most `limit` messages (50 unless told). */
  history(limit?: number): Promise<HistoryMessage[]>;
  /** Calls one of the tools this agent may use; the call and its result go into the trace. */
  tool(name: string, input: unknown): Promise<unknown>;
}

/** What came of an attempt. */
export type AgentResult =
  | { readonly type: 'answer'; readonly final_message: string; readonly usage?: Usage }
  /** The agent needs the user's next message; `task` comes back with it. */
  | { readonly type: 'input_required'; readonly prompt: string; readonly task?: unknown }
  /** A person must decide before the agent goes on; `task` comes back with the decision. */
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
   * The run goes to another agent, which sees why in its context (`transfer`). When that one cannot take it, the run comes
   * back with `task` and a decision of kind `transfer` that says so.
   */
  | {
      readonly type: 'transfer';
      readonly agent: string;
      readonly reason: string;
      readonly context?: Readonly<Record<string, unknown>>;
      readonly task?: unknown;
    }
  /** The agent gives the conversation to a person: the answer is said, then the AI pauses. */
  | { readonly type: 'handoff'; readonly final_message: string; readonly reason: string };

/** Everything a function agent may return; text and streams of text become answers. */
export type AgentReturn = string | AgentResult | AsyncIterable<string> | void;

export type AgentFunction = (
  message: string,
  context: AgentContext,
) => AgentReturn | Promise<AgentReturn> | AsyncGenerator<string, AgentResult | string | void>;

interface Declared {
  /** A token: `[a-z0-9_-]`, 1 to 63 characters. */
  readonly id: string;
  /** Stands in the provenance of what an orchestrator makes of its answers. */
  readonly version?: string;
  /** For people and for routing by LLM. */
  readonly description?: string;
  /** Phrases that route a message here (B1). */
  readonly triggers?: readonly string[];
  readonly capabilities?: readonly string[];
  /** How long one attempt of this agent may take, ms; the session's `attempt_ms` is the longest in any case. */
  readonly timeout_ms?: number;
  /** Agents to try, in order, when this one has failed for good. */
  readonly fallbacks?: readonly string[];
  /** The tools it may use when no flow narrows them. */
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
  /** Called with every field collected and valid. */
  run(values: FormValues<F>, context: AgentContext): AgentReturn | Promise<AgentReturn>;
  /**
   * Reads values out of the message that started the form; what fits its field's schema is not asked for.
   * What it returns is checked like the user's own words, so it holds what a schema takes, not what it makes of it.
   */
  readonly extract?: (
    message: string,
    context: AgentContext,
  ) => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>;
  /** Shows the answers and asks whether they are right before `run` is called. */
  readonly confirm?: boolean;
  /** Words that cancel the form; `cancel`, `stop`, `never mind` and `quit` unless told. */
  readonly cancelWords?: readonly string[];
  /** Said when the user cancelled; `Cancelled.` unless told. */
  readonly cancelled?: string;
}

/** An agent that calls a model, in turns with its tools, until it has an answer (A7). */
export interface LlmAgent extends Omit<Declared, 'tools'> {
  readonly kind: 'llm';
  /** What the model is told before the conversation; a function is asked at every call of the model. */
  readonly instructions?: string | ((call: AgentCall) => string | Promise<string>);
  /** The model of the settings unless told. */
  readonly model?: string;
  readonly temperature?: number;
  readonly max_output_tokens?: number;
  /** Its tools, or the names of tools that the runtime has. */
  readonly tools?: readonly (Tool | string)[];
  /** Agents it may give the run to. */
  readonly transfers?: readonly string[];
  /** Replies of the model that are acted on before it must conclude; 10 unless told. */
  readonly max_steps?: number;
  /** How much of the conversation before it sees, in messages; 50 unless told. */
  readonly history?: number;
  readonly parallel_tool_calls?: boolean;
}

/** What a chart's invokes are performed with: a function's context, and a way to tell the chart something meanwhile. */
export interface MachineWork extends AgentContext {
  /** Stable over attempts and crashes. */
  readonly key: string;
  /** Tells the chart an event; resolves when it is remembered. */
  tell(event: EventObject): Promise<unknown>;
}

/**
 * An agent that is a chart: its steps are remembered one by one, so a crash loses none of them. It ends in a final state with
 * an `AgentResult` as output; a state tagged `asks` asks what `context.question` says, and is told `decided` or `heard`.
 */
export interface MachineAgent extends Declared {
  readonly kind: 'machine';
  readonly machine: AnyStateMachine;
  /** What the chart starts from; `{ message }` unless told. */
  readonly input?: (call: AgentCall) => unknown;
  /** By the `src` of its invokes: resolves to the output. One that fails without an `onError` fails the attempt. */
  readonly actors?: Readonly<Record<string, MachineActor>>;
}

/** Performs an invoke of a chart. Its input is what the chart made for it, whatever type this is written with. */
export type MachineActor = { perform(input: unknown, work: MachineWork): unknown }['perform'];

/** One step of a flow. */
export interface FlowStep {
  /** Names its result; the agent's id unless told, numbered where the same agent is several steps. */
  readonly id?: string;
  readonly agent: string;
  /** How long the step may take in all, whatever is tried, ms. */
  readonly timeout_ms?: number;
  /** What its agent is asked; the message, and in a sequence what the steps before came to, unless told. */
  readonly prompt?: (message: string, results: readonly StepResult[]) => string;
}

/**
 * An agent that is a flow over other agents, one after the other or all at once (E5). What each step came to is remembered before
 * the next begins. Agents of the steps see `context.flow`: `{ step, results }`.
 */
export interface FlowAgent extends Omit<Declared, 'tools'> {
  readonly kind: 'flow';
  readonly mode: 'sequential' | 'parallel';
  readonly steps: readonly (string | FlowStep)[];
  /** Whether the other steps go on when one has failed for good; `stop` unless told, and then the flow has failed. */
  readonly on_failure?: 'stop' | 'continue';
  /** Makes one answer of the results: a function, or another agent. The last result, or all of them as they are, unless told. */
  readonly aggregate?:
    | ((results: readonly StepResult[], message: string) => string | Promise<string>)
    | Omit<FlowStep, 'id'>;
  /** Attempts of each agent of a step before its fallbacks are tried; 3 unless told. */
  readonly attempts?: number;
  /** The first wait between them, ms; it doubles up to 30 s; 500 unless told. */
  readonly backoff_ms?: number;
}

/** An agent behind HTTP endpoints that speak `POST {endpoint}/invoke` → SSE `delta` … `done` (D2). */
export interface HttpAgent extends Declared {
  readonly kind: 'http';
  readonly endpoints: readonly { readonly id: string; readonly url: string; readonly weight?: number }[];
  /** An answer that has begun and of which no byte comes for so long is given up, ms; 30,000 unless told. */
  readonly idle_ms?: number;
}

/** An agent that listens on `troupe.<tenant>.agent.<id>.invoke`, in any language: whoever subscribes is an instance of it. */
export interface NatsAgent extends Declared {
  readonly kind: 'nats';
  /** An answer that has begun and is silent for so long is given up, ms; 30,000 unless told. `{"type":"working"}` ends a silence. */
  readonly idle_ms?: number;
}

/** What `kind` may say. */
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
