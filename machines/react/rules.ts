// The bodies of the react chart's names.
import { assign, setup } from 'xstate';
import type { TaskEmitted, ToolResult } from '../../src/emitted/emitted.ts';
import { action } from '../action.ts';
import { performed } from '../performed.ts';
import type { Decision } from '../session/events.ts';
import type { Question, TaskFailure, TaskOutput } from '../task/events.ts';
import { addUsage, answerOf, refusal } from '../task/rules.ts';
import type {
  Call,
  ModelInput,
  ModelMessage,
  ModelReply,
  ReactContext,
  ReactEvent,
  ReactInput,
  ToolsInput,
  WantedCall,
} from './events.ts';

type Args = { context: ReactContext; event: ReactEvent };
type Of<T extends ReactEvent['type']> = Extract<ReactEvent, { type: T }>;
type Made<K extends Decision['kind']> = Extract<Decision, { kind: K }>;

const act = action<ReactContext, ReactEvent, TaskEmitted>();

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

/** A call as listeners and tools see it. */
const bare = ({ id, name, arguments: args }: WantedCall) => ({ id, name, arguments: args });

const isConcluding = ({ steps, max_steps }: ReactContext): boolean => steps >= max_steps;

export const inputs = {
  model: ({ context }: Args): ModelInput => ({ messages: context.messages, concluding: isConcluding(context) }),
  tools: ({ context }: Args): ToolsInput => ({ calls: context.calls.filter(canRun).map(bare) }),
};

export const outputs = {
  answer: ({ context: { said, usage } }: { context: ReactContext }): TaskOutput => answerOf(said.join('\n\n'), usage),
  failure: (): TaskFailure => ({
    type: 'failed',
    code: 'empty_answer',
    message: 'the model said nothing, also when it was asked again',
    retryable: false,
  }),
};

// A call is open until it has a result; what it needs until then, its kind says.
const isOpen = ({ result }: Call): boolean => result === undefined;
const canRun = (call: Call): boolean => isOpen(call) && (call.kind === 'run' || call.approved === true);
const needsApproval = (call: Call): boolean => isOpen(call) && call.kind === 'approve' && !call.approved;
const isForTheClient = (call: Call): boolean => isOpen(call) && call.kind === 'client';
const isTransfer = (call: Call): boolean => isOpen(call) && call.kind === 'transfer';

/** What the user sees of a reply, as it was streamed. */
const textOf = ({ text, refusal = '' }: ModelReply): string =>
  text.trim() !== '' ? text : refusal.trim() !== '' ? refusal : '';

// A model that is asked to conclude has no tools: what it calls all the same is not made.
const wantsCalls = ({ context, event }: Args) => reply(event).calls.length > 0 && !isConcluding(context);

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

function replied(context: ReactContext, event: ReactEvent, calls: readonly WantedCall[]): TaskEmitted {
  const { usage, model } = reply(event);
  const step = context.steps + 1;
  return { type: 'model_replied', step, text: textOf(reply(event)), calls: calls.map(bare), usage, model };
}

function called({ id: call, name, arguments: args }: Call): TaskEmitted {
  return { type: 'tool_called', call, name, arguments: args };
}

function finished({ id: call, name }: Call, ms: number, came: ToolResult): TaskEmitted {
  return { type: 'tool_finished', call, name, ms, ...came };
}

/** The first open call that a question is about gets this. */
const settling = (calls: readonly Call[], which: (call: Call) => boolean, change: Partial<Call>): Call[] => {
  const index = calls.findIndex(which);
  return calls.map((call, at) => (at === index ? { ...call, ...change } : call));
};

/** A call ends without having run: the model and the listeners learn why. */
const refuse = (which: (call: Call) => boolean, code: string, why: (event: ReactEvent) => string) =>
  act(({ context: { calls }, event }) => {
    const message = why(event);
    return {
      assign: { question: null, calls: settling(calls, which, { result: `Not done: ${message}` }) },
      emit: [finished(calls.find(which)!, 0, { error: { code, message } })],
    };
  });

const ask = (question: (context: ReactContext) => Question) =>
  act(({ context }) => ({ assign: { question: question(context) } }));

