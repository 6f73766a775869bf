// Replays the stored events of a session through a chart, and compares the results with the stored ones.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Step, type Stepper, stepper } from '../../actors/durable.ts';
import { acceptable, CREATE } from '../../actors/session.ts';
import { checkTasks } from '../../actors/task.ts';
import { messagesOf } from '../../actors/transcript.ts';
import { migrated } from '../../actors/versions.ts';
import { machines } from '../../machines/index.ts';
import { isOutcome } from '../emitted/run.ts';
import type { Entry } from '../journal/journal.ts';
import { Refused } from '../platform/errors.ts';
import { Tasks } from './replay/tasks.ts';

/**
 * Result of a replay. `tasks` counts the snapshots of agents' own charts that were compared too; `at` names the first entry that
 * differs, `why` the difference.
 */
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
 * Runs every event again, in order, and compares each snapshot and the emitted events with the stored ones; likewise for the
 * charts of the agents at work, if `charts` has them. Models and tools are not called: their results are in the events. Entries
 * of an earlier version are compared by transcript: the same texts and the same ends of runs. From there on this version's own
 * entries follow on the migrated snapshot, exactly.
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
    const isOwn = entry.machine === pure.name;
    const last = entries[index - 1];
    let step: Step;
    try {
      if (isOwn && last && last.machine !== pure.name)
        snapshot = pure.restore(migrated(last, machine, `entry ${last.n}`).snapshot);
      step = take(pure, snapshot, entry);
    } catch (error) {
      if (error instanceof Refused) return differs(error.message);
      return differs(`the chart throws on ${entry.event.type}: ${(error as Error).message}`);
    }
    if (!step.changed) return differs(`the chart does not accept ${entry.event.type} here`);
    snapshot = step.snapshot;
    if (!isOwn) {
      const [stored, refolded] = [transcriptOf(entry), transcriptOf({ ...entry, emitted: step.emitted })];
      if (!isDeepStrictEqual(stored, refolded)) return differs('another transcript', stored, refolded);
      continue;
    }
    const refolded = plain(pure.dump(step.snapshot));
    const stored = plain(entry.snapshot);
    if (!isDeepStrictEqual(stored, refolded)) return differs('another snapshot', stored, refolded);
    const emitted = plain(step.emitted);
    if (!isDeepStrictEqual(plain(entry.emitted), emitted)) return differs('other events', entry.emitted, emitted);
    const wrong = tasks.take(entry);
    if (wrong) return differs(wrong);
  }
  return { identical: true, entries: entries.length, tasks: tasks.compared };
}

/** Replays one entry. The first entry creates the session and then handles its event, unless it only creates. */
export function take(pure: Stepper, before: AnyMachineSnapshot | undefined, { event, init }: Entry): Step {
  if (before) return pure.step(before, event);
  const created = pure.initial(init);
  return event.type === CREATE ? created : pure.step(created.snapshot, event);
}

/** The part of an entry that users read: texts, and the ends of runs. */
const transcriptOf = (entry: Entry): unknown => [
  messagesOf(entry),
  entry.emitted.filter(isOutcome).map(({ type, run_id }) => [type, run_id]),
];

/** The value after a round trip through the journal's JSON. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/**
 * The effect of a chart on a stored session:
 * - `identical`: the replay equals the stored entries, and the session continues unchanged;
 * - `ended`: another version wrote it, and it has ended: it is never woken again;
 * - `migrates`: another version wrote it; it is migrated when it is woken, and continues. `why` names what prevents a fork;
 * - `stuck`: it cannot continue: there is no migration, or its state or the work it waits for does not exist;
 * - `different`: this same version wrote it and the replay differs: the chart was changed without a new version.
 */
export interface Verdict {
  readonly verdict: 'identical' | 'ended' | 'migrates' | 'stuck' | 'different';
  /** The version that wrote the last entry, `name@version`. */
  readonly machine: string;
  readonly why?: string;
  readonly refolding: Refolding;
}

/**
 * The upgrade gate for one session: judges whether this chart can continue it, and whether `charts` can continue the tasks of its
 * open run.
 */
export function judge(
  entries: readonly Entry[],
  machine: AnyStateMachine,
  charts: readonly AnyStateMachine[] = Object.values(machines),
): Verdict {
  const last = entries.at(-1)!;
  const refolding = refold(entries, machine, charts);
  const base = { machine: last.machine, refolding };
  const here = stepper(machine).name;
  const lost = lostTask(last, charts);
  if (lost) return { ...base, verdict: 'stuck', why: lost };
  if (last.machine === here && refolding.identical) return { ...base, verdict: 'identical' };
  if (last.snapshot.status !== undefined && last.machine !== here) return { ...base, verdict: 'ended' };
  const obstacle = obstacleOf(last, machine);
  if (obstacle) return { ...base, verdict: 'stuck', why: obstacle };
  const verdict = last.machine === here ? 'different' : 'migrates';
  return { ...base, verdict, ...(!refolding.identical && { why: `entry ${refolding.at}: ${refolding.why}` }) };
}

/** The reason why the open run could not be continued; undefined if it can. */
function lostTask({ snapshot }: Entry, charts: readonly AnyStateMachine[]): string | undefined {
  try {
    checkTasks((snapshot.context as { run?: unknown } | undefined)?.run, charts, 'it');
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The reason why a chart cannot continue from an entry; undefined if it can. */
function obstacleOf(last: Entry, machine: AnyStateMachine): string | undefined {
  const pure = stepper(machine);
  let restored: AnyMachineSnapshot;
  let position: Entry;
  try {
    position = migrated(last, machine, 'it');
    restored = pure.restore(position.snapshot);
  } catch (error) {
    return error instanceof Refused ? error.message : `the chart has no state ${last.state}`;
  }
  const invokes = pure.invokes(restored).map(({ id }) => id);
  const orphan = position.owed.find(({ id, due }) => due === undefined && !invokes.includes(id));
  if (orphan) return `it waits for "${orphan.id}", which ${last.state} no longer starts`;
  if (restored.status === 'active' && position.owed.length === 0 && acceptable(restored).length === 0)
    return `nothing leads out of ${position.state}`;
  return undefined;
}
