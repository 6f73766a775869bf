// A reduced graph of a chart: its states, and the names of the events between them.
import { staysInside } from './drawing.ts';
import type { ChartEdge, ChartGraph } from './graph.ts';

/**
 * The graph without guards, actions, actors and transitions that stay in their state; the alternatives of an event are merged.
 */
export function namesOnly(graph: ChartGraph): ChartGraph {
  const seen = new Set<string>();
  const isNew = ({ source, targets, event }: ChartEdge): boolean => {
    const name = [source, ...targets, event].join(' ');
    return !seen.has(name) && seen.add(name) !== undefined;
  };
  return {
    ...graph,
    nodes: graph.nodes.map((node) => ({ ...node, invokes: [], entry: [], exit: [] })),
    edges: graph.edges
      .filter((edge) => !staysInside(edge) && isNew(edge))
      .map(({ guard: _, ...edge }) => ({ ...edge, actions: [], alternative: 0 })),
  };
}
