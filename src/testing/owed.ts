// What a snapshot owes: the work and the timers that its active states imply, and how effects change that.
import type { AnyMachineSnapshot } from 'xstate';
import type { Effect, Stepper } from '../../actors/durable.ts';

/** The ids of the invokes and timers that the active states imply. */
export function owedBy(pure: Stepper, snapshot: AnyMachineSnapshot): Set<string> {
  if (snapshot.status !== 'active') return new Set();
  return new Set([...pure.invokes(snapshot).map(({ id }) => id), ...pure.timers(snapshot).map(({ id }) => id)]);
}

/** What is owed after these effects: starts add to it, stops take from it. */
export function foldOwed(owed: ReadonlySet<string>, effects: readonly Effect[]): Set<string> {
  const next = new Set(owed);
  for (const { type, id } of effects)
    if (type === 'invoke' || type === 'timer') next.add(id);
    else next.delete(id);
  return next;
}
