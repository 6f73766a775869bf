// Computes one transition of a chart on request: nothing is performed, journaled or emitted.
import type { AnyMachineSnapshot, EventObject } from 'xstate';
import { type Dump, type Effect, sandbox } from '../../actors/durable.ts';
import { stateName } from '../../machines/state-name.ts';
import type { Emitted } from '../emitted/emitted.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import type { Chart } from './charts.ts';
import { type TracedStep, type Transition, traced } from './transitions.ts';

export interface Trial {
  /** Input of the initial state, if there is no snapshot. Default: a sample. */
  readonly input?: unknown;
  /** The snapshot to start from. */
  readonly snapshot?: Dump;
  /** The event to handle; without one only the initial state is computed. */
  readonly event?: EventObject;
}

export interface Tried {
  readonly snapshot: Dump;
  /** The active states as one line. */
  readonly state: string;
  /** The ids of all active states, as in `GET /v1/machines`. */
  readonly active: readonly string[];
  /** The effects that the step would start and stop. */
  readonly effects: readonly Effect[];
  readonly emitted: readonly Emitted[];
  /** The transitions of the step, in order, as edges with these ids. */
  readonly transitions: readonly Transition[];
  /** False if the event is not accepted in this state. */
  readonly changed: boolean;
  /** The event types that the active states handle; a guard may still refuse one for its data. */
  readonly allowed: readonly string[];
  /** The input that was used. */
  readonly input?: unknown;
}

/**
 * Computes one event from a snapshot, or the initial state. Throws `Refused`: `bad_request` naming the fields of an event that
 * its schema refuses, `bad_snapshot`, `unknown_event` for a type that the chart never handles, `chart_threw`.
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

/** A guard or an action may throw on data that no schema checks, which is the caller's error. */
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
