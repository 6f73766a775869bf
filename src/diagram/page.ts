// Makes ELK lay a chart out for a page: components without incoming arrows are stacked, and arrows share their ends.

import type { ElkNode } from 'elkjs/lib/elk-api.js';
import { flatten } from './layout.ts';

export type Direction = 'RIGHT' | 'DOWN';

/** The same boxes and arrows with other options; `direction` is that of arrows in a component that is laid out by itself. */
export function arrange(page: ElkNode, direction: Direction): ElkNode {
  const { edges, portsOf } = joined(page);
  const arranged = (node: ElkNode): ElkNode => {
    const stacked = stacks(node, page);
    return {
      ...node,
      // ELK breaks cycles by `x` if arrows lead to the right, and by `y` if they lead down.
      y: node.x ?? 0,
      ports: portsOf(node.id).map((id) => ({ id, width: 0, height: 0 })),
      layoutOptions: {
        ...node.layoutOptions,
        'elk.layered.edgeLabels.centerLabelPlacementStrategy': 'SPACE_EFFICIENT_LAYER',
        'elk.direction': stacked ? 'DOWN' : direction,
        'elk.hierarchyHandling': stacked ? 'SEPARATE_CHILDREN' : 'INCLUDE_CHILDREN',
      },
      ...(node.children && { children: node.children.map(arranged) }),
    };
  };
  const { layoutOptions, ...all } = arranged(page);
  return { ...all, edges, layoutOptions: { ...layoutOptions, 'elk.padding': '[top=0,left=0,bottom=0,right=0]' } };
}

/** Forward arrows leave a state at one shared point and backward ones at another; likewise at their targets. */
function joined(page: ElkNode): Pick<Required<ElkNode>, 'edges'> & { portsOf(state: string): string[] } {
  const order = new Map(flatten(page).map(({ id }, index) => [id, index]));
  const edges = page.edges!.map((edge) => {
    const [source, target] = [edge.sources[0]!, edge.targets[0]!];
    const way = order.get(source)! < order.get(target)! ? 'on' : 'back';
    return { ...edge, sources: [`${source} ${way} out`], targets: [`${target} ${way} in`] };
  });
  const ports = new Set(edges.flatMap(({ sources, targets }) => [...sources, ...targets]));
  const ways = ['on out', 'on in', 'back out', 'back in'];
  return { edges, portsOf: (state) => ways.map((way) => `${state} ${way}`).filter((port) => ports.has(port)) };
}

/** Whether the children of this state are stacked: some have children of their own, and no arrow crosses their borders. */
function stacks({ children = [] }: ElkNode, page: ElkNode): boolean {
  const isCrossed = (outer: ElkNode): boolean => {
    const inside = new Set(outer.children!.flatMap(flatten).map(({ id }) => id));
    return page.edges!.some(({ sources, targets }) => inside.has(sources[0]!) !== inside.has(targets[0]!));
  };
  const surrounding = children.filter((child) => child.children);
  return surrounding.length > 0 && !surrounding.some(isCrossed);
}
