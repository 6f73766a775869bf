// Which states of a chart are active, from a snapshot's value or from how a list of sessions names them; and which arrows led there.
import type { Transition } from '../../../src/charts/transitions.ts';
import { type ChartGraph, isPassing } from '../../../src/diagram/graph.ts';

/** Ids of the active states, outer ones included, from the value of a snapshot. */
export function idsOfValue(root: string, value: unknown): Set<string> {
  const ids = new Set([root]);
  const walk = (at: string, below: unknown): void => {
    const inner = typeof below === 'string' ? { [below]: {} } : ((below ?? {}) as Record<string, unknown>);
    for (const [key, next] of Object.entries(inner)) {
      ids.add(`${at}.${key}`);
      walk(`${at}.${key}`, next);
    }
  };
  walk(root, value);
  return ids;
}

/** Ids of the active states, outer ones included, from `human.held/idle`. Remembers what it found. */
export function idsByState(graph: ChartGraph): (state: string) => readonly string[] {
  const parents = new Map(graph.nodes.map(({ id, parent }) => [id, parent]));
  const shortest = graph.nodes.map(({ id }) => id).sort((a, b) => a.length - b.length);
  const found = new Map<string, readonly string[]>();
  return (state) => {
    const before = found.get(state);
    if (before) return before;
    const ids = new Set<string>();
    for (const part of state.split('/')) {
      let at: string | null | undefined = shortest.find((id) => id.endsWith(`.${part}`));
      for (; at; at = parents.get(at)) ids.add(at);
    }
    const result = [...ids];
    found.set(state, result);
    return result;
  };
}

/**
 * A state's name in a list of sessions: what follows its region, as in `human.held`. None for what surrounds regions, and
 * none for a state that no session rests in.
 */
export function partOf(graph: ChartGraph, id: string): string | undefined {
  if (graph.nodes.some((node) => node.id === id && isPassing(node))) return;
  const parallel = new Set(graph.nodes.filter(({ type }) => type === 'parallel').map((node) => node.id));
  const regions = graph.nodes.filter(({ parent }) => parent !== null && parallel.has(parent)).map((node) => node.id);
  const region = regions.findLast((one) => id.startsWith(`${one}.`));
  if (region) return id.slice(region.length + 1);
  if (regions.some((one) => one === id || one.startsWith(`${id}.`))) return;
  return id.slice(graph.id.length + 1) || undefined;
}

/** The name of an arrow: from which state to which. */
export const arrowName = (source: string, target: string): string => `${source} → ${target}`;

/** The names of the arrows that these transitions are drawn as; one that stays where it is has none. */
export const arrowsOf = (transitions: readonly Transition[]): Set<string> =>
  new Set(transitions.flatMap(({ source, targets }) => targets.map((target) => arrowName(source, target))));
