// The effects that a snapshot owes: invokes and timers of its active states, and how effects change that set.
import type { AnyMachineSnapshot } from 'xstate';
import type { Effect, Stepper } from '../../actors/durable.ts';

/** The ids of the invokes and timers of the active states. */
export function owedBy(pure: Stepper, snapshot: AnyMachineSnapshot): Set<string> {
  if (snapshot.status !== 'active') return new Set();
  return new Set([...pure.invokes(snapshot).map(({ id }) => id), ...pure.timers(snapshot).map(({ id }) => id)]);
}

/** The ids owed after these effects: starts add to the set, stops remove from it. */
export function foldOwed(owed: ReadonlySet<string>, effects: readonly Effect[]): Set<string> {
  const next = new Set(owed);
  for (const { type, id } of effects)
    if (type === 'invoke' || type === 'timer') next.add(id);
    else next.delete(id);
  return next;
}
