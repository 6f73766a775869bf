// That a session over the product's attempt policy does nothing but what one over any policy may do: why facts of the one hold for the other.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, EventObject } from 'xstate';
import { type Step, stepper } from '../../actors/durable.ts';
import type { Failure, Plan } from '../../machines/attempt/events.ts';
import * as policy from '../../machines/attempt/policy.ts';
import type { SessionContext, Settings } from '../../machines/session/events.ts';
import { sessionMachine } from '../../machines/session/machine.ts';
import { timeout } from '../../machines/session/run.ts';
import { offered } from '../../src/testing/explore.ts';
import { random } from '../../src/testing/random.ts';
import { overAnyPolicy, small, world } from './world.ts';

/** What the pool may say of a failure besides. */
const failures: Partial<Failure>[] = [
  {},
  { endpoint: 'a/1' },
  { endpoint: 'a/1', alternatives: 1 },
  { retryable: false },
  { retryable: false, alternatives: 1 },
  { code: 'no_agent_available' },
  { jitter: 0.5, retry_after_s: 1 },
];

/**
 * Walks through the session's own chart and takes every step over any policy too, told what the product's policy says to it. Returns
 * the first step that comes out otherwise, and how many steps were compared.
 */
export function refine(more: Partial<Settings>, seed: number, walks: number, own = sessionMachine) {
  const { pick } = random(seed);
  const pure = stepper(own);
  const any = stepper(overAnyPolicy());
  let steps = 0;
  for (let walk = 0; walk < walks; walk += 1) {
    let { snapshot } = pure.initial({ id: 's1', settings: small(more) });
    for (let n = 0; n < 40 && snapshot.status === 'active'; n += 1) {
      const event = varied(pick(offered(pure, snapshot, world).filter(goesOn)), pick(failures));
      const is = pure.step(snapshot, event);
      // A snapshot brings its own chart along; restored, it is the other's.
      const may = any.step(any.restore(pure.dump(snapshot)), told(snapshot, event));
      steps += 1;
      if (!isDeepStrictEqual(visible(is), visible(may)))
        return { steps, at: `${event.type} in ${JSON.stringify(snapshot.value)}` };
      if (is.changed && !isDeepStrictEqual(planOf(is.snapshot), planAfter(snapshot, event, is)))
        return { steps, at: `the plan after ${event.type} in ${JSON.stringify(snapshot.value)}` };
      snapshot = is.snapshot;
    }
  }
  return { steps, at: undefined };
}

/** Ways that end at once show little. */
const goesOn = ({ type }: EventObject): boolean => type !== 'close' && type !== 'fail';

function varied(event: EventObject, more: Partial<Failure>): EventObject {
  const { error } = event as { error?: Failure };
  return error ? ({ ...event, error: { ...error, ...more } } as EventObject) : event;
}

/** The event with what the product's policy says to it. */
function told(snapshot: AnyMachineSnapshot, event: EventObject): EventObject {
  const context = snapshot.context as SessionContext;
  const { run, settings } = context;
  if (!run || !/^(xstate\.|recovered)/.test(event.type)) return event;
  const failure = policy.failureOf(event, timeout(context));
  const plan = policy.fail(run.plan, failure);
  const verdict = policy.judge(plan, failure, { ...settings, longest_ms: policy.LONGEST_BACKOFF });
  const allowed =
    event.type === 'recovered'
      ? policy.mayRecover(run.plan, settings.recoveries)
      : policy.mayTransfer(run.plan, settings.transfers);
  return { ...event, allowed, error: { ...failure, verdict } } as EventObject;
}

const planOf = ({ context }: AnyMachineSnapshot): Plan | undefined => context.run?.plan;

/** The plan that the open run must have after a step, by the policy's own functions and by what the step emitted. */
function planAfter(
  snapshot: AnyMachineSnapshot,
  event: EventObject,
  { snapshot: next, emitted }: Step,
): Plan | undefined {
  const { run: before, settings } = snapshot.context as SessionContext;
  const { run: after } = next.context as SessionContext;
  const emits = (type: string): boolean => emitted.some((one) => one.type === type);
  if (!after) return undefined;
  const routed = emitted.findLast((one) => one.type === 'run_routed') as { secondary?: string[] } | undefined;
  if (!before || before.n !== after.n || routed) return policy.begin(routed?.secondary);
  const { plan } = before;
  if (emits('agent_invoke_failed')) {
    const failure = policy.failureOf(event, '');
    const failed = policy.fail(plan, failure);
    const { type } = policy.judge(failed, failure, { ...settings, longest_ms: policy.LONGEST_BACKOFF });
    if (type === 'give_back') return policy.giveBack(failed);
    return type === 'next_agent' ? policy.advance(failed) : failed;
  }
  if (emits('agent_transferred')) return policy.transfer(plan);
  if (emits('run_recovered')) return policy.recover(plan);
  if (event.type === 'progressed') return policy.progress(plan);
  if (emits('user_input') || emits('question_answered') || emits('run_resumed')) {
    const asked = emits('input_requested') ? policy.settle(plan) : plan;
    return policy.startOver(asked);
  }
  return emits('agent_invoke_done') ? policy.settle(plan) : plan;
}

/** A step without the policy's own accounts. */
function visible({ snapshot, changed, effects, emitted }: Step): unknown {
  const { run, ...context } = snapshot.context as SessionContext;
  const bare = run && {
    ...run,
    plan: undefined,
    hop: undefined,
    transfer: run.transfer && { ...run.transfer, hop: undefined },
  };
  const inputs = effects.map((effect) => ('input' in effect ? { ...effect, input: undefined } : effect));
  return JSON.parse(
    JSON.stringify([
      snapshot.value,
      context,
      bare,
      changed,
      inputs,
      emitted.map((one) => ({ ...one, tried: undefined })),
    ]),
  );
}
