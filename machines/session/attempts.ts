// The bodies of the session chart's names that are about attempts. What follows from a failure is the policy's to say.
import type { AgentResult } from '../../src/agents/definition.ts';
import { LONGEST_BACKOFF, type Policy } from '../attempt/policy.ts';
import type { AttemptOutput, Run } from './events.ts';
import {
  type Args,
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
  settle,
} from './run.ts';

/** What one agent asked and was answered, nothing that another may act on. */
const nothingAsked = { verdict: undefined, task: undefined, question: undefined, decision: undefined } as const;

const says =
  (verdict: NonNullable<Run['verdict']>['type']) =>
  ({ context }: Args): boolean =>
    context.run!.verdict!.type === verdict;

export const attemptGuards = (policy: Policy) => ({
  triesElsewhere: says('elsewhere'),
  triesAgain: says('again'),
  givesBack: says('give_back'),
  triesNextAgent: says('next_agent'),
  transfersLeft: ({ context }: Args) => policy.mayTransfer(context.run!.plan, context.settings.transfers),
  recoveriesLeft: ({ context }: Args) => policy.mayRecover(context.run!.plan, context.settings.recoveries),
});

export const attemptActions = (policy: Policy) => ({
  beginAttempt: enqueueActions(({ context, event, enqueue }) => {
    const run = { ...context.run!, attempt: context.run!.attempt + 1, verdict: undefined };
    enqueue.assign({ run });
    enqueue.emit({
      type: 'agent_invoke_started',
      run_id: idOf({ context, event }),
      agent_id: run.agent,
      attempt: run.attempt,
      epoch: context.epoch,
    });
  }),
  recordProgress: enqueueActions(({ context, event, enqueue }) => {
    const { task, told } = event as Of<'progressed'>;
    const run = context.run!;
    emitOwn({ context, event }, told, enqueue.emit);
    // An agent that gets on has seen what was decided.
    enqueue.assign({
      run: { ...run, plan: policy.progress(run.plan), question: undefined, decision: undefined, task },
    });
  }),
  recordFailure: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const failure = failureOf({ context, event });
    const { code, message, retryable, endpoint, told } = failure;
    const { attempts, backoff_ms } = context.settings;
    emitOwn({ context, event }, told, enqueue.emit);
    const plan = policy.fail(run.plan, failure);
    const verdict = policy.judge(plan, failure, { attempts, backoff_ms, longest_ms: LONGEST_BACKOFF });
    enqueue.assign({ run: { ...run, plan, verdict } });
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
  emitFailover: emit(({ context, event }) => ({
    type: 'agent_failed_over',
    run_id: idOf({ context, event }),
    agent_id: context.run!.agent,
    tried: context.run!.plan.tried,
  })),
  nextAgent: changeRun(({ plan }) => ({ ...nothingAsked, agent: plan.next[0]!, plan: policy.advance(plan) })),
  transfer: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { result: asked, endpoint, ms, told } = output<AttemptOutput>(event);
    const { agent: to, reason, context: handed, task } = asked as Extract<AgentResult, { type: 'transfer' }>;
    const base = { run_id: idOf({ context, event }), message_id: run.message, agent_id: run.agent };
    emitOwn({ context, event }, told, enqueue.emit);
    settle({ context, event }, enqueue.emit);
    enqueue.emit({ type: 'agent_invoke_done', ...base, attempt: run.attempt, endpoint, ms, asks: asked.type });
    const from = run.agent!;
    const receipt = question(context);
    enqueue.emit({ type: 'agent_transferred', ...base, receipt, from, to, reason });
    const plan = policy.transfer(run.plan);
    enqueue.assign({
      run: {
        ...run,
        ...nothingAsked,
        plan,
        agent: to,
        flow: undefined,
        context: { ...run.context, transfer: { from, reason, ...(handed && { context: handed }) } },
        transfer: { receipt, from, to, reason, task, flow: run.flow, hop: run.hop },
        hop: plan.transfers,
      },
    });
  }),
  /** The other agent cannot: the run goes back to the one that gave it away, which sees why. */
  undoTransfer: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    const { receipt, from, to, task, flow, hop } = run.transfer!;
    const { code, message } = failureOf({ context, event });
    const run_id = idOf({ context, event });
    enqueue.emit({ type: 'transfer_failed', run_id, receipt, agent_id: to, back_to: from, code, message });
    const { transfer: _, ...before } = run.context ?? {};
    enqueue.assign({
      run: {
        ...run,
        ...nothingAsked,
        plan: policy.giveBack(run.plan),
        agent: from,
        task,
        flow,
        hop,
        context: Object.keys(before).length > 0 ? before : undefined,
        transfer: undefined,
        decision: { kind: 'transfer', to, error: message },
      },
    });
  }),
  countRecovery: enqueueActions(({ context, event, enqueue }) => {
    const run = context.run!;
    enqueue.emit({ type: 'run_recovered', run_id: idOf({ context, event }), attempt: run.attempt });
    enqueue.assign({ run: { ...run, plan: policy.recover(run.plan) } });
  }),
  giveUp: failRunBecause(({ context }) => ({
    code: 'crashed',
    message: `the process died ${context.run!.plan.recoveries + 1} times while it performed this run`,
  })),
});
