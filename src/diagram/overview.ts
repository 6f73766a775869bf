// A chart at a glance: its states and the names of events, as an SVG picture that fits a page without being scaled down.

import { liesIn } from './drawing.ts';
import { elkHere } from './elk.ts';
import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';
import { type Form, layOut } from './layout.ts';
import { namesOnly } from './names.ts';
import { arrange, type Direction } from './page.ts';
import { draw, MARGIN } from './svg.ts';

/** The width of a page, px. */
export const PAGE = 1000;

/** The picture, with the states one beside the other where a page is wide enough, else one below the other. */
export async function overview(graph: ChartGraph): Promise<string> {
  const names = namesOnly(graph);
  const arrows = { ...names, edges: names.edges.filter((edge) => !leadsInside(edge)) };
  const laid = (direction: Direction) =>
    layOut(arrows, elkHere(), {
      ...COMPACT,
      lines: (node) => insideLines(node, names.edges),
      arrange: (page) => arrange(page, direction),
    });
  const wide = await laid('RIGHT');
  return draw(graph.id, wide.width + 2 * MARGIN <= PAGE ? wide : await laid('DOWN'), STYLE);
}

const COMPACT: Form = { names: 1, captions: 1, gaps: 0.5, frameless: true };

// Arrows share their beginnings and ends, where colours would mix: only what is written on them is coloured.
const STYLE = '.box.machine{fill:none;stroke:none}.arrow[class]{stroke:#7d8794}.head[class]{fill:#7d8794}\n';

/** An arrow from a state's border to a state in it would start nowhere: it is written below the name of the outer state. */
function leadsInside({ source, targets }: ChartEdge): boolean {
  return targets.every((target) => liesIn(target, source));
}

/** `takeover, pause → suspended`, one line per state that is led to. */
function insideLines(node: ChartNode, edges: readonly ChartEdge[]): string[] {
  const inside = edges.filter((edge) => edge.source === node.id && leadsInside(edge));
  const byTarget = Map.groupBy(inside, ({ targets }) => targets.map((id) => id.split('.').at(-1)).join(', '));
  return [...byTarget].map(([target, group]) => `${group.map(({ label }) => label).join(', ')} → ${target}`);
}
