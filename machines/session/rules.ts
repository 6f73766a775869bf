// The bodies of the session chart's names: pure functions of context and event.
import { setup } from 'xstate';
import type { AgentResult } from '../../src/agent.ts';
import type {
  AttemptInput,
  AttemptOutput,
  Decision,
  Failure,
  Pending,
  Route,
  RouteInput,
  Run,
  ScreenInput,
  ScreenOutput,
  SessionContext,
  SessionEmitted,
  SessionEvent,
  SessionInput,
} from './events.ts';

type Args = { context: SessionContext; event: SessionEvent };
type Of<T extends SessionEvent['type']> = Extract<SessionEvent, { type: T }>;

const { assign, emit, enqueueActions, raise } = setup({
  types: { context: {} as SessionContext, events: {} as SessionEvent, emitted: {} as SessionEmitted },
});

// Results come in as XState's own done and error events, which the event type does not list.
const output = <T>(event: unknown): T => (event as { output: T }).output;
const failure = (event: unknown): Failure => (event as { error: Failure }).error;
const result = (event: unknown): AttemptOutput['result'] => output<AttemptOutput>(event).result;

/** The id of a run of this session, as the outside sees it. */
export const runId = (session: string, n: number): string => `${session}-r${n}`;
const idOf = ({ context }: Args): string => runId(context.id, context.run!.n);

const LONGEST_BACKOFF = 30_000;

export const initialContext = ({ input }: { input: SessionInput }): SessionContext => ({
  id: input.id,
  settings: input.settings,
  ...(input.config && { config: input.config }),
  epoch: 0,
  holder: null,
  deadline_ms: null,
  runs: 0,
  queue: [],
  run: null,
  whispers: [],
});

const words = (run: Run): string[] => run.input.map(({ content }) => content);

export const inputs = {
  screen: ({ context: { run } }: { context: SessionContext }): ScreenInput => ({
    run: run!.n,
    content: words(run!).join('\n'),
  }),
  router: ({ context: { run } }: { context: SessionContext }): RouteInput => ({
    run: run!.n,
    content: words(run!).join('\n'),
  }),
  agent: ({ context: { run, epoch, whispers, config } }: { context: SessionContext }): AttemptInput => ({
    run: run!.n,
    agent: run!.agent!,
    attempt: run!.attempt,
    epoch,
    input: words(run!),
    guidance: whispers,
    tried: run!.tried,
    hop: run!.hop,
    flow: run!.flow,
    context: config || run!.context ? { ...config, ...run!.context } : undefined,
    task: run!.task,
    decision: run!.decision,
  }),
};

/** The message names an agent or a flow that is not the run's: it cannot become part of it. */
const isElsewhere = ({ agent, flow }: Pick<Pending, 'agent' | 'flow'>, run: Run): boolean =>
  (agent !== undefined && agent !== run.agent) || (flow !== undefined && flow !== run.flow);

export const guards = {
  messagesWait: ({ context }: Args) => context.queue.length > 0,
  hasRoom: ({ context }: Args) => context.queue.length < context.settings.queue_limit,
  hasRun: ({ context }: Args) => context.run !== null,
  drains: ({ event }: Args) => (event as Of<'pause'>).mode !== 'interrupt',
  hasDeadline: ({ context }: Args) => context.deadline_ms !== null,
  anotherHolder: ({ context, event }: Args) => (event as Of<'takeover'>).by !== context.holder,
  whispers: ({ event }: Args) => (event as Of<'inject'>).mode === 'whisper',
  speaks: ({ event }: Args) => (event as Of<'inject'>).mode === 'speak',
  policyInterrupts: ({ context }: Args) => context.settings.busy === 'interrupt',
  policySteers: ({ context }: Args) => context.settings.busy === 'steer',
  policyRejects: ({ context }: Args) => context.settings.busy === 'reject',
  goesElsewhere: ({ context, event }: Args) => isElsewhere(event as Of<'message'>, context.run!),
  nextGoesElsewhere: ({ context }: Args) => context.queue.length > 0 && isElsewhere(context.queue[0]!, context.run!),
  needsScreening: ({ context }: Args) => context.settings.hooks && !context.run!.screened,
  isRouted: ({ context }: Args) => context.run!.agent !== null,
  isAllowed: ({ event }: Args) => output<ScreenOutput>(event).allow,
  isMatched: ({ event }: Args) => output<Route | null>(event) !== null,
  asksForInput: ({ event }: Args) => result(event).type === 'input_required',
  asksForApproval: ({ event }: Args) => result(event).type === 'approval_required',
  asksForTool: ({ event }: Args) => result(event).type === 'tool_required',
  asksForPerson: ({ event }: Args) => result(event).type === 'handoff',
  transfers: ({ event }: Args) => result(event).type === 'transfer',
  transfersLeft: ({ context }: Args) => (context.run!.transfers ?? 0) < context.settings.transfers,
  wasTransferred: ({ context }: Args) => context.run!.transfer !== undefined,
  instancesLeft: ({ event }: Args) => failure(event).retryable && (failure(event).alternatives ?? 0) > 0,
  // A time-out says nothing about what the agent did, so it counts as worth another try.
  triesLeft: ({ context, event }: Args) =>
    (failure(event)?.retryable ?? true) && context.run!.tries < context.settings.attempts,
  agentsLeft: ({ context }: Args) => context.run!.secondary.length > 0,
  recoveredTooOften: ({ context }: Args) => context.run!.recoveries >= context.settings.recoveries,
  answersTheQuestion: ({ context, event }: Args) => {
    const { question, decision } = context.run!;
    const asked = event.type === 'approve' ? event.approval : (event as Of<'tool_result'>).call;
    return question?.id === asked && decision === undefined;
  },
  isAnswered: ({ context }: Args) => context.run!.decision !== undefined,
};

