// The bodies of the react chart's names.
import { setup } from 'xstate';
import type { Decision } from '../session/events.ts';
import type { Question, TaskFailure, TaskOutput } from '../task/events.ts';
import { addUsage, known, refusal } from '../task/rules.ts';
import type {
  Call,
  ModelInput,
  ModelMessage,
  ModelReply,
  ReactContext,
  ReactEmitted,
  ReactEvent,
  ReactInput,
  ToolsInput,
  WantedCall,
} from './events.ts';

type Args = { context: ReactContext; event: ReactEvent };
type Of<T extends ReactEvent['type']> = Extract<ReactEvent, { type: T }>;
type Made<K extends Decision['kind']> = Extract<Decision, { kind: K }>;

const { assign, emit, enqueueActions } = setup({
  types: { context: {} as ReactContext, events: {} as ReactEvent, emitted: {} as ReactEmitted },
});

// Results come in as XState's own done events, which the event type does not list.
const reply = (event: unknown): ModelReply => (event as { output: ModelReply }).output;
const decision = <K extends Decision['kind']>(event: ReactEvent): Made<K> =>
  (event as Of<'decided'>).decision as Made<K>;

const NUDGE = 'Your last reply was empty. Answer now, in words.';

export const initialContext = ({ input }: { input: ReactInput }): ReactContext => ({
  max_steps: input.max_steps,
  steps: 0,
  messages: [],
  heard: [...input.input],
  calls: [],
  question: null,
  said: [],
  usage: {},
  nudged: false,
});

const isConcluding = ({ steps, max_steps }: ReactContext): boolean => steps >= max_steps;

export const inputs = {
  model: ({ context }: { context: ReactContext }): ModelInput => ({
    messages: context.messages,
    concluding: isConcluding(context),
  }),
  tools: ({ context }: { context: ReactContext }): ToolsInput => ({
    calls: context.calls.filter(canRun).map(({ id, name, arguments: args }) => ({ id, name, arguments: args })),
  }),
};

export const outputs = {
  answer: ({ context }: { context: ReactContext }): TaskOutput => ({
    type: 'answer',
    final_message: context.said.join('\n\n'),
    ...known(context.usage),
  }),
  failure: (): TaskFailure => ({
    type: 'failed',
    code: 'empty_answer',
    message: 'the model said nothing, also when it was asked again',
    retryable: false,
  }),
};

/** The output of the chart is that of its final state. */
export const outcome = ({ event }: { event: unknown }): TaskOutput => (event as { output: TaskOutput }).output;

// A call is open until it has a result; what it needs until then, its kind says.
const isOpen = ({ result }: Call): boolean => result === undefined;
const canRun = (call: Call): boolean => isOpen(call) && (call.kind === 'run' || call.approved === true);
const needsApproval = (call: Call): boolean => isOpen(call) && call.kind === 'approve' && !call.approved;
const isForTheClient = (call: Call): boolean => isOpen(call) && call.kind === 'client';
const isTransfer = (call: Call): boolean => isOpen(call) && call.kind === 'transfer';

/** What the user sees of a reply, as it was streamed. */
const textOf = ({ text, refusal = '' }: ModelReply): string =>
  text.trim() !== '' ? text : refusal.trim() !== '' ? refusal : '';

export const guards = {
  // A model that is asked to conclude has no tools: what it calls all the same is not made.
  wantsCalls: ({ context, event }: Args) => reply(event).calls.length > 0 && !isConcluding(context),
  saysSomething: ({ event }: Args) => textOf(reply(event)) !== '',
  wasNudged: ({ context }: Args) => context.nudged,
  callsCanRun: ({ context }: Args) => context.calls.some(canRun),
  allHaveRun: ({ context }: Args) => !context.calls.some(canRun),
  callNeedsApproval: ({ context }: Args) => context.calls.some(needsApproval),
  callIsForTheClient: ({ context }: Args) => context.calls.some(isForTheClient),
  callTransfers: ({ context }: Args) => context.calls.some(isTransfer),
  stepsLeft: ({ context }: Args) => !isConcluding(context),
  isRunning: ({ context, event }: Args) =>
    context.calls.some((call) => canRun(call) && call.id === (event as Of<'tool.finished'>).call),
  isApproval: ({ event }: Args) => decision(event).kind === 'approval',
  approves: ({ event }: Args) =>
    decision(event).kind === 'approval' && decision<'approval'>(event).decision === 'approve',
  isClientResult: ({ event }: Args) => decision(event).kind === 'tool',
  isFailedTransfer: ({ event }: Args) => decision(event).kind === 'transfer',
};

