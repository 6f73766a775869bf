// Facts about an explored graph: each holds everywhere, or throws a `CounterExample` with a shortest path to where it fails.
import { CounterExample, type Graph, type GraphEdge, type GraphState } from './explore.ts';

/** `true` if the fact holds; `false`, or a sentence with details, if not. */
export type Holds = boolean | string;

export function everyState(graph: Graph, fact: string, holds: (state: GraphState) => Holds): void {
  for (const state of graph.states) {
    const verdict = holds(state);
    if (verdict !== true) throw new CounterExample(sentence(fact, verdict), state);
  }
}

export function everyEdge(graph: Graph, fact: string, holds: (edge: GraphEdge) => Holds): void {
  for (const edge of graph.edges) {
    const verdict = holds(edge);
    if (verdict !== true) throw new CounterExample(sentence(fact, verdict), edge.from, edge);
  }
}

export interface Reach {
  /** The states that must reach the target. Default: all. */
  readonly from?: (state: GraphState) => boolean;
  readonly to: (state: GraphState) => boolean;
  /** The edges that may be used. Default: all. */
  readonly by?: (edge: GraphEdge) => boolean;
}

/** Asserts that from every `from` state a path over `by` edges leads to a `to` state. */
export function reaches(graph: Graph, fact: string, { from = () => true, to, by = () => true }: Reach): void {
  const arriving = new Map<GraphState, GraphState[]>();
  for (const edge of graph.edges) {
    if (!by(edge)) continue;
    const sources = arriving.get(edge.to);
    if (sources) sources.push(edge.from);
    else arriving.set(edge.to, [edge.from]);
  }
  const there = new Set(graph.states.filter(to));
  // A Set is iterated including members added meanwhile.
  for (const state of there) for (const source of arriving.get(state) ?? []) there.add(source);
  everyState(graph, fact, (state) => !from(state) || there.has(state));
}

/** States that accept no event and are not final. */
export const deadlocks = (graph: Graph): GraphState[] =>
  graph.states.filter(({ edges, snapshot }) => edges.length === 0 && snapshot.status === 'active');

const sentence = (fact: string, verdict: Holds): string =>
  `does not hold: ${fact}${typeof verdict === 'string' ? `: ${verdict}` : ''}`;