export const delays = {
  attemptTimeout: ({ context }: Args) => context.settings.attempt_ms,
  backoff: ({ context: { run, settings } }: Args) =>
    Math.max(run!.wait_ms ?? 0, Math.min(LONGEST_BACKOFF, settings.backoff_ms * 2 ** (run!.tries - 1))),
  inputTimeout: ({ context }: Args) => context.settings.input_ms,
  approvalTimeout: ({ context }: Args) => context.settings.approval_ms,
  toolTimeout: ({ context }: Args) => context.settings.tool_ms,
  deadline: ({ context }: Args) => context.deadline_ms ?? 0,
};

/** A transferred run has come to something with the other agent: it stays there. */
const settle = ({ context, event }: Args, tell: (event: SessionEmitted) => void): void => {
  const { transfer } = context.run!;
  if (transfer)
    tell({
      type: 'transfer_completed',
      run_id: idOf({ context, event }),
      receipt: transfer.receipt,
      agent_id: transfer.to,
    });
};

/** What the agent's own chart told, as events of the run. */
const tellOf = (
  { context, event }: Args,
  told: readonly SessionEmitted[] | undefined,
  tell: (event: SessionEmitted) => void,
): void => {
  const { agent, attempt } = context.run!;
  const base = { run_id: idOf({ context, event }), agent_id: agent, attempt };
  for (const { type, ...rest } of told ?? []) tell({ type, ...base, ...rest });
};

const changeRun = (change: (run: Run, args: Args) => Partial<Run>) =>
  assign(({ context, event }) => ({ run: { ...context.run!, ...change(context.run!, { context, event }) } }));

/** A run as another agent gets it: what one agent asked, and what it was told, is nothing that another may act on. */
const untried = { tries: 0, tried: [], task: undefined, question: undefined, decision: undefined } as const;

/** The run has ended: what it leaves behind is nothing. */
const noRun = { run: null } as const;

const pending = (event: Of<'message'>, run: number): Pending => ({
  id: event.id,
  run,
  content: event.content,
  agent: event.agent,
  flow: event.flow,
  route: event.route,
});

/** With its words: whoever holds the session must read them though no run begins. */
const accepted = (event: SessionEvent, run_id: string) => {
  const { id, content } = event as Of<'message'>;
  return { type: 'message_accepted', run_id, message_id: id, content };
};

const cancelRunBecause = (reason: string) =>
  enqueueActions(({ context, enqueue }) => {
    enqueue.emit({
      type: 'run_cancelled',
      run_id: runId(context.id, context.run!.n),
      message_id: context.run!.message,
      reason,
    });
    enqueue.assign(noRun);
  });

const failRunBecause = (reason: (args: Args) => { code: string; message: string }) =>
  enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    enqueue.emit({
      type: 'run_failed',
      run_id: runId(context.id, run.n),
      message_id: run.message,
      agent_id: run.agent,
      ...reason({ context, event }),
    });
    enqueue.assign(noRun);
  });

const tellControl = (control: string) =>
  emit(({ context, event }) => ({
    type: 'control_changed',
    control,
    epoch: context.epoch,
    holder: context.holder,
    by: (event as { by?: string }).by,
    reason: (event as { reason?: string }).reason,
  }));

const timedOut = ({ context }: Args) => ({
  code: 'timeout',
  message: `no result within ${context.settings.attempt_ms} ms`,
});

