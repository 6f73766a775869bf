// A chart with less said about it, and the name under which its layout is known.
import { type ChartGraph, isPassing } from '../../../src/diagram/graph.ts';
import type { Form } from '../../../src/diagram/layout.ts';
import { namesOnly } from '../../../src/diagram/names.ts';

/** Keeps room in every box for one line of figures. */
export const ROOM = '0,000 · 00.0 s';

/** An outline is to be read at a glance, also where it is drawn small. */
export const LARGE: Form = { names: 2.2, captions: 1.5, gaps: 0.6 };

/** States and the names of events. Each box has room for a line of figures, but for those of states that no session rests in. */
export function outline(graph: ChartGraph): ChartGraph {
  const names = namesOnly(graph);
  return {
    ...names,
    nodes: names.nodes.map((node) => ({
      ...node,
      // What surrounds others has them beside its name.
      entry: (node.type === 'atomic' || node.type === 'final') && !isPassing(node) ? [ROOM] : [],
    })),
  };
}

/** A short name for exactly this chart, by what it says (FNV-1a, 53 bits). */
export function digest(graph: ChartGraph): string {
  const { id, nodes, edges } = graph;
  const text = JSON.stringify([
    id,
    nodes.map((node) => [
      node.id,
      node.type,
      node.initial,
      node.fallback,
      node.invokes,
      node.entry,
      node.exit,
      isPassing(node),
    ]),
    edges.map((edge) => [edge.source, edge.targets, edge.kind, edge.label, edge.guard, edge.alternative, edge.actions]),
  ]);
  let high = 0x811c9dc5;
  let low = 0x01000193;
  for (let at = 0; at < text.length; at += 1) {
    high = Math.imul(high ^ text.charCodeAt(at), 0x01000193);
    low = Math.imul(low ^ text.charCodeAt(at), 0x85ebca6b);
  }
  return `${id}-${(high >>> 0).toString(36)}${(low >>> 0).toString(36)}`;
}
