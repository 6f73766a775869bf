// Refolds the stored events of a session through a chart, and says whether they still lead where they led then.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Step, type Stepper, stepper } from '../../actors/durable.ts';
import { acceptable, CREATE } from '../../actors/session.ts';
import { messagesOf } from '../../actors/transcript.ts';
import { migrated } from '../../actors/versions.ts';
import { machines } from '../../machines/index.ts';
import { isOutcome } from '../emitted/run.ts';
import type { Entry } from '../journal/journal.ts';
import { Refused } from '../platform/errors.ts';
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
 * Entries that an earlier version wrote are compared by transcript: the same words and the same ends of runs. From there on this
 * version's own entries follow on the migrated snapshot, exactly.
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

/** One entry's step. The first entry also creates, unless creating is all that it does. */
export function take(pure: Stepper, before: AnyMachineSnapshot | undefined, { event, init }: Entry): Step {
  if (before) return pure.step(before, event);
  const created = pure.initial(init);
  return event.type === CREATE ? created : pure.step(created.snapshot, event);
}

/** What people read of an entry: the words, and how runs end. */
const transcriptOf = (entry: Entry): unknown => [
  messagesOf(entry),
  entry.emitted.filter(isOutcome).map(({ type, run_id }) => [type, run_id]),
];

/** As the journal gives it back. */
export const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

/**
 * What a chart would do to a stored session:
 * - `identical`: it refolds to the same, and goes on as if nothing had happened;
 * - `ended`: another version wrote it, and it has ended: it is never woken again;
 * - `migrates`: another version wrote it; it is migrated when it is woken, and goes on. `why` says what keeps it from being forked;
 * - `stuck`: it could not go on from where it is: there is no migration, or its state, or the work it waits for, is not there;
 * - `different`: this very version wrote it and it comes out otherwise: the chart was changed without a new version.
 */
export interface Verdict {
  readonly verdict: 'identical' | 'ended' | 'migrates' | 'stuck' | 'different';
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
  const verdict = last.machine === here ? 'different' : 'migrates';
  return { ...base, verdict, ...(!refolding.identical && { why: `entry ${refolding.at}: ${refolding.why}` }) };
}

/** What keeps a chart from going on where an entry ended; undefined when nothing does. */
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
