// The bodies of the session chart's names: pure functions of context and event.
import * as policy from '../attempt/policy.ts';
import { attemptActions, attemptGuards } from './attempts.ts';
import type {
  AttemptInput,
  AttemptOutput,
  Decision,
  Pending,
  Route,
  RouteInput,
  Run,
  ScreenInput,
  ScreenOutput,
  SessionContext,
  SessionEvent,
  SessionInput,
} from './events.ts';
import {
  type Args,
  assign,
  cancelRunBecause,
  changeRun,
  emit,
  emitOwn,
  enqueueActions,
  failRunBecause,
  failureOf,
  idOf,
  type Of,
  output,
  question,
  raise,
  result,
  runId,
  settle,
} from './run.ts';

export { runId } from './run.ts';

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
    tried: run!.plan.tried,
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
  ...attemptGuards(policy),
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
  answersTheQuestion: ({ context, event }: Args) => {
    const { question, decision } = context.run!;
    const asked = event.type === 'approve' ? event.approval : (event as Of<'tool_result'>).call;
    return question?.id === asked && decision === undefined;
  },
  isAnswered: ({ context }: Args) => context.run!.decision !== undefined,
};

export const delays = {
  attemptTimeout: ({ context }: Args) => context.settings.attempt_ms,
  backoff: ({ context }: Args) => (context.run!.verdict as { wait_ms: number }).wait_ms,
  inputTimeout: ({ context }: Args) => context.settings.input_ms,
  approvalTimeout: ({ context }: Args) => context.settings.approval_ms,
  toolTimeout: ({ context }: Args) => context.settings.tool_ms,
  deadline: ({ context }: Args) => context.deadline_ms ?? 0,
};

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

const tellControl = (control: string) =>
  emit(({ context, event }) => ({
    type: 'control_changed',
    control,
    epoch: context.epoch,
    holder: context.holder,
    by: (event as { by?: string }).by,
    reason: (event as { reason?: string }).reason,
  }));

export const actions = {
  ...attemptActions(policy),

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
    enqueue.assign({
      run: { ...run, message: id, input: [...run.input, { id, content }], plan: policy.startOver(run.plan) },
    });
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
    const run_id = runId(context.id, n);
    const input = [{ id, content }];
    const plan = policy.begin(route?.secondary);
    const run: Run = { n, message: id, input, agent: route?.agent ?? null, flow, attempt: 0, plan, screened: false };
    enqueue.assign({ queue, run });
    enqueue.emit({ type: 'run_started', run_id, message_id: id });
    enqueue.emit({ type: 'user_input', run_id, message_id: id, content });
    if (route) enqueue.emit({ type: 'run_routed', run_id, ...route });
  }),
  resumeRun: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    enqueue.emit({ type: 'run_resumed', run_id: idOf({ context, event }) });
    enqueue.assign({ run: { ...run, plan: policy.startOver(run.plan) } });
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
    enqueue.assign({ run: { ...context.run!, agent: route.agent, plan: policy.begin(route.secondary) } });
    enqueue.emit({ type: 'run_routed', run_id: idOf({ context, event }), ...route });
  }),
  startOver: changeRun(({ plan }) => ({ plan: policy.startOver(plan) })),
  matchNothing: failRunBecause(() => ({ code: 'no_match', message: 'no agent matches this message' })),
  ask: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: asked, endpoint, ms, told } = output<AttemptOutput>(event);
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    emitOwn({ context, event }, told, enqueue.emit);
    settle({ context, event }, enqueue.emit);
    enqueue.emit({ type: 'agent_invoke_done', ...base, attempt: run.attempt, endpoint, ms, asks: asked.type });
    const { task } = asked as { task?: unknown };
    const plan = policy.settle(run.plan);
    const left = { ...run, plan, task, decision: undefined, question: undefined, transfer: undefined };
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
  takeAnswer: enqueueActions(({ context, enqueue }) => {
    const [head, ...queue] = context.queue;
    const run = context.run!;
    const { id, run: n, content } = head!;
    const run_id = runId(context.id, run.n);
    if (n !== run.n)
      enqueue.emit({ type: 'run_joined', run_id: runId(context.id, n), message_id: id, into: run_id, by: id });
    enqueue.emit({ type: 'user_input', run_id, message_id: id, content });
    const plan = policy.startOver(run.plan);
    enqueue.assign({ queue, run: { ...run, message: id, input: [{ id, content }], plan } });
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
    enqueue.assign({ run: { ...run, decision, plan: policy.startOver(run.plan) } });
  }),
  finishRun: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: answer, endpoint, ms, steps, told } = output<AttemptOutput>(event);
    const { final_message, usage } = answer as { final_message: string; usage?: unknown };
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    emitOwn({ context, event }, told, enqueue.emit);
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
  failRun: failRunBecause((args) => {
    const { code, message, retry_after_s } = failureOf(args);
    return { code, message, retry_after_s };
  }),
  expireRun: failRunBecause(() => ({ code: 'input_expired', message: 'the user did not answer in time' })),
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
