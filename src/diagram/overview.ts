// An overview of a chart: its states and the names of events, as an SVG picture that fits a page without being scaled down.

import { liesIn } from './drawing.ts';
import { elkHere } from './elk.ts';
import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';
import { layOut } from './layout.ts';
import { namesOnly } from './names.ts';
import { arrange, type Direction } from './page.ts';
import { draw, MARGIN } from './svg.ts';

/** The width of a page, px. */
export const PAGE = 1000;

/** The picture: arrows lead to the right, with as much space as the page allows, and down if it has no room. */
export async function overview(graph: ChartGraph): Promise<string> {
  const names = namesOnly(graph);
  const arrows = { ...names, edges: names.edges.filter((edge) => !leadsInside(edge)) };
  const laidOut = (direction: Direction, gaps: number) =>
    layOut(arrows, elkHere(), {
      names: 1,
      captions: 1,
      gaps,
      frameless: true,
      lines: (node) => insideLines(node, names.edges),
      arrange: (page) => arrange(page, direction),
    });
  for (const gaps of [LOOSE, TIGHT]) {
    const layout = await laidOut('RIGHT', gaps);
    if (layout.width + 2 * MARGIN <= PAGE) return draw(graph.id, layout, STYLE);
  }
  return draw(graph.id, await laidOut('DOWN', LOOSE), STYLE);
}

/** Space between boxes and arrows, as multiples of that in a full drawing. */
const LOOSE = 0.5;
const TIGHT = 0.2;

// Arrows share their beginnings and ends, where colours would mix, so only captions are coloured.
const STYLE = '.box.machine{fill:none;stroke:none}.arrow[class]{stroke:#7d8794}.head[class]{fill:#7d8794}\n';

/**
 * Whether a transition leads into its own source: such an arrow has no border to start at, so it becomes a line below the state's
 * name.
 */
function leadsInside({ source, targets }: ChartEdge): boolean {
  return targets.every((target) => liesIn(target, source));
}

/** `takeover, pause → suspended`, one line per target. */
function insideLines(node: ChartNode, edges: readonly ChartEdge[]): string[] {
  const inside = edges.filter((edge) => edge.source === node.id && leadsInside(edge));
  const byTarget = Map.groupBy(inside, ({ targets }) => targets.map((id) => id.split('.').at(-1)).join(', '));
  return [...byTarget].map(([target, group]) => `${group.map(({ label }) => label).join(', ')} → ${target}`);
}
