// The attempt policy alone: a chart that only follows it, and all that can happen to the attempts of one piece of work.
import { type AnyMachineSnapshot, assign, setup } from 'xstate';
import type { Failure, Limits, Plan, Verdict } from '../../machines/attempt/events.ts';
import type { Policy } from '../../machines/attempt/policy.ts';
import * as attemptPolicy from '../../machines/attempt/policy.ts';
import { explore, type Graph } from '../../src/testing/explore.ts';

export const limits: Limits & { readonly transfers: number; readonly recoveries: number } = {
  attempts: 3,
  backoff_ms: 10_000,
  longest_ms: 15_000,
  transfers: 2,
  recoveries: 1,
};

/** The agents in the order in which they are tried; the work is given to `t` and comes back from there. */
const agents = ['a', 'b', 'c'] as const;

export interface AttemptContext {
  readonly plan: Plan;
  readonly verdict: Verdict | null;
  readonly agent: string;
  /** Who gets the work back. */
  readonly giver: string | null;
  /** Counted by the world, not by the policy: failures of this agent since it got on, moves and crashes. */
  readonly failed: number;
  readonly moved: number;
  /** The agents that had the work because it was their turn, in that order. */
  readonly turns: string;
  readonly crashed: number;
}

export type AttemptEvent =
  | ({ readonly type: 'failed' } & Failure)
  | { readonly type: 'progressed' | 'transferred' | 'answered' | 'interrupted' | 'recovered' | 'asked' };

interface Args {
  readonly context: AttemptContext;
  readonly event: AttemptEvent;
}

const follow = (policy: Policy) => {
  const is =
    (type: Verdict['type']) =>
    ({ context }: Args) =>
      context.verdict!.type === type;
  const change = (next: (args: Args) => Partial<AttemptContext>) => assign(next as never) as never;
  return setup({
    types: { context: {} as AttemptContext, events: {} as AttemptEvent },
    guards: {
      again: is('again'),
      elsewhere: is('elsewhere'),
      givesBack: is('give_back'),
      nextAgent: is('next_agent'),
      mayTransfer: ({ context }: Args) => policy.mayTransfer(context.plan, limits.transfers),
      mayRecover: ({ context }: Args) => policy.mayRecover(context.plan, limits.recoveries),
    },
    actions: {
      fail: change(({ context, event }) => {
        const plan = policy.fail(context.plan, event as Failure);
        return { plan, verdict: policy.judge(plan, event as Failure, limits), failed: context.failed + 1 };
      }),
      begin: change(() => ({ verdict: null })),
      progress: change(({ context }) => ({ plan: policy.progress(context.plan), failed: 0, crashed: 0 })),
      settle: change(({ context }) => ({ plan: policy.settle(context.plan), giver: null })),
      startOver: change(({ context }) => ({ plan: policy.startOver(context.plan), failed: 0 })),
      recover: change(({ context }) => ({ plan: policy.recover(context.plan), crashed: context.crashed + 1 })),
      advance: change(({ context: { plan, turns } }) => ({
        agent: plan.next[0]!,
        turns: turns + plan.next[0],
        plan: policy.advance(plan),
        failed: 0,
      })),
      transfer: change(({ context: { plan, agent, moved } }) => {
        return { plan: policy.transfer(plan), agent: 't', giver: agent, moved: moved + 1, failed: 0 };
      }),
      giveBack: change(({ context: { plan, giver } }) => {
        return { plan: policy.giveBack(plan), agent: giver!, giver: null, failed: 0 };
      }),
    },
  }).createMachine({
    id: 'attempts',
    version: '1',
    context: {
      plan: policy.begin(agents.slice(1)),
      verdict: null,
      agent: agents[0],
      giver: null,
      failed: 0,
      moved: 0,
      turns: agents[0],
      crashed: 0,
    },
    initial: 'attempting',
    states: {
      attempting: {
        entry: 'begin',
        on: {
          failed: { target: 'failing', actions: 'fail' },
          progressed: { actions: 'progress' },
          asked: { actions: ['settle', 'startOver'] },
          interrupted: { actions: 'startOver' },
          transferred: [
            { guard: 'mayTransfer', target: 'attempting', reenter: true, actions: 'transfer' },
            { target: 'over' },
          ],
          recovered: [{ guard: 'mayRecover', actions: 'recover' }, { target: 'over' }],
          answered: 'over',
        },
      },
      failing: {
        always: [
          { guard: 'elsewhere', target: 'attempting' },
          { guard: 'again', target: 'backingOff' },
          { guard: 'givesBack', target: 'attempting', actions: 'giveBack' },
          { guard: 'nextAgent', target: 'attempting', actions: 'advance' },
          { target: 'over' },
        ],
      },
      backingOff: { after: { 1: 'attempting' } },
      over: { type: 'final' },
    },
  });
};

const failure = { type: 'failed', code: 'test', message: 'no', retryable: true } as const;

/** Two instances at most, so that what is tried elsewhere comes to an end. */
function failures({ plan }: AttemptContext): AttemptEvent[] {
  const instance = plan.tried.length === 0 ? 'one' : 'two';
  return [
    failure,
    { ...failure, endpoint: instance, ...(instance === 'one' && { alternatives: 1 }) },
    { ...failure, retry_after_s: 60 },
    { ...failure, jitter: 1 },
    { ...failure, jitter: 0.5 },
    { ...failure, retryable: false },
    { ...failure, retryable: false, alternatives: 1 },
    { ...failure, code: 'no_agent_available', retry_after_s: 20 },
    { ...failure, final: true, alternatives: 1 },
  ];
}

const events = ({ context }: AnyMachineSnapshot): AttemptEvent[] => [
  ...failures(context),
  { type: 'progressed' },
  { type: 'asked' },
  { type: 'interrupted' },
  { type: 'transferred' },
  { type: 'recovered' },
  { type: 'answered' },
];

/** Nothing is left out, but for what ran away: a count that passed every limit counts no further. */
const serialize = ({ value, context }: AnyMachineSnapshot): unknown => {
  const { plan, failed, moved, crashed, turns, ...rest } = context as AttemptContext;
  const most = (count: number): number => Math.min(count, 6);
  const counts = [plan.failures, plan.recoveries, plan.transfers, failed, moved, crashed].map(most);
  return [value, rest, turns.slice(0, 4), plan.tried.slice(0, 3), plan.next, plan.back, counts];
};

export const exploreAttempts = (change: Partial<Policy> = {}): Graph =>
  explore(follow({ ...attemptPolicy, ...change }), { events: events as never, serialize });
