// Refolds the stored events of a session through a chart, and says whether they still lead where they led then.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Step, type Stepper, stepper } from '../actors/durable.ts';
import { acceptable, CREATE } from '../actors/session.ts';
import { machines } from '../machines/index.ts';
import type { Entry } from './journal.ts';
import { Tasks } from './replay/tasks.ts';

/** What came of refolding; `tasks` counts the snapshots of agents' own charts that were compared too. `at` names the first entry that came out otherwise, `why` says how. */
export type Refolding =
  | { readonly identical: true; readonly entries: number; readonly tasks: number }
  | {
      readonly identical: false;
      readonly entries: number;
      readonly at: number;
      readonly why: string;
      readonly stored?: unknown;
      readonly refolded?: unknown;
    };

/**
 * Runs every event again, in order, and compares each snapshot and everything emitted with what is stored; also of the charts
 * of the agents that were at work, as far as `charts` has them. Nobody is asked again: what models and tools said is there.
 */
export function refold(
  entries: readonly Entry[],
  machine: AnyStateMachine,
  charts: readonly AnyStateMachine[] = Object.values(machines),
): Refolding {
  const pure = stepper(machine);
  const tasks = new Tasks(charts);
  let snapshot: AnyMachineSnapshot | undefined;
  for (const [index, entry] of entries.entries()) {
    const differs = (why: string, stored?: unknown, refolded?: unknown): Refolding => ({
      identical: false,
      entries: entries.length,
      at: entry.n,
      why,
      ...(stored !== undefined && { stored, refolded }),
    });
    if (entry.n !== index + 1) return differs(`entry ${index + 1} is missing`);
    if (index === 0 && entry.init === undefined) return differs('the first entry lacks the input of its creation');
    let step: Step;
    try {
      step = take(pure, snapshot, entry);
    } catch (error) {
      return differs(`the chart throws on ${entry.event.type}: ${(error as Error).message}`);
    }
    if (!step.changed) return differs(`the chart does not accept ${entry.event.type} here`);
    const refolded = plain(pure.dump(step.snapshot));
    const stored = plain(entry.snapshot);
    if (!isDeepStrictEqual(stored, refolded)) return differs('another snapshot', stored, refolded);
    const emitted = plain(step.emitted);
    if (!isDeepStrictEqual(plain(entry.emitted), emitted)) return differs('other events', entry.emitted, emitted);
    const wrong = tasks.take(entry);
    if (wrong) return differs(wrong);
    snapshot = step.snapshot;
  }
  return { identical: true, entries: entries.length, tasks: tasks.compared };
}

/** One entry's step. The first entry also creates, unless creating is all that it does. */
export function take(pure: Stepper, before: AnyMachineSnapshot | undefined, { event, init }: Entry): Step {
  if (before) return pure.step(before, event);
  const created = pure.initial(init);
  return event.type === CREATE ? created : pure.step(created.snapshot, event);
}

/** As the journal gives it back. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/**
 * What a chart would do to a stored session:
 * - `identical`: it refolds to the same, and goes on as if nothing had happened;
 * - `ended`: another version wrote it, and it has ended: nobody will wake it;
 * - `migrate`: another version wrote it, and its state exists here: it must be migrated before it can be woken;
 * - `stuck`: it could not go on from where it is: its state, or the work it waits for, does not exist here;
 * - `different`: this very version wrote it and it comes out otherwise: the chart was changed without a new version.
 */
export interface Verdict {
  readonly verdict: 'identical' | 'ended' | 'migrate' | 'stuck' | 'different';
  /** The version that wrote the last entry, `name@version`. */
  readonly machine: string;
  readonly why?: string;
  readonly refolding: Refolding;
}

/** The upgrade gate for one session: may this chart go on with it? */
export function judge(entries: readonly Entry[], machine: AnyStateMachine): Verdict {
  const last = entries.at(-1)!;
  const refolding = refold(entries, machine);
  const base = { machine: last.machine, refolding };
  const here = stepper(machine).name;
  if (last.machine === here && refolding.identical) return { ...base, verdict: 'identical' };
  if (last.snapshot.status !== undefined && last.machine !== here) return { ...base, verdict: 'ended' };
  const obstacle = obstacleOf(last, machine);
  if (obstacle) return { ...base, verdict: 'stuck', why: obstacle };
  if (refolding.identical)
    return { ...base, verdict: 'migrate', why: `written by ${last.machine}, this is ${here}; it refolds to the same` };
  const why = `entry ${refolding.at}: ${refolding.why}`;
  if (last.machine === here) return { ...base, verdict: 'different', why };
  return { ...base, verdict: 'migrate', why: `written by ${last.machine}, this is ${here}; ${why}` };
}

/** What keeps a chart from going on where an entry ended; undefined when nothing does. */
function obstacleOf({ snapshot, owed, state }: Entry, machine: AnyStateMachine): string | undefined {
  const pure = stepper(machine);
  let restored: AnyMachineSnapshot;
  try {
    restored = pure.restore(snapshot);
  } catch {
    return `the chart has no state ${state}`;
  }
  const invokes = pure.invokes(restored).map(({ id }) => id);
  const orphan = owed.find(({ id, due }) => due === undefined && !invokes.includes(id));
  if (orphan) return `it waits for "${orphan.id}", which ${state} no longer starts`;
  if (restored.status === 'active' && owed.length === 0 && acceptable(restored).length === 0)
    return `nothing leads out of ${state}`;
  return undefined;
}