/** The tool's error as the model reads it. */
const failed = (message: string): string => `Error: ${message}`;
const shown = (output: unknown): string => (typeof output === 'string' ? output : JSON.stringify(output ?? null));

/** Ids that no other call of the run has: some models give every reply's calls the same ones, or none at all. */
function withOwnIds(calls: readonly WantedCall[], messages: readonly ModelMessage[]): WantedCall[] {
  const used = new Set(messages.flatMap((one) => (one.role === 'tool' ? one.tool_call_id : [])));
  return calls.map((call) => {
    const id = call.id || 'call';
    let own = id;
    for (let n = 2; used.has(own); n += 1) own = `${id}-${n}`;
    used.add(own);
    return { ...call, id: own };
  });
}

/** The calls of a reply, those that can never be made with their result. */
function opened(calls: readonly WantedCall[]): Call[] {
  const transfer = calls.find(({ kind, invalid }) => kind === 'transfer' && invalid === undefined);
  return calls.map((call) => {
    if (call.invalid !== undefined) return { ...call, result: failed(call.invalid) };
    if (call.kind !== 'transfer' || call === transfer) return call;
    return { ...call, result: failed(`the conversation already goes to ${transfer!.agent}`) };
  });
}

const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Arguments that are no object came from a call that is not made; APIs refuse to see them again. */
const assistant = (text: string, calls: readonly WantedCall[]): ModelMessage => ({
  role: 'assistant',
  content: text === '' ? null : text,
  ...(calls.length > 0 && {
    tool_calls: calls.map(({ id, name, arguments: args }) => ({
      id,
      type: 'function' as const,
      function: { name, arguments: isObject(args) ? JSON.stringify(args) : '{}' },
    })),
  }),
});

const replied = (context: ReactContext, event: ReactEvent, calls: readonly WantedCall[]): ReactEmitted => ({
  type: 'model_replied',
  step: context.steps + 1,
  text: textOf(reply(event)),
  calls: calls.map(({ id, name, arguments: args }) => ({ id, name, arguments: args })),
  usage: reply(event).usage,
  model: reply(event).model,
});

const finished = ({ id, name }: Call, ms: number, came: { output?: unknown; error?: object }): ReactEmitted => ({
  type: 'tool_finished',
  call: id,
  name,
  ms,
  ...came,
});

const called = ({ id, name, arguments: args }: Call): ReactEmitted => ({
  type: 'tool_called',
  call: id,
  name,
  arguments: args,
});

/** The first open call that a question is about gets this. */
const settling = (calls: readonly Call[], which: (call: Call) => boolean, change: Partial<Call>): Call[] => {
  const index = calls.findIndex(which);
  return calls.map((call, at) => (at === index ? { ...call, ...change } : call));
};

/** A call ends without having run: the model is told, and so are listeners. */
const refuse = (which: (call: Call) => boolean, code: string, why: (event: ReactEvent) => string) =>
  enqueueActions(({ context, event, enqueue }) => {
    const message = why(event);
    const calls = settling(context.calls, which, { result: `Not done: ${message}` });
    enqueue.assign({ question: null, calls });
    enqueue.emit(finished(context.calls.find(which)!, 0, { error: { code, message } }));
  });

const ask = (question: (context: ReactContext) => Question) =>
  assign(({ context }) => ({ question: question(context) }));

