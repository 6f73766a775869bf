// Rules that both drawings share: which transitions become arrows, and which become lines inside their state.

import type { ChartEdge, ChartGraph, ChartNode } from './graph.ts';

/** The parts of `event [guard] / actions`; empty if there is none. */
export interface Caption {
  readonly event: string;
  readonly guard: string;
  readonly actions: string;
}

export function caption(edge: ChartEdge): Caption {
  // An alternative without a guard is taken if the guards before it did not hold.
  const guard = edge.guard ?? (edge.alternative > 0 ? 'else' : undefined);
  return {
    event: edge.kind === 'always' ? '' : edge.label,
    guard: guard === undefined ? '' : `[${guard}]`,
    actions: edge.actions.length === 0 ? '' : `/ ${edge.actions.join(', ')}`,
  };
}

/** A transition that stays in its state or reenters it: a line in the box is clearer than an arrow around it. */
export function staysInside(edge: ChartEdge): boolean {
  return edge.targets.every((target) => target === edge.source);
}

/** The lines in a state's box below its name. */
export function stateLines(node: ChartNode, { edges }: ChartGraph): string[] {
  return [
    ...node.invokes.map(({ src, label }) => (src === label ? `invoke ${src}` : `invoke ${src} as ${label}`)),
    ...(node.entry.length > 0 ? [`entry / ${node.entry.join(', ')}`] : []),
    ...(node.exit.length > 0 ? [`exit / ${node.exit.join(', ')}`] : []),
    ...edges.filter((edge) => edge.source === node.id && staysInside(edge)).map(insideLine),
  ];
}

function insideLine(edge: ChartEdge): string {
  const { event, guard, actions } = caption(edge);
  const nothing = edge.targets.length === 0 && actions === '' ? '/ nothing' : '';
  const again = edge.targets.length > 0 ? '↻' : '';
  return [event, guard, actions, nothing, again].filter(Boolean).join(' ');
}

/** Whether a state lies in another, at any depth. */
export function liesIn(id: string, other: string): boolean {
  return id.startsWith(`${other}.`);
}
