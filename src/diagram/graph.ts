// A chart as plain data for drawings: the diagrams of this repository, and viewers over HTTP.

import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { actionText, delayText, guardText } from './wording.ts';

/** One machine: its states in document order, and the transitions between them. */
export interface ChartGraph {
  readonly id: string;
  readonly version: string | null;
  readonly nodes: readonly ChartNode[];
  readonly edges: readonly ChartEdge[];
}

export interface ChartNode {
  /** The machine's id and the keys on the path down, joined by dots; a snapshot's value suffices to build it. */
  readonly id: string;
  readonly key: string;
  /** Null for the root, which stands for the machine. */
  readonly parent: string | null;
  readonly type: 'atomic' | 'compound' | 'parallel' | 'final' | 'history';
  readonly description?: string;
  /** The child a compound state enters first. */
  readonly initial?: string;
  readonly history?: 'shallow' | 'deep';
  /** Default targets of a history state that has no history yet. */
  readonly fallback?: readonly string[];
  readonly tags: readonly string[];
  readonly invokes: readonly ChartInvoke[];
  readonly entry: readonly string[];
  readonly exit: readonly string[];
}

export interface ChartInvoke {
  readonly id: string;
  /** The name of the actor logic. */
  readonly src: string;
  /** Its name in a drawing. */
  readonly label: string;
}

export interface ChartEdge {
  /** Unique in the chart: source, event and alternative, joined by colons. */
  readonly id: string;
  readonly source: string;
  /** Empty if the transition only runs actions, or forbids its event; several if it enters several regions. */
  readonly targets: readonly string[];
  readonly kind: 'event' | 'after' | 'done' | 'error' | 'always';
  /** The event's type; empty for `always`. */
  readonly event: string;
  /** The event as a drawing shows it: `close`, `after backoff`, `agent failed`. */
  readonly label: string;
  readonly guard?: string;
  /** Index among the alternatives of its source for its event; the first whose guard holds is taken. */
  readonly alternative: number;
  readonly actions: readonly string[];
  /** Whether the source is exited and reentered although it contains the target. */
  readonly reenter: boolean;
  readonly description?: string;
}

/** Reads `machine.root`, because `machine.definition` lacks `always` and the defaults of history states. */
export function chartGraph(machine: AnyStateMachine): ChartGraph {
  const states = [...descend(machine.root)];
  return {
    id: machine.id,
    version: machine.version ?? null,
    nodes: states.map(chartNode),
    edges: states.flatMap(chartEdges),
  };
}

/** Whether the chart leaves this state in the same step that enters it. Charts mark such a state with the tag `passing`. */
export function isPassing({ tags }: Pick<ChartNode, 'tags'>): boolean {
  return tags.includes('passing');
}

/** The state and all its descendants, parents first. */
export function* descend(state: AnyStateNode): Generator<AnyStateNode> {
  yield state;
  for (const child of Object.values(state.states)) yield* descend(child);
}

function chartNode(state: AnyStateNode): ChartNode {
  return {
    id: idOf(state),
    key: state.key,
    parent: state.parent ? idOf(state.parent) : null,
    type: state.type,
    ...(state.description && { description: state.description }),
    ...(state.type === 'compound' && { initial: idOf(state.initial.target[0]!) }),
    ...(state.type === 'history' && { history: state.history || 'shallow', fallback: fallback(state).map(idOf) }),
    tags: state.tags,
    invokes: invokes(state),
    // Not `state.entry` and `state.exit`: XState adds the actions that start and cancel timers to those.
    entry: listOf(state.config.entry).map(actionText),
    exit: listOf(state.config.exit).map(actionText),
  };
}

function idOf(state: AnyStateNode): string {
  return [state.machine.id, ...state.path].join('.');
}

/** The default targets of a history state; empty if it declares none. */
export function fallback(state: AnyStateNode): AnyStateNode[] {
  const targets = listOf((state.config as { target?: string | string[] }).target);
  return targets.map((target) => {
    if (target.startsWith('#')) return state.machine.getStateNodeById(target.slice(1));
    const found = target.split('.').reduce((at, key) => at?.states[key], state.parent);
    if (!found) throw new Error(`history state ${state.id} leads to ${target}, which is not there`);
    return found;
  });
}

function invokes(state: AnyStateNode): ChartInvoke[] {
  return state.invoke.map(({ id, src }) => {
    const name = typeof src === 'string' ? src : 'inline';
    // XState generates an id that begins with a number if the chart gives none.
    return { id, src: name, label: id.endsWith(`.${state.id}`) ? name : id };
  });
}

function chartEdges(state: AnyStateNode): ChartEdge[] {
  return [state.always ?? [], ...state.transitions.values()].flatMap((alternatives) =>
    alternatives.map((transition, alternative) => chartEdge(state, transition, alternative)),
  );
}

/** The edge of `chartGraph` for a transition of its machine. */
export function edgeOf(transition: AnyTransitionDefinition): ChartEdge {
  const { source, eventType } = transition;
  const alternatives = eventType === '' ? source.always : source.transitions.get(eventType);
  return chartEdge(source, transition, alternatives!.indexOf(transition));
}

function chartEdge(state: AnyStateNode, transition: AnyTransitionDefinition, alternative: number): ChartEdge {
  const source = idOf(state);
  return {
    id: `${source}:${transition.eventType}:${alternative}`,
    source,
    targets: (transition.target ?? []).map(idOf),
    ...trigger(state, transition),
    ...(transition.guard !== undefined && { guard: guardText(transition.guard) }),
    alternative,
    actions: transition.actions.map(actionText),
    reenter: transition.reenter,
    ...(transition.description && { description: transition.description }),
  };
}

function trigger(
  state: AnyStateNode,
  transition: AnyTransitionDefinition,
): Pick<ChartEdge, 'kind' | 'event' | 'label'> {
  const event = transition.eventType;
  const actor = (prefix: string) => {
    const id = event.slice(prefix.length);
    return invokes(state).find((invoke) => invoke.id === id)?.label ?? id;
  };
  if (event === '') return { kind: 'always', event, label: 'always' };
  if (event === '*') return { kind: 'event', event, label: 'any event' };
  if (event.startsWith('xstate.after.'))
    return { kind: 'after', event, label: `after ${delayText((transition as { delay?: unknown }).delay)}` };
  if (event.startsWith('xstate.done.state.')) return { kind: 'done', event, label: 'done' };
  if (event.startsWith(DONE)) return { kind: 'done', event, label: `${actor(DONE)} done` };
  if (event.startsWith(ERROR)) return { kind: 'error', event, label: `${actor(ERROR)} failed` };
  if (event.startsWith(SNAPSHOT)) return { kind: 'event', event, label: `${actor(SNAPSHOT)} changed` };
  return { kind: 'event', event, label: event };
}

const DONE = 'xstate.done.actor.';
const ERROR = 'xstate.error.actor.';
const SNAPSHOT = 'xstate.snapshot.';

function listOf<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value as T];
}
