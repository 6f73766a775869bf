// Everything that can happen to a session, as little of it as its guards can tell apart: what the exhaustive facts explore.
import type { AnyMachineSnapshot } from 'xstate';
import { attemptActions, attemptGuards } from '../../machines/session/attempts.ts';
import {
  type Route,
  type SessionContext,
  type SessionEvent,
  type Settings,
  settings,
} from '../../machines/session/events.ts';
import { sessionMachine } from '../../machines/session/machine.ts';
import type { TaskEmitted } from '../../src/emitted/emitted.ts';
import { type ExploreOptions, explore, type Graph, type Result } from '../../src/testing/explore.ts';
import { allowed, anyPolicy, failures } from '../attempt/any-policy.ts';

/** Small limits, so that each is met. */
export const small = (more: Partial<Settings>): Settings =>
  settings.parse({ queue_limit: 2, attempts: 2, recoveries: 1, transfers: 1, ...more });

/** The session's chart over any policy; what else it is made of is its own. */
export const overAnyPolicy = (machine = sessionMachine) =>
  machine.provide({
    actions: attemptActions(anyPolicy),
    guards: { ...attemptGuards(anyPolicy), transfersLeft: allowed, recoveriesLeft: allowed },
  });

/** `change` is what a broken copy of the chart does otherwise. */
export const exploreSession = (more: Partial<Settings> = {}, change: object = {}): Graph =>
  explore(overAnyPolicy().provide(change), { input: { id: 's1', settings: small(more) }, ...world });

const to = (agent: string): Route => ({ agent, confidence: 1, reason: 'test', secondary: ['b'] });

/** The ids of the messages that the session has accepted and not yet told an outcome of. */
export function heldBy({ queue, run }: SessionContext): string[] {
  return [...(run ? [run.message] : []), ...queue.map(({ id }) => id)];
}

/** An id that no held message has. Ids come back, so that the state space stays finite. */
function freshId(context: SessionContext): string {
  const held = heldBy(context);
  for (let n = 1; ; n += 1) if (!held.includes(`m${n}`)) return `m${n}`;
}

function events(snapshot: AnyMachineSnapshot): SessionEvent[] {
  const { context } = snapshot;
  const message = { type: 'message', id: freshId(context), content: 'hello' } as const;
  const question = context.run?.question?.id ?? 'none';
  const approve = { type: 'approve', approval: question, decision: 'approve', by: 'ann' } as const;
  return [
    message,
    { ...message, route: to('a') },
    { ...message, agent: 'b', route: to('b') },
    { type: 'pause', mode: 'drain' },
    { type: 'pause', mode: 'interrupt' },
    { type: 'resume' },
    { type: 'takeover', by: 'ann' },
    { type: 'takeover', by: 'ann', deadline_ms: 1_000 },
    { type: 'takeover', by: 'bob' },
    { type: 'release' },
    { type: 'inject', mode: 'speak', content: 'words', by: 'ann' },
    { type: 'inject', mode: 'whisper', content: 'words', by: 'ann' },
    { type: 'inject', mode: 'note', content: 'words', by: 'ann' },
    approve,
    { ...approve, decision: 'reject' },
    { ...approve, approval: 'wrong' },
    { type: 'tool_result', call: question, result: 1 },
    { type: 'tool_result', call: question, error: 'broken' },
    { type: 'tool_result', call: 'wrong' },
    { type: 'cancel' },
    { type: 'close' },
    { type: 'fail', reason: 'test' },
    { type: 'recovered' },
    { type: 'recovered', allowed: false } as SessionEvent,
    { type: 'progressed', task: 1, told: [{ type: 'model_replied' } as TaskEmitted] },
    ...timeouts(snapshot),
  ];
}

/** A time-out of the attempt, with each verdict. */
const timeouts = (snapshot: AnyMachineSnapshot): SessionEvent[] =>
  snapshot._nodes.flatMap(({ id, after }) => {
    const timer = id === 'attempting' && after.find(({ delay }) => delay === 'attemptTimeout');
    return timer
      ? failures(snapshot.context.run.transfer !== undefined).map(
          (failure) => ({ type: timer.eventType, ...failure }) as never,
        )
      : [];
  });

const attempted = (result: object): Result => ({ output: { result, endpoint: 'a/1', ms: 1 } });
const failed: Result = { error: { code: 'test', message: 'no', retryable: true } };

const transferred = attempted({ type: 'transfer', agent: 'b', reason: 'knows better' });

const results: NonNullable<ExploreOptions<typeof sessionMachine>['results']> = {
  screen: [{ output: { allow: true } }, { output: { allow: false, reason: 'no' } }, failed],
  router: [{ output: to('a') }, { output: to('b') }, { output: null }, failed],
  agent: (snapshot) => [
    attempted({ type: 'answer', final_message: 'hi' }),
    attempted({ type: 'handoff', final_message: 'wait', reason: 'asked' }),
    attempted({ type: 'input_required', prompt: 'which?' }),
    attempted({ type: 'approval_required', action: 'pay', summary: 'pay?' }),
    attempted({ type: 'tool_required', name: 'look', arguments: {} }),
    transferred,
    Object.assign({ allowed: false }, transferred),
    ...failures(snapshot.context.run.transfer !== undefined),
  ],
};

/** The value, and of the context what guards read. Counters (epoch, numbers of runs and attempts) only ever grow. */
function serialize({ value, context }: AnyMachineSnapshot): unknown {
  const { holder, queue, run } = context as SessionContext;
  return [
    value,
    holder,
    queue.map(({ route, run: n }) => [route?.agent ?? '', n === run?.n]),
    run && [
      run.agent,
      run.plan,
      run.verdict,
      run.screened,
      run.question !== undefined,
      run.decision !== undefined,
      run.transfer?.from,
    ],
  ];
}

export const world = { events, results, serialize };