export const actions = {
  hear: assign(({ context, event }) => ({ heard: [...context.heard, ...(event as Of<'heard'>).input] })),
  takeWords: assign(({ context }) => ({
    heard: [],
    messages: [...context.messages, ...context.heard.map((content) => ({ role: 'user' as const, content }))],
  })),

  recordReply: enqueueActions(({ context, event, enqueue }) => {
    const text = textOf(reply(event));
    const wanted = guards.wantsCalls({ context, event }) ? withOwnIds(reply(event).calls, context.messages) : [];
    const calls = opened(wanted);
    enqueue.assign({
      steps: context.steps + 1,
      messages: [...context.messages, assistant(text, wanted)],
      calls,
      said: text === '' ? context.said : [...context.said, text],
      usage: addUsage(context.usage, reply(event).usage),
    });
    enqueue.emit(replied(context, event, wanted));
    for (const call of calls)
      if (!isOpen(call)) enqueue.emit(finished(call, 0, { error: { code: 'not_made', message: call.result! } }));
  }),
  countReply: enqueueActions(({ context, event, enqueue }) => {
    enqueue.assign({ steps: context.steps + 1, usage: addUsage(context.usage, reply(event).usage) });
    enqueue.emit(replied(context, event, []));
  }),
  nudge: assign(({ context }) => ({
    nudged: true,
    messages: [...context.messages, { role: 'user' as const, content: NUDGE }],
  })),

  tellCalled: enqueueActions(({ context, enqueue }) => {
    for (const call of context.calls) if (canRun(call)) enqueue.emit(called(call));
  }),
  recordResult: enqueueActions(({ context, event, enqueue }) => {
    const { call: id, output, error, ms } = event as Of<'tool.finished'>;
    const isIt = (call: Call) => call.id === id;
    const call = context.calls.find(isIt)!;
    const edited = call.edited_by && `(Done with arguments changed by ${call.edited_by}: ${shown(call.arguments)})\n`;
    const result = `${edited ?? ''}${error ? failed(error.message) : shown(output)}`;
    enqueue.assign({ calls: settling(context.calls, isIt, { result }) });
    enqueue.emit(finished(call, ms, error ? { error } : { output }));
  }),
  /** Whoever performs calls tells of each; one that it forgot must not be performed for ever. */
  noteMissing: enqueueActions(({ context, enqueue }) => {
    const message = 'nothing came of this call';
    const calls = context.calls.map((call) => (canRun(call) ? { ...call, result: failed(message) } : call));
    enqueue.assign({ calls });
    for (const call of context.calls)
      if (canRun(call)) enqueue.emit(finished(call, 0, { error: { code: 'no_result', message } }));
  }),
  /** Results stand behind the reply in the order of its calls, whichever ended first. */
  closeCalls: assign(({ context }) => ({
    calls: [],
    messages: [
      ...context.messages,
      ...context.calls.map(({ id, result }) => ({
        role: 'tool' as const,
        tool_call_id: id,
        content: result!,
      })),
    ],
  })),
  tellExhausted: emit(({ context }) => ({ type: 'steps_exhausted', max_steps: context.max_steps })),

  askForApproval: ask(({ calls }) => {
    const { id, name, arguments: args, summary } = calls.find(needsApproval)!;
    return {
      type: 'approval_required',
      action: name,
      summary: summary ?? `${name} ${JSON.stringify(args)}`,
      details: { call: id, arguments: args },
    };
  }),
  approve: assign(({ context, event }) => {
    const { arguments: edited, by } = decision<'approval'>(event);
    const change = edited === undefined ? {} : { arguments: edited as Call['arguments'], edited_by: by ?? 'a person' };
    return { question: null, calls: settling(context.calls, needsApproval, { approved: true, ...change }) };
  }),
  reject: refuse(needsApproval, 'rejected', (event) => refusal(decision<'approval'>(event))),

  askForClientTool: enqueueActions(({ context, enqueue }) => {
    const call = context.calls.find(isForTheClient)!;
    enqueue.assign({ question: { type: 'tool_required', name: call.name, arguments: call.arguments } });
    enqueue.emit(called(call));
  }),
  recordClientResult: enqueueActions(({ context, event, enqueue }) => {
    const { result: output, error } = decision<'tool'>(event);
    const result = error === undefined ? shown(output) : failed(error);
    enqueue.assign({ question: null, calls: settling(context.calls, isForTheClient, { result }) });
    const came = error === undefined ? { output } : { error: { code: 'client_failed', message: error } };
    enqueue.emit(finished(context.calls.find(isForTheClient)!, 0, came));
  }),

  askForTransfer: ask(({ calls }) => {
    const { agent, reason } = calls.find(isTransfer)!;
    return { type: 'transfer', agent: agent!, reason: reason ?? '' };
  }),
  noteFailedTransfer: refuse(isTransfer, 'transfer_failed', (event) => {
    const { to, error } = decision<'transfer'>(event);
    return `${to} could not take the conversation: ${error}`;
  }),
};
