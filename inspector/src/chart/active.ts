// Which states of a chart are active, from a snapshot's value or from how a list of sessions names them; and what led there.
import { type ChartEdge, type ChartGraph, isPassing } from '../../../src/diagram/graph.ts';

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

/**
 * The arrows that one event took. A chart does not say which guards held, so this looks for the ways from a state that was
 * active, by this event and then by `always`, to a state that is.
 */
export function taken(
  { edges, nodes }: ChartGraph,
  before: ReadonlySet<string>,
  after: ReadonlySet<string>,
  event: string,
): Set<string> {
  const names = new Set<string>();
  const initial = new Map(nodes.map((node) => [node.id, node.initial]));
  const entered = (id: string): boolean => after.has(id) && !before.has(id);
  /** The arrows from a passing state to one that stays, or undefined when there is no way. */
  const onward = (id: string, left: number): string[] | undefined => {
    if (after.has(id)) {
      const inner = initial.get(id);
      return inner && !after.has(inner) ? (onward(inner, left - 1) ?? []) : [];
    }
    if (left === 0) return;
    for (const edge of edges) {
      if (edge.source !== id || (edge.kind !== 'always' && edge.event !== 'escalated')) continue;
      const way = wayOf(edge, left);
      if (way) return way;
    }
    const inner = initial.get(id);
    return inner ? onward(inner, left - 1) : undefined;
  };
  const wayOf = ({ source, targets }: ChartEdge, left: number): string[] | undefined => {
    for (const target of targets) {
      const rest = onward(target, left - 1);
      if (rest) return [arrowName(source, target), ...rest];
    }
    return;
  };
  const byItself = edges.some(
    (edge) => edge.kind === 'always' && before.has(edge.source) && !after.has(edge.source) && wayOf(edge, 6),
  );
  /** The event may as well have led nowhere, and what changed is explained without it. */
  const mayHaveStayed = ({ source, targets }: ChartEdge): boolean =>
    (byItself || targets.every((target) => target !== source && before.has(target))) &&
    edges.some((other) => other.source === source && other.event === event && other.targets.length === 0);
  for (const source of before) {
    const ways = edges
      .filter((edge) => edge.source === source && edge.event === event && !mayHaveStayed(edge))
      .map((edge) => ({ edge, way: wayOf(edge, 6) }))
      .filter(({ way }) => way !== undefined);
    const best = ways.find(({ edge }) => edge.targets.some(entered)) ?? (before.size > 0 ? ways[0] : undefined);
    const moved = best?.edge.targets.some((target) => entered(target) || !after.has(target));
    if (best && (moved || best.way!.length > 1)) for (const name of best.way!) names.add(name);
  }
  // What else moved: a region that only waited for the other one, or heard what the chart raised on the way.
  const said = (source: string): boolean => [...names].some((name) => name.startsWith(`${source} → `));
  for (const kind of ['always', 'event'])
    for (const edge of edges) {
      if (edge.kind !== kind || !before.has(edge.source) || after.has(edge.source) || said(edge.source)) continue;
      const way = edge.targets.some(entered) || kind === 'always' ? wayOf(edge, 6) : undefined;
      for (const name of way ?? []) names.add(name);
    }
  return names;
}