const question = (context: SessionContext) => `${runId(context.id, context.run!.n)}.${context.run!.attempt}`;

export const actions = {
  // control
  takeOver: assign(({ context, event }) => ({
    epoch: context.epoch + 1,
    holder: (event as Of<'takeover'>).by,
    deadline_ms: (event as Of<'takeover'>).deadline_ms ?? null,
  })),
  handBack: assign(({ context }) => ({ epoch: context.epoch + 1, holder: null, deadline_ms: null })),
  tellAutomated: tellControl('automated'),
  tellPausing: tellControl('pausing'),
  tellPaused: tellControl('paused'),
  tellTakenOver: tellControl('human'),
  whisper: assign(({ context, event }) => ({
    whispers: [...context.whispers, (event as Of<'inject'>).content].slice(-20),
  })),
  tellInjected: emit(({ context, event }) => {
    const { mode, content, by } = event as Of<'inject'>;
    return { type: 'supervisor_message', mode, content, by, epoch: context.epoch };
  }),
  escalate: raise(({ event }) => ({
    type: 'escalated',
    reason: (result(event) as { reason?: string }).reason ?? 'the agent asked for a person',
  })),

  // messages
  keep: enqueueActions(({ context, event, enqueue }) => {
    const run = context.runs + 1;
    enqueue.assign({ runs: run, queue: [...context.queue, pending(event as Of<'message'>, run)] });
    enqueue.emit(accepted(event, runId(context.id, run)));
  }),
  keepForRun: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!.n;
    enqueue.assign({ queue: [...context.queue, pending(event as Of<'message'>, run)] });
    enqueue.emit(accepted(event, runId(context.id, run)));
  }),
  steer: enqueueActions(({ context, event, enqueue }) => {
    const { id, content } = event as Of<'message'>;
    const run = context.run!;
    const run_id = runId(context.id, run.n);
    // The earlier message's caller is answered together with this one.
    enqueue.emit({ type: 'run_joined', run_id, message_id: run.message, into: run_id, by: id });
    enqueue.emit(accepted(event, run_id));
    enqueue.emit({ type: 'user_input', run_id, message_id: id, content });
    enqueue.assign({ run: { ...run, message: id, input: [...run.input, { id, content }], tries: 0 } });
  }),
  /** A person has spoken: what waited for an answer has one. */
  answerWaiting: enqueueActions(({ context, enqueue }) => {
    for (const { id, run } of context.queue)
      enqueue.emit({
        type: 'run_cancelled',
        run_id: runId(context.id, run),
        message_id: id,
        reason: 'answered by a person',
      });
    enqueue.assign({ queue: [] });
  }),

  // runs
  startRun: enqueueActions(({ context, enqueue }) => {
    const [head, ...queue] = context.queue;
    const { id, run: n, content, flow, route } = head!;
    const run: Run = {
      n,
      message: id,
      input: [{ id, content }],
      agent: route?.agent ?? null,
      flow,
      secondary: route?.secondary ?? [],
      attempt: 0,
      tries: 0,
      tried: [],
      screened: false,
      recoveries: 0,
    };
    const run_id = runId(context.id, n);
    enqueue.assign({ queue, run });
    enqueue.emit({ type: 'run_started', run_id, message_id: id });
    enqueue.emit({ type: 'user_input', run_id, message_id: id, content });
    if (route) enqueue.emit({ type: 'run_routed', run_id, ...route });
  }),
  resumeRun: enqueueActions(({ context, event, enqueue }) => {
    enqueue.emit({ type: 'run_resumed', run_id: idOf({ context, event }) });
    enqueue.assign({ run: { ...context.run!, tries: 0, tried: [] } });
  }),
  tellSuspended: emit(({ context, event }) => ({
    type: 'run_suspended',
    run_id: idOf({ context, event }),
    message_id: context.run!.message,
    reason: event.type,
  })),
  recordScreening: changeRun((_, { event }) => ({
    screened: true,
    context: (output<ScreenOutput>(event) as { context?: Record<string, unknown> }).context,
  })),
  refuseRun: failRunBecause(({ event }) => ({
    code: 'refused',
    message: (output<ScreenOutput>(event) as { reason?: string }).reason ?? 'refused by shouldProcess',
  })),
  recordRoute: enqueueActions(({ context, event, enqueue }) => {
    const route = output<Route>(event);
    enqueue.assign({ run: { ...context.run!, agent: route.agent, secondary: route.secondary ?? [] } });
    enqueue.emit({ type: 'run_routed', run_id: idOf({ context, event }), ...route });
  }),
  matchNothing: failRunBecause(() => ({ code: 'no_match', message: 'no agent matches this message' })),
  beginAttempt: enqueueActions(({ context, event, enqueue }) => {
    const run = {
      ...context.run!,
      attempt: context.run!.attempt + 1,
      tries: context.run!.tries + 1,
      wait_ms: undefined,
    };
    enqueue.assign({ run });
    enqueue.emit({
      type: 'agent_invoke_started',
      run_id: idOf({ context, event }),
      agent_id: run.agent,
      attempt: run.attempt,
      epoch: context.epoch,
    });
  }),
  recordFailure: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { code, message, retryable, endpoint, retry_after_s, told } = failure(event);
    tellOf({ context, event }, told, enqueue.emit);
    enqueue.assign({
      run: {
        ...run,
        tried: endpoint && !run.tried.includes(endpoint) ? [...run.tried, endpoint] : run.tried,
        wait_ms: retry_after_s === undefined ? undefined : retry_after_s * 1_000,
      },
    });
    enqueue.emit({
      type: 'agent_invoke_failed',
      run_id: idOf({ context, event }),
      agent_id: run.agent,
      attempt: run.attempt,
      endpoint,
      code,
      message,
      retryable,
    });
  }),
  recordTimeout: emit(({ context, event }) => ({
    type: 'agent_invoke_failed',
    run_id: idOf({ context, event }),
    agent_id: context.run!.agent,
    attempt: context.run!.attempt,
    retryable: true,
    ...timedOut({ context, event }),
  })),
  nextAgent: changeRun(({ secondary: [agent, ...secondary] }) => ({
    ...untried,
    agent,
    secondary,
  })),
  tellFailover: emit(({ context, event }) => ({
    type: 'agent_failed_over',
    run_id: idOf({ context, event }),
    agent_id: context.run!.agent,
    tried: context.run!.tried,
  })),
  ask: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: asked, endpoint, ms, told } = output<AttemptOutput>(event);
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    tellOf({ context, event }, told, enqueue.emit);
    settle({ context, event }, enqueue.emit);
    enqueue.emit({ type: 'agent_invoke_done', ...base, attempt: run.attempt, endpoint, ms, asks: asked.type });
    const { task } = asked as { task?: unknown };
    const left = { ...run, task, decision: undefined, question: undefined, transfer: undefined };
    if (asked.type === 'input_required') {
      enqueue.emit({ type: 'input_requested', ...base, prompt: asked.prompt });
      enqueue.assign({ run: left, whispers: [] });
    } else if (asked.type === 'approval_required') {
      const { action, summary, details } = asked;
      enqueue.emit({ type: 'approval_requested', ...base, approval: question(context), action, summary, details });
      enqueue.assign({
        run: { ...left, question: { id: question(context), kind: 'approval', action, summary, details } },
      });
    } else if (asked.type === 'tool_required') {
      const { name, arguments: args } = asked;
      enqueue.emit({ type: 'tool_requested', ...base, call: question(context), name, arguments: args });
      enqueue.assign({ run: { ...left, question: { id: question(context), kind: 'tool', name, arguments: args } } });
    }
  }),
  recordProgress: enqueueActions(({ context, event, enqueue }) => {
    const { task, told } = event as Of<'progressed'>;
    tellOf({ context, event }, told, enqueue.emit);
    // Whoever gets on may try again, and has heard what was decided.
    const fresh = { tries: 1, recoveries: 0, question: undefined, decision: undefined };
    enqueue.assign({ run: { ...context.run!, ...fresh, task } });
  }),
  transfer: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: asked, endpoint, ms, told } = output<AttemptOutput>(event);
    const { agent: to, reason, context: handed, task } = asked as Extract<AgentResult, { type: 'transfer' }>;
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    tellOf({ context, event }, told, enqueue.emit);
    settle({ context, event }, enqueue.emit);
    enqueue.emit({ type: 'agent_invoke_done', ...base, attempt: run.attempt, endpoint, ms, asks: asked.type });
    const from = run.agent!;
    const receipt = question(context);
    enqueue.emit({ type: 'agent_transferred', ...base, receipt, from, to, reason });
    enqueue.assign({
      run: {
        ...run,
        ...untried,
        agent: to,
        flow: undefined,
        secondary: [],
        context: { ...run.context, transfer: { from, reason, ...(handed && { context: handed }) } },
        transfer: { receipt, from, to, reason, task, flow: run.flow, secondary: run.secondary, hop: run.hop },
        transfers: (run.transfers ?? 0) + 1,
        hop: (run.transfers ?? 0) + 1,
      },
    });
  }),
  /** The other agent cannot: the run goes back to the one that gave it away, which is told why. */
  undoTransfer: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { receipt, from, to, task, flow, secondary, hop } = run.transfer!;
    const { code, message } = failure(event) ?? timedOut({ context, event });
    enqueue.emit({
      type: 'transfer_failed',
      run_id: idOf({ context, event }),
      receipt,
      agent_id: to,
      back_to: from,
      code,
      message,
    });
    const { transfer: _, ...before } = run.context ?? {};
    enqueue.assign({
      run: {
        ...run,
        ...untried,
        agent: from,
        task,
        flow,
        secondary,
        hop,
        context: Object.keys(before).length > 0 ? before : undefined,
        transfer: undefined,
        decision: { kind: 'transfer', to, error: message },
      },
    });
  }),
  takeAnswer: enqueueActions(({ context, enqueue }) => {
    const [head, ...queue] = context.queue;
    const run = context.run!;
    const { id, run: n, content } = head!;
    const run_id = runId(context.id, run.n);
    if (n !== run.n)
      enqueue.emit({ type: 'run_joined', run_id: runId(context.id, n), message_id: id, into: run_id, by: id });
    enqueue.emit({ type: 'user_input', run_id, message_id: id, content });
    enqueue.assign({ queue, run: { ...run, message: id, input: [{ id, content }], tries: 0, tried: [] } });
  }),
  decide: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const decision: Decision =
      event.type === 'approve'
        ? {
            kind: 'approval',
            decision: event.decision,
            by: event.by,
            reason: event.reason,
            arguments: event.arguments,
          }
        : event.type === 'tool_result'
          ? { kind: 'tool', result: event.result, error: event.error }
          : run.question?.kind === 'approval'
            ? { kind: 'approval', decision: 'expired' }
            : { kind: 'tool', error: 'no result came in time' };
    enqueue.emit({
      type: 'question_answered',
      run_id: idOf({ context, event }),
      question: run.question!.id,
      ...decision,
    });
    enqueue.assign({ run: { ...run, decision, tries: 0, tried: [] } });
  }),
  finishRun: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: answer, endpoint, ms, steps, told } = output<AttemptOutput>(event);
    const { final_message, usage } = answer as { final_message: string; usage?: unknown };
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    tellOf({ context, event }, told, enqueue.emit);
    settle({ context, event }, enqueue.emit);
    enqueue.emit({
      type: 'agent_invoke_done',
      ...base,
      attempt: run.attempt,
      endpoint,
      ms,
      final_message,
      usage,
      steps,
    });
    enqueue.emit({ type: 'run_done', ...base });
    enqueue.assign({ run: null, whispers: [] });
  }),
  failTransfer: failRunBecause(({ context }) => ({
    code: 'too_many_transfers',
    message: `the run went from agent to agent ${context.settings.transfers} times`,
  })),
  failRun: failRunBecause(({ event }) => {
    const { code, message, retry_after_s } = failure(event);
    return { code, message, retry_after_s };
  }),
  timeOutRun: failRunBecause(timedOut),
  expireRun: failRunBecause(() => ({ code: 'input_expired', message: 'the user did not answer in time' })),
  giveUp: failRunBecause(({ context }) => ({
    code: 'crashed',
    message: `the process died ${context.run!.recoveries + 1} times while it performed this run`,
  })),
  countRecovery: enqueueActions(({ context, event, enqueue }) => {
    enqueue.emit({ type: 'run_recovered', run_id: idOf({ context, event }), attempt: context.run!.attempt });
    enqueue.assign({ run: { ...context.run!, recoveries: context.run!.recoveries + 1 } });
  }),
  cancelRun: cancelRunBecause('cancelled'),
  supersedeRun: cancelRunBecause('superseded by a newer message'),
  leaveToPerson: cancelRunBecause('answered by a person'),
  abandonRun: cancelRunBecause('the user turned to another agent'),
  dropEverything: enqueueActions(({ context, event, enqueue }) => {
    const dropped = context.queue.map(({ id, run }) => ({ id, run }));
    if (context.run) dropped.unshift({ id: context.run.message, run: context.run.n });
    for (const { id, run } of dropped)
      enqueue.emit({
        type: 'run_cancelled',
        run_id: runId(context.id, run),
        message_id: id,
        reason: `session ${event.type === 'close' ? 'closed' : 'failed'}`,
      });
    enqueue.assign({ queue: [], run: null });
  }),
  tellClosed: emit(({ event }) => ({
    type: 'session_closed',
    by: (event as Of<'close'>).by,
    reason: (event as Of<'close'>).reason,
  })),
  tellFailed: emit(({ event }) => ({ type: 'session_failed', reason: (event as Of<'fail'>).reason })),
};
