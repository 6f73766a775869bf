// The transitions of a step as edges of the chart's drawing, for live steps and for journaled ones.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot, AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { type Microstep, type Step, type Stepper, stepper } from '../../actors/durable.ts';
import { migrated } from '../../actors/versions.ts';
import { type ChartEdge, edgeOf } from '../diagram/graph.ts';
import type { Entry } from '../journal/journal.ts';
import { plain, take } from '../sessions/replay.ts';

/** A taken transition: the edge with this `id` in the chart's graph (`GET /v1/machines`). */
export type Transition = Pick<ChartEdge, 'id' | 'source' | 'targets' | 'kind' | 'event' | 'guard'>;

/** A step and its transitions, in order. */
export interface TracedStep extends Step {
  readonly transitions: readonly Transition[];
}

/** An entry and its transitions in order; null if they cannot be determined. */
export interface TracedEntry extends Entry {
  readonly transitions: readonly Transition[] | null;
}

/**
 * Runs a step of `pure` and lists its transitions: those of the event, of raised events and of `always`. Entering the initial
 * states is none. Throws what `run` throws.
 */
export function traced(pure: Stepper, run: () => Step): TracedStep {
  const { result, microsteps } = pure.trace(run);
  return { ...result, transitions: microsteps.flatMap(withoutConflicts).map(transitionOf) };
}

/**
 * Repeats the stored event of each entry on the snapshot of the entry before it; `before` precedes the first. An entry before
 * that an earlier version wrote is migrated. The transitions of an entry are null if another machine or version decided it, if
 * the entry before is missing or cannot be migrated, or if the step does not lead to the stored snapshot again.
 */
export function traceEntries(machine: AnyStateMachine, entries: readonly Entry[], before?: Entry): TracedEntry[] {
  const pure = stepper(machine);
  let last = before;
  return entries.map((entry) => {
    const transitions = retake(pure, last, entry);
    last = entry;
    return { ...entry, transitions };
  });
}

function retake(pure: Stepper, before: Entry | undefined, entry: Entry): TracedEntry['transitions'] {
  const begins = entry.init !== undefined;
  if (entry.machine !== pure.name || (begins ? before : before?.n !== entry.n - 1)) return null;
  try {
    const last = before && migrated(before, pure.machine, `entry ${before.n}`);
    const from: AnyMachineSnapshot | undefined = last && pure.restore(last.snapshot);
    const { snapshot, transitions } = traced(pure, () => take(pure, from, entry));
    return isDeepStrictEqual(plain(pure.dump(snapshot)), plain(entry.snapshot)) ? transitions : null;
  } catch {
    // No migration leads there, or the chart was changed without a new version and throws on an event that it once accepted.
    return null;
  }
}

const transitionOf = (transition: AnyTransitionDefinition): Transition => {
  const { id, source, targets, kind, event, guard } = edgeOf(transition);
  return { id, source, targets, kind, event, ...(guard !== undefined && { guard }) };
};

/** SCXML: of transitions that would exit a state in common, the first in document order preempts the others. */
function withoutConflicts(microstep: Microstep): AnyTransitionDefinition[] {
  const taken: AnyTransitionDefinition[] = [];
  for (const one of microstep) if (!taken.some((other) => conflict(one, other))) taken.push(one);
  return taken;
}

/** Their sources are active and in different regions, so both exit a state exactly if one domain contains the other. */
function conflict(one: AnyTransitionDefinition, other: AnyTransitionDefinition): boolean {
  if (exitsNothing(one) || exitsNothing(other)) return false;
  const [a, b] = [domainOf(one), domainOf(other)];
  return a === undefined || b === undefined || a === b || liesIn(a, b) || liesIn(b, a);
}

const exitsNothing = ({ source, target, reenter }: AnyTransitionDefinition): boolean =>
  !target?.length || (!reenter && source.type === 'atomic' && target.every((state) => state === source));

/** The state whose descendants a transition exits and enters; undefined if it leaves the root. */
function domainOf({ source, target = [], reenter }: AnyTransitionDefinition): AnyStateNode | undefined {
  if (!reenter && target.every((state) => state === source || liesIn(state, source))) return source;
  let domain = source.parent;
  while (domain && !target.every((state) => liesIn(state, domain!))) domain = domain.parent;
  return domain;
}

function liesIn(state: AnyStateNode, other: AnyStateNode): boolean {
  for (let at = state.parent; at; at = at.parent) if (at === other) return true;
  return false;
}
