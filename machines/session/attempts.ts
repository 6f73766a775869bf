// The bodies of the session chart's names that are about attempts. What follows from a failure is the policy's to say.
import type { AgentResult } from '../../src/agents/definition.ts';
import { LONGEST_BACKOFF, type Policy, verdictGuards } from '../attempt/policy.ts';
import type { Failure } from './events.ts';
import { type Args, about, attempted, failRunBecause, type Of, onRun, own, question, result, timeout } from './run.ts';

/** What one agent asked and was answered, nothing that another may act on. */
const nothingAsked = { verdict: undefined, task: undefined, question: undefined, decision: undefined } as const;

export const attemptGuards = (policy: Policy) => ({
  ...verdictGuards(({ context }: Args) => context.run!.verdict),
  transfersLeft: ({ context }: Args) => policy.mayTransfer(context.run!.plan, context.settings.transfers),
  recoveriesLeft: ({ context }: Args) => policy.mayRecover(context.run!.plan, context.settings.recoveries),
});

export const attemptActions = (policy: Policy) => ({
  beginAttempt: onRun((run, { context: { epoch } }) => {
    const attempt = run.attempt + 1;
    const started = { type: 'agent_invoke_started' as const, agent_id: run.agent!, attempt, epoch };
    return { run: { attempt, verdict: undefined }, emit: [started] };
  }),
  recordProgress: onRun((run, { event }) => {
    const { task, told } = event as Of<'progressed'>;
    // An agent that gets on has seen what was decided.
    return {
      run: { plan: policy.progress(run.plan), question: undefined, decision: undefined, task },
      emit: own(run, told),
    };
  }),
  recordFailure: onRun((run, { context, event }) => {
    const failure: Failure = policy.failureOf(event, timeout(context));
    const { code, message, retryable, endpoint, told } = failure;
    const plan = policy.fail(run.plan, failure);
    const verdict = policy.judge(plan, failure, { ...context.settings, longest_ms: LONGEST_BACKOFF });
    const failed = { agent_id: run.agent!, attempt: run.attempt, endpoint, code, message, retryable };
    return { run: { plan, verdict }, emit: [...own(run, told), { type: 'agent_invoke_failed', ...failed }] };
  }),
  emitFailover: onRun(({ agent, plan: { tried } }) => ({
    emit: [{ type: 'agent_failed_over', agent_id: agent!, tried }],
  })),
  nextAgent: onRun(({ plan }) => ({ run: { ...nothingAsked, agent: plan.next[0]!, plan: policy.advance(plan) } })),
  transfer: onRun((run, { context, event }) => {
    const asked = result(event) as Extract<AgentResult, { type: 'transfer' }>;
    const { agent: to, reason, context: handed, task } = asked;
    const { agent: from, flow, hop } = run;
    const receipt = question(context);
    const plan = policy.transfer(run.plan);
    return {
      run: {
        ...nothingAsked,
        plan,
        agent: to,
        flow: undefined,
        context: { ...run.context, transfer: { from, reason, ...(handed && { context: handed }) } },
        transfer: { receipt, from: from!, to, reason, task, flow, hop },
        hop: plan.transfers,
      },
      emit: [
        ...attempted(run, event, { asks: asked.type }),
        { type: 'agent_transferred', ...about(run), receipt, from: from!, to, reason },
      ],
    };
  }),
  /** The other agent cannot: the run goes back to the one that gave it away, which sees why. */
  undoTransfer: onRun((run, { context, event }) => {
    const { receipt, from, to, task, flow, hop } = run.transfer!;
    const { code, message } = policy.failureOf(event, timeout(context));
    const { transfer: _, ...before } = run.context ?? {};
    return {
      run: {
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
      emit: [{ type: 'transfer_failed', receipt, agent_id: to, back_to: from, code, message }],
    };
  }),
  countRecovery: onRun(({ attempt, plan }) => ({
    run: { plan: policy.recover(plan) },
    emit: [{ type: 'run_recovered', attempt }],
  })),
  giveUp: failRunBecause(({ context }) => ({
    code: 'crashed',
    message: `the process died ${context.run!.plan.recoveries + 1} times while it performed this run`,
  })),
});
