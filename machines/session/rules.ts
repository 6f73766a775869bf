// The bodies of the session chart's names: pure functions of context and event.
import { assign, or, raise, setup, stateIn } from 'xstate';
import type { AgentResult } from '../../src/agents/definition.ts';
import type { EmittedOf, SessionEmitted } from '../../src/emitted/emitted.ts';
import * as policy from '../attempt/policy.ts';
import { performed } from '../performed.ts';
import { attemptActions, attemptGuards } from './attempts.ts';
import type {
  AttemptInput,
  AttemptOutput,
  Decision,
  Pending,
  Route,
  Run,
  ScreenOutput,
  SessionContext,
  SessionEvent,
  SessionInput,
  WordsInput,
} from './events.ts';
import {
  type Args,
  about,
  act,
  attempted,
  cancelled,
  cancelRunBecause,
  failRunBecause,
  type Of,
  onRun,
  output,
  question,
  result,
  runId,
  timeout,
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

const words = ({ input }: Run): string[] => input.map(({ content }) => content);

/** A hook and a router see the words alone. */
const toJudge = ({ context: { run } }: Args): WordsInput => ({ run: run!.n, content: words(run!).join('\n') });

export const inputs = {
  screen: toJudge,
  router: toJudge,
  agent: ({ context: { run, epoch, whispers, config } }: Args): AttemptInput => {
    const { n, agent, attempt, plan, hop, flow, context, task, decision } = run!;
    return {
      run: n,
      agent: agent!,
      attempt,
      epoch,
      input: words(run!),
      guidance: whispers,
      tried: plan.tried,
      hop,
      flow,
      context: config || context ? { ...config, ...context } : undefined,
      task,
      decision,
    };
  },
};

/** The message names an agent or a flow that is not the run's: it cannot become part of it. */
const isElsewhere = ({ agent, flow }: Pick<Pending, 'agent' | 'flow'>, run: Run): boolean =>
  (agent !== undefined && agent !== run.agent) || (flow !== undefined && flow !== run.flow);

/** With its words: a person who holds the session must read them though no run begins. */
function accepted({ id, content }: Of<'message'>, run_id: string): EmittedOf<'message_accepted'> {
  return { type: 'message_accepted', run_id, message_id: id, content };
}

/** The message waits in the queue for the run of this number. */
const keepFor = (numberOf: (context: SessionContext) => number) =>
  act(({ context, event }) => {
    const { id, content, agent, flow, route } = event as Of<'message'>;
    const run = numberOf(context);
    return {
      assign: {
        runs: Math.max(context.runs, run),
        queue: [...context.queue, { id, run, content, agent, flow, route }],
      },
      emit: [accepted(event as Of<'message'>, runId(context.id, run))],
    };
  });

const tellControl = (control: EmittedOf<'control_changed'>['control']) =>
  act(({ context: { epoch, holder }, event }) => {
    const { by, reason } = event as { by?: string; reason?: string };
    return { emit: [{ type: 'control_changed', control, epoch, holder, by, reason }] };
  });

/** What came of the run's question: what the event says, or that its time is over. */
function decisionOf({ context, event }: Args): Exclude<Decision, { kind: 'transfer' }> {
  if (event.type === 'approve') {
    const { decision, by, reason, arguments: edited } = event;
    return { kind: 'approval', decision, by, reason, arguments: edited };
  }
  if (event.type === 'tool_result') return { kind: 'tool', result: event.result, error: event.error };
  if (context.run!.question!.kind === 'approval') return { kind: 'approval', decision: 'expired' };
  return { kind: 'tool', error: 'no result came in time' };
}

export const { createMachine } = setup({
  types: {
    context: {} as SessionContext,
    events: {} as SessionEvent,
    input: {} as SessionInput,
    emitted: {} as SessionEmitted,
    tags: {} as 'passing',
  },
  actors: {
    screen: performed<ScreenOutput, WordsInput>(),
    router: performed<Route | null, WordsInput>(),
    agent: performed<AttemptOutput, AttemptInput>(),
  },
  guards: {
    ...attemptGuards(policy),
    messagesWait: ({ context }) => context.queue.length > 0,
    hasRoom: ({ context }) => context.queue.length < context.settings.queue_limit,
    hasRun: ({ context }) => context.run !== null,
    drains: ({ event }) => (event as Of<'pause'>).mode !== 'interrupt',
    hasDeadline: ({ context }) => context.deadline_ms !== null,
    anotherHolder: ({ context, event }) => (event as Of<'takeover'>).by !== context.holder,
    whispers: ({ event }) => (event as Of<'inject'>).mode === 'whisper',
    speaks: ({ event }) => (event as Of<'inject'>).mode === 'speak',
    policyInterrupts: ({ context }) => context.settings.busy === 'interrupt',
    policySteers: ({ context }) => context.settings.busy === 'steer',
    policyRejects: ({ context }) => context.settings.busy === 'reject',
    goesElsewhere: ({ context, event }) => isElsewhere(event as Of<'message'>, context.run!),
    nextGoesElsewhere: ({ context }) => context.queue.length > 0 && isElsewhere(context.queue[0]!, context.run!),
    needsScreening: ({ context }) => context.settings.hooks && !context.run!.screened,
    isRouted: ({ context }) => context.run!.agent !== null,
    isAllowed: ({ event }) => output<ScreenOutput>(event).allow,
    isMatched: ({ event }) => output<Route | null>(event) !== null,
    asksForInput: ({ event }) => result(event).type === 'input_required',
    asksForApproval: ({ event }) => result(event).type === 'approval_required',
    asksForTool: ({ event }) => result(event).type === 'tool_required',
    asksForPerson: ({ event }) => result(event).type === 'handoff',
    transfers: ({ event }) => result(event).type === 'transfer',
    answersTheQuestion: ({ context, event }) => {
      const { question, decision } = context.run!;
      const asked = event.type === 'approve' ? event.approval : (event as Of<'tool_result'>).call;
      return question?.id === asked && decision === undefined;
    },
    isAnswered: ({ context }) => context.run!.decision !== undefined,
    aiHasTheFloor: stateIn('#automated'),
    humanHasTheFloor: stateIn('#human'),
    // The passing states count too: a region that asks in between must not take the turn for resting.
    atWork: or([
      stateIn('#attempting'),
      stateIn('#backingOff'),
      stateIn('#screening'),
      stateIn('#routing'),
      stateIn('#starting'),
      stateIn('#failing'),
      stateIn('#handingOver'),
    ]),
  },
  actions: {
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
    tellInjected: act(({ context: { epoch }, event }) => {
      const { mode, content, by } = event as Of<'inject'>;
      return { emit: [{ type: 'supervisor_message', mode, content, by, epoch }] };
    }),
    escalate: raise(({ event }) => ({
      type: 'escalated',
      reason: (result(event) as { reason?: string }).reason ?? 'the agent asked for a person',
    })),

    // messages
    keep: keepFor(({ runs }) => runs + 1),
    keepForRun: keepFor(({ run }) => run!.n),
    steer: onRun((run, { context, event }) => {
      const { id, content } = event as Of<'message'>;
      const into = runId(context.id, run.n);
      return {
        run: { message: id, input: [...run.input, { id, content }], plan: policy.startOver(run.plan) },
        emit: [
          // The earlier message's caller is answered together with this one.
          { type: 'run_joined', message_id: run.message, into, by: id },
          accepted(event as Of<'message'>, into),
          { type: 'user_input', message_id: id, content },
        ],
      };
    }),
    /** A person has spoken: the messages that waited for an answer have one. */
    answerWaiting: act(({ context: { id, queue } }) => ({
      assign: { queue: [] },
      emit: cancelled(id, queue, 'answered by a person'),
    })),

    // runs
    startRun: act(({ context }) => {
      const [head, ...queue] = context.queue;
      const { id, run: n, content, flow, route } = head!;
      const run_id = runId(context.id, n);
      const input = [{ id, content }];
      const plan = policy.begin(route?.secondary);
      return {
        assign: {
          queue,
          run: { n, message: id, input, agent: route?.agent ?? null, flow, attempt: 0, plan, screened: false },
        },
        emit: [
          { type: 'run_started', run_id, message_id: id },
          { type: 'user_input', run_id, message_id: id, content },
          ...(route ? [{ type: 'run_routed' as const, run_id, ...route }] : []),
        ],
      };
    }),
    resumeRun: onRun(({ plan }) => ({ run: { plan: policy.startOver(plan) }, emit: [{ type: 'run_resumed' }] })),
    tellSuspended: onRun(({ message }, { event }) => ({
      emit: [{ type: 'run_suspended', message_id: message, reason: event.type }],
    })),
    recordScreening: onRun((_, { event }) => {
      const { context } = output<ScreenOutput & { allow: true }>(event);
      return { run: { screened: true, context } };
    }),
    refuseRun: failRunBecause(({ event }) => ({
      code: 'refused',
      message: output<ScreenOutput & { allow: false }>(event).reason ?? 'refused by shouldProcess',
    })),
    recordRoute: onRun((_, { event }) => {
      const route = output<Route>(event);
      const { agent, secondary } = route;
      return { run: { agent, plan: policy.begin(secondary) }, emit: [{ type: 'run_routed', ...route }] };
    }),
    startOver: onRun(({ plan }) => ({ run: { plan: policy.startOver(plan) } })),
    matchNothing: failRunBecause(() => ({ code: 'no_match', message: 'no agent matches this message' })),
    ask: onRun((run, { context, event }) => {
      const asked = result(event) as Extract<AgentResult, { type: `${string}_required` }>;
      const id = question(context);
      const plan = policy.settle(run.plan);
      const left = { plan, task: asked.task, decision: undefined, question: undefined, transfer: undefined };
      const done = attempted(run, event, { asks: asked.type });
      if (asked.type === 'input_required') {
        const requested = { type: 'input_requested' as const, ...about(run), prompt: asked.prompt };
        return { run: left, assign: { whispers: [] }, emit: [...done, requested] };
      }
      if (asked.type === 'approval_required') {
        const { action, summary, details } = asked;
        return {
          run: { ...left, question: { id, kind: 'approval', action, summary, details } },
          emit: [...done, { type: 'approval_requested', ...about(run), approval: id, action, summary, details }],
        };
      }
      const { name, arguments: args } = asked;
      const requested = { type: 'tool_requested' as const, ...about(run), call: id, name, arguments: args };
      return { run: { ...left, question: { id, kind: 'tool', name, arguments: args } }, emit: [...done, requested] };
    }),
    takeAnswer: onRun((run, { context }) => {
      const [head, ...queue] = context.queue;
      const { id, run: n, content } = head!;
      const into = runId(context.id, run.n);
      const joined = { type: 'run_joined' as const, run_id: runId(context.id, n), message_id: id, into, by: id };
      return {
        run: { message: id, input: [{ id, content }], plan: policy.startOver(run.plan) },
        assign: { queue },
        emit: [...(n === run.n ? [] : [joined]), { type: 'user_input', message_id: id, content }],
      };
    }),
    decide: onRun((run, args) => {
      const decision = decisionOf(args);
      return {
        run: { decision, plan: policy.startOver(run.plan) },
        emit: [{ type: 'question_answered', question: run.question!.id, ...decision }],
      };
    }),
    finishRun: onRun((run, { event }) => {
      const { result: answer, steps } = output<AttemptOutput>(event);
      const { final_message, usage } = answer as Extract<AgentResult, { type: 'answer' }>;
      return {
        run: null,
        assign: { whispers: [] },
        emit: [...attempted(run, event, { final_message, usage, steps }), { type: 'run_done', ...about(run) }],
      };
    }),
    failTransfer: failRunBecause(({ context }) => ({
      code: 'too_many_transfers',
      message: `the run went from agent to agent ${context.settings.transfers} times`,
    })),
    failRun: failRunBecause(({ context, event }) => {
      const { code, message, retry_after_s } = policy.failureOf(event, timeout(context));
      return { code, message, retry_after_s };
    }),
    expireRun: failRunBecause(() => ({ code: 'input_expired', message: 'the user did not answer in time' })),
    cancelRun: cancelRunBecause('cancelled'),
    supersedeRun: cancelRunBecause('superseded by a newer message'),
    leaveToPerson: cancelRunBecause('answered by a person'),
    abandonRun: cancelRunBecause('the user turned to another agent'),
    dropEverything: act(({ context: { id, run, queue }, event }) => {
      const open = run ? [{ id: run.message, run: run.n }] : [];
      const reason = `session ${event.type === 'close' ? 'closed' : 'failed'}`;
      return { assign: { queue: [], run: null }, emit: cancelled(id, [...open, ...queue], reason) };
    }),
    tellClosed: act(({ event }) => {
      const { by, reason } = event as Of<'close'>;
      return { emit: [{ type: 'session_closed', by, reason }] };
    }),
    tellFailed: act(({ event }) => ({ emit: [{ type: 'session_failed', reason: (event as Of<'fail'>).reason }] })),
  },
  delays: {
    attemptTimeout: ({ context }) => context.settings.attempt_ms,
    backoff: ({ context }) => (context.run!.verdict as { wait_ms: number }).wait_ms,
    inputTimeout: ({ context }) => context.settings.input_ms,
    approvalTimeout: ({ context }) => context.settings.approval_ms,
    toolTimeout: ({ context }) => context.settings.tool_ms,
    deadline: ({ context }) => context.deadline_ms ?? 0,
  },
});
