// One step of a chart, tried by hand: nothing is performed, remembered or told.
import type { AnyMachineSnapshot, EventObject } from 'xstate';
import { type Dump, type Effect, sandbox } from '../../actors/durable.ts';
import { stateName } from '../../machines/state-name.ts';
import type { Emitted } from '../emitted/emitted.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import type { Chart } from './charts.ts';
import { type TracedStep, type Transition, traced } from './transitions.ts';

export interface Trial {
  /** What it begins with, where there is no snapshot; a sample unless given. */
  readonly input?: unknown;
  /** Where it stands. */
  readonly snapshot?: Dump;
  /** What happens; without one it only begins. */
  readonly event?: EventObject;
}

export interface Tried {
  readonly snapshot: Dump;
  /** The active states as one line. */
  readonly state: string;
  /** The ids of all active states, as `GET /v1/machines` has them. */
  readonly active: readonly string[];
  /** What the world would have to do now. */
  readonly effects: readonly Effect[];
  readonly emitted: readonly Emitted[];
  /** What the step took, in order: the edges with these ids. */
  readonly transitions: readonly Transition[];
  /** False when the event is not taken here. */
  readonly changed: boolean;
  /** The types that the active states listen to; a guard may still refuse one for its data. */
  readonly allowed: readonly string[];
  /** What it began with. */
  readonly input?: unknown;
}

/**
 * Takes one event from a snapshot, or from the beginning. Throws `Refused`: `bad_request` naming the fields of an event that
 * its schema refuses, `bad_snapshot`, `unknown_event` for a type that the chart never listens to, `chart_threw`.
 */
export function tryOut(chart: Chart, { input, snapshot, event }: Trial): Tried {
  const pure = sandbox(chart.machine);
  const begun = snapshot === undefined ? begin(chart, input) : undefined;
  const before = begun?.step ?? resting(restored(chart, snapshot!));
  const step =
    event === undefined
      ? before
      : guarded(chart, () => traced(pure, () => pure.step(before.snapshot, checked(chart, event))));
  return {
    snapshot: pure.dump(step.snapshot),
    state: stateName(step.snapshot.value),
    active: step.snapshot._nodes.map(({ machine, path }) => [machine.id, ...path].join('.')),
    effects: step.effects,
    emitted: step.emitted,
    transitions: step.transitions,
    changed: step.changed,
    allowed: step.snapshot.status === 'active' ? listened(step.snapshot) : [],
    ...(begun && { input: begun.input }),
  };
}

function begin(chart: Chart, given: unknown): { readonly step: TracedStep; readonly input: unknown } {
  const pure = sandbox(chart.machine);
  const input = given ?? chart.sample_input;
  const parsed = chart.input && input !== undefined ? parse(chart.input, input, 'input') : input;
  return { step: guarded(chart, () => traced(pure, () => pure.initial(parsed))), input: parsed };
}

const resting = (snapshot: AnyMachineSnapshot): TracedStep => ({
  snapshot,
  changed: true,
  effects: [],
  emitted: [],
  transitions: [],
});

function restored({ machine, name }: Chart, dump: Dump): AnyMachineSnapshot {
  try {
    return sandbox(machine).restore(dump);
  } catch (error) {
    const sentence = `the snapshot is none of machine "${name}": ${(error as Error).message}`;
    throw new Refused('bad_snapshot', sentence);
  }
}

function checked({ machine, name, events }: Chart, event: EventObject): EventObject {
  const schema = events?.[event.type];
  if (schema) {
    const { type, ...body } = event;
    return { type, ...(parse(schema, body, 'event') as object) };
  }
  const types = machine.events.filter((type) => type !== '');
  if (types.includes(event.type) || types.some((type) => type.endsWith('*'))) return event;
  const sentence = `machine "${name}" never listens to "${event.type}"; it does to ${types.join(', ')}`;
  throw new Refused('unknown_event', sentence, 400, { events: types });
}

/** A guard or an action that is given what it does not expect throws: that is whoever sent it erring. */
function guarded({ name }: Chart, take: () => TracedStep): TracedStep {
  try {
    return take();
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused('chart_threw', `machine "${name}" threw: ${(error as Error).message}`);
  }
}

const listened = (snapshot: AnyMachineSnapshot): string[] =>
  [...new Set(snapshot._nodes.flatMap((node) => node.ownEvents))].filter((type) => type !== '').sort();
