// What must hold of every position that was migrated, each as a sentence that is there when it does not.
import { stepper } from '../../actors/durable.ts';
import type { Position } from '../../actors/versions.ts';
import { plan, verdict } from '../../machines/attempt/events.ts';
import type { FlowContext } from '../../machines/flow/events.ts';
import { machines } from '../../machines/index.ts';
import type { JobContext } from '../../machines/job/events.ts';
import type { SessionContext } from '../../machines/session/events.ts';

/** What is wrong with a position after its migration; nothing, where it wrote the present version itself. */
export function holdsOf(before: Position, after: Position): string[] {
  const name = after.machine.split('@')[0]! as keyof typeof machines;
  const pure = stepper(machines[name]);
  const wrong: string[] = [];
  const must = (holds: boolean, why: string) => {
    if (!holds) wrong.push(`${name} in ${before.state}: ${why}`);
  };
  must(after.machine === pure.name, 'it is of another version');
  must(after.state === before.state, `it is in ${after.state}`);
  const restored = pure.restore(after.snapshot as never);
  const implied = restored.status === 'active' ? [...pure.invokes(restored), ...pure.timers(restored)] : [];
  must(
    implied
      .map(({ id }) => id)
      .sort()
      .join() ===
      after.owed
        .map(({ id }) => id)
        .sort()
        .join(),
    'it owes something else than its states imply',
  );
  for (const owed of before.owed)
    must(
      after.owed.some(({ key, due }) => key === owed.key && due === owed.due),
      `${owed.id} is not owed under its key at its time`,
    );
  for (const node of restored._nodes)
    for (const { delay } of node.after) {
      const body = typeof delay === 'string' ? (restored.machine as any).implementations.delays[delay] : delay;
      const ms = typeof body === 'function' ? body({ context: restored.context }) : body;
      must(Number.isFinite(ms), `the delay ${delay} is ${ms}`);
    }
  const was = before.snapshot.context as any;
  if (name === 'session') session(was, restored.context, /backingOff/.test(before.state), must);
  if (name === 'flow') flow(was, restored.context, must);
  if (name === 'job') job(was, restored.context, before.state === 'backingOff', must);
  return wrong;
}

type Must = (holds: boolean, why: string) => void;

/** What version 1 kept of the attempts of a run, a step or a job lay open beside the rest. */
interface Open {
  readonly tries: number;
  readonly tried: readonly string[];
  readonly recoveries?: number;
  readonly secondary?: readonly string[];
  readonly transfers?: number;
  readonly transfer?: { readonly secondary: readonly string[] };
  readonly wait_ms?: number;
}

function session(
  { run: was }: { run: (Open & { plan?: unknown }) | null },
  { run }: SessionContext,
  backsOff: boolean,
  must: Must,
): void {
  must((was === null) === (run === null), 'its run is lost');
  if (!was || !run || was.plan) return;
  must(plan.strict().safeParse(run.plan).success, 'its plan is none');
  must(run.plan.failures === Math.max(0, was.tries - (backsOff ? 0 : 1)), `it failed ${run.plan.failures} times`);
  must(run.plan.tried.join() === was.tried.join(), 'the endpoints that failed are lost');
  must(run.plan.next.join() === was.secondary!.join(), 'the agents that come next are lost');
  must(run.plan.recoveries === was.recoveries, 'its crashes are lost');
  must(run.plan.transfers === (was.transfers ?? 0), 'its transfers are lost');
  must(run.plan.back?.join() === was.transfer?.secondary.join(), 'it has no way back');
  must((run.transfer !== undefined) === (was.transfer !== undefined), 'its transfer is lost');
  must(backsOff ? verdict.parse(run.verdict).type === 'again' : run.verdict === undefined, 'its verdict is another');
  const left = Object.keys(run).filter((member) =>
    ['tries', 'tried', 'secondary', 'recoveries', 'transfers', 'wait_ms'].includes(member),
  );
  must(left.length === 0, `${left.join(', ')} are still there`);
}

function flow(
  { steps: was }: { steps: (Open & { plan?: unknown; back?: unknown })[] },
  { steps }: FlowContext,
  must: Must,
): void {
  must(was.length === steps.length, 'a step is lost');
  steps.forEach((step, n) => {
    if (was[n]!.plan) return;
    must(plan.strict().safeParse(step.plan).success, `the plan of ${step.id} is none`);
    must(step.plan.failures === was[n]!.tries, `${step.id} failed ${step.plan.failures} times`);
    must(step.plan.tried.join() === was[n]!.tried.join(), `the endpoints that failed for ${step.id} are lost`);
    must((step.plan.back !== undefined) === (was[n]!.back !== undefined), `${step.id} has no way back`);
    must(!('tries' in step) && !('tried' in step), `${step.id} has what version 1 had`);
  });
}

function job(was: { attempts: number; verdict?: unknown }, now: JobContext, backsOff: boolean, must: Must): void {
  if ('verdict' in was) return;
  must(now.attempts === was.attempts, 'its attempts are lost');
  must(backsOff ? now.verdict?.type === 'again' : now.verdict === null, 'its verdict is another');
  must(!('wait_ms' in now), 'wait_ms is still there');
}