export const { createMachine } = setup({
  types: {
    context: {} as ReactContext,
    events: {} as ReactEvent,
    input: {} as ReactInput,
    output: {} as TaskOutput,
    emitted: {} as TaskEmitted,
    tags: {} as 'asks' | 'passing',
  },
  actors: {
    model: performed<ModelReply, ModelInput>(),
    tools: performed<void, ToolsInput>(),
  },
  guards: {
    wantsCalls,
    saysSomething: ({ event }) => textOf(reply(event)) !== '',
    wasNudged: ({ context }) => context.nudged,
    callsCanRun: ({ context }) => context.calls.some(canRun),
    allHaveRun: ({ context }) => !context.calls.some(canRun),
    callNeedsApproval: ({ context }) => context.calls.some(needsApproval),
    callIsForTheClient: ({ context }) => context.calls.some(isForTheClient),
    callTransfers: ({ context }) => context.calls.some(isTransfer),
    stepsLeft: ({ context }) => !isConcluding(context),
    isRunning: ({ context, event }) =>
      context.calls.some((call) => canRun(call) && call.id === (event as Of<'tool.finished'>).call),
    isApproval: ({ event }) => decision(event).kind === 'approval',
    approves: ({ event }) => decision(event).kind === 'approval' && decision<'approval'>(event).decision === 'approve',
    isClientResult: ({ event }) => decision(event).kind === 'tool',
    isFailedTransfer: ({ event }) => decision(event).kind === 'transfer',
  },
  actions: {
    hear: assign(({ context, event }) => ({ heard: [...context.heard, ...(event as Of<'heard'>).input] })),
    takeWords: assign(({ context }) => ({
      heard: [],
      messages: [...context.messages, ...context.heard.map((content) => ({ role: 'user' as const, content }))],
    })),

    recordReply: act(({ context, event }) => {
      const text = textOf(reply(event));
      const wanted = wantsCalls({ context, event }) ? withOwnIds(reply(event).calls, context.messages) : [];
      const calls = opened(wanted);
      const notMade = calls.filter((call) => !isOpen(call));
      return {
        assign: {
          steps: context.steps + 1,
          messages: [...context.messages, assistant(text, wanted)],
          calls,
          said: text === '' ? context.said : [...context.said, text],
          usage: addUsage(context.usage, reply(event).usage),
        },
        emit: [
          replied(context, event, wanted),
          ...notMade.map((call) => finished(call, 0, { error: { code: 'not_made', message: call.result! } })),
        ],
      };
    }),
    countReply: act(({ context, event }) => ({
      assign: { steps: context.steps + 1, usage: addUsage(context.usage, reply(event).usage) },
      emit: [replied(context, event, [])],
    })),
    nudge: assign(({ context }) => ({
      nudged: true,
      messages: [...context.messages, { role: 'user' as const, content: NUDGE }],
    })),

    tellCalled: act(({ context }) => ({ emit: context.calls.filter(canRun).map(called) })),
    recordResult: act(({ context: { calls }, event }) => {
      const { call: id, output, error, ms } = event as Of<'tool.finished'>;
      const isIt = (call: Call) => call.id === id;
      const call = calls.find(isIt)!;
      const edited = call.edited_by && `(Done with arguments changed by ${call.edited_by}: ${shown(call.arguments)})\n`;
      const result = `${edited ?? ''}${error ? failed(error.message) : shown(output)}`;
      return {
        assign: { calls: settling(calls, isIt, { result }) },
        emit: [finished(call, ms, error ? { error } : { output })],
      };
    }),
    /** Each call is reported on; one that was forgotten must not be performed for ever. */
    noteMissing: act(({ context: { calls } }) => {
      const message = 'nothing came of this call';
      return {
        assign: { calls: calls.map((call) => (canRun(call) ? { ...call, result: failed(message) } : call)) },
        emit: calls.filter(canRun).map((call) => finished(call, 0, { error: { code: 'no_result', message } })),
      };
    }),
    /** Results stand behind the reply in the order of its calls, whichever ended first. */
    closeCalls: assign(({ context: { messages, calls } }) => {
      const results = calls.map(({ id, result }) => ({ role: 'tool' as const, tool_call_id: id, content: result! }));
      return { calls: [], messages: [...messages, ...results] };
    }),
    tellExhausted: act(({ context: { max_steps } }) => ({ emit: [{ type: 'steps_exhausted', max_steps }] })),

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
      const change =
        edited === undefined ? {} : { arguments: edited as Call['arguments'], edited_by: by ?? 'a person' };
      return { question: null, calls: settling(context.calls, needsApproval, { approved: true, ...change }) };
    }),
    reject: refuse(needsApproval, 'rejected', (event) => refusal(decision<'approval'>(event))),

    askForClientTool: act(({ context }) => {
      const call = context.calls.find(isForTheClient)!;
      const { name, arguments: args } = call;
      return { assign: { question: { type: 'tool_required', name, arguments: args } }, emit: [called(call)] };
    }),
    recordClientResult: act(({ context: { calls }, event }) => {
      const { result: output, error: message } = decision<'tool'>(event);
      const result = message === undefined ? shown(output) : failed(message);
      const came = message === undefined ? { output } : { error: { code: 'client_failed', message } };
      return {
        assign: { question: null, calls: settling(calls, isForTheClient, { result }) },
        emit: [finished(calls.find(isForTheClient)!, 0, came)],
      };
    }),

    askForTransfer: ask(({ calls }) => {
      const { agent, reason } = calls.find(isTransfer)!;
      return { type: 'transfer', agent: agent!, reason: reason ?? '' };
    }),
    noteFailedTransfer: refuse(isTransfer, 'transfer_failed', (event) => {
      const { to, error } = decision<'transfer'>(event);
      return `${to} could not take the conversation: ${error}`;
    }),
  },
});
