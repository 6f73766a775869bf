// Migration of stored snapshots from an earlier version of a chart to the current one, by the chart's own
// `meta.migrate`.
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { stateName } from '../machines/state-name.ts';
import type { Entry, Owed } from '../src/journal/journal.ts';
import { Refused } from '../src/platform/errors.ts';
import { type Dump, type Stepper, stepper } from './durable.ts';

/**
 * `meta.migrate` of a chart's root: `{ '1': (snapshot) => … }` turns a snapshot of version 1 into one of the next
 * version. A snapshot of an older version passes through all later migrations in the order of the keys; the last one
 * leads to the chart's current version. Migrations are pure: an entry must migrate to the same result at every wake, on
 * every node.
 */
export type Migrations = Readonly<Record<string, (snapshot: Dump) => Dump>>;

/** The fields of an entry, or of a task's record, that a migration needs. */
export type Position = Pick<Entry, 'n' | 'at' | 'machine' | 'state' | 'snapshot' | 'owed'>;

/**
 * Returns an entry in the form of the current version of `machine`: unchanged when that version wrote it, else
 * migrated. An invoke that continues keeps its key, and a timer with the same delay keeps its due time; an effect that
 * only the new version starts gets a key that is the same at every wake. Throws `Refused('machine_version')`, 409, when
 * there is no migration from the version of the entry; the message begins with `what`, e.g. `session default/s1`.
 */
export function migrated<P extends Position>(position: P, machine: AnyStateMachine, what: string): P {
  const pure = stepper(machine);
  if (position.machine === pure.name) return position;
  const refused = (why: string) =>
    new Refused('machine_version', `${what} was written by ${position.machine}, and this is ${pure.name}: ${why}`, 409);
  const steps = migrationsFrom(position.machine, machine);
  if (steps.length === 0) throw refused(waysTo(machine));
  try {
    const snapshot = steps.reduce((before, migrate) => migrate(before), position.snapshot as Dump);
    const restored = pure.restore(snapshot);
    const owed = owing(position, pure, restored);
    return { ...position, machine: pure.name, state: stateName(restored.value), snapshot, owed };
  } catch (error) {
    throw refused(`its migration failed: ${(error as Error).message}`);
  }
}

/** A chart's migrations from the version `written`, `name@version`, to its current one; none if it cannot migrate. */
function migrationsFrom(written: string, machine: AnyStateMachine): Migrations[string][] {
  const steps = Object.entries(migrationsOf(machine));
  const first = steps.findIndex(([from]) => `${machine.id}@${from}` === written);
  return first < 0 ? [] : steps.slice(first).map(([, migrate]) => migrate);
}

function waysTo(machine: AnyStateMachine): string {
  const versions = Object.keys(migrationsOf(machine));
  return versions.length === 0
    ? 'its chart has no `meta.migrate`'
    : `its chart migrates from version ${versions.join(', ')} only`;
}

/** The owed effects of the migrated states, matched with the effects owed before. */
function owing({ n, at, owed }: Position, pure: Stepper, snapshot: AnyMachineSnapshot): Owed[] {
  if (snapshot.status !== 'active') return [];
  const left = [...owed];
  const take = (is: (one: Owed) => boolean): Owed | undefined => {
    const index = left.findIndex(is);
    return index < 0 ? undefined : left.splice(index, 1)[0];
  };
  const invokes = pure.invokes(snapshot).map(({ id }, k): Owed => {
    const before = take((one) => one.due === undefined && one.id === id);
    return before ?? { id, key: `${n}.m${k}` };
  });
  const timers = pure.timers(snapshot).map(({ id, delay }, k): Owed => {
    const before =
      take((one) => one.id === id) ?? take((one) => one.due !== undefined && delayName(one.id) === delayName(id));
    return before ? { ...before, id } : { id, key: `${n}.t${k}`, due: at + delay };
  });
  return [...invokes, ...timers];
}

/**
 * `xstate.after.inputTimeout.session.open.turn` → `inputTimeout`: the part that stays the same when a state is renamed.
 */
const delayName = (id: string): string | undefined => /^xstate\.after\.([^.]+)\./.exec(id)?.[1];

const migrationsOf = (machine: AnyStateMachine): Migrations =>
  (machine.root.meta as { migrate?: Migrations } | undefined)?.migrate ?? {};

/** The id of the chart that wrote an entry: `session@2` → `session`. */
export const chartId = (written: string): string => written.slice(0, written.lastIndexOf('@'));
