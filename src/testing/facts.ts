// Facts about an explored graph: each holds everywhere, or throws a `CounterExample` that prints the shortest way to where it does not.
import { CounterExample, type Graph, type GraphEdge, type GraphState } from './explore.ts';

/** `true` when it holds; `false`, or a sentence that says more, when it does not. */
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
  /** The states that must get there; all of them unless told. */
  readonly from?: (state: GraphState) => boolean;
  readonly to: (state: GraphState) => boolean;
  /** The steps that may be used; all of them unless told. */
  readonly by?: (edge: GraphEdge) => boolean;
}

/** From every such state there is a way to such a place, by such steps. */
export function reaches(graph: Graph, fact: string, { from = () => true, to, by = () => true }: Reach): void {
  const arriving = new Map<GraphState, GraphState[]>();
  for (const edge of graph.edges) {
    if (!by(edge)) continue;
    const sources = arriving.get(edge.to);
    if (sources) sources.push(edge.from);
    else arriving.set(edge.to, [edge.from]);
  }
  const there = new Set(graph.states.filter(to));
  // A Set is walked with what is added on the way.
  for (const state of there) for (const source of arriving.get(state) ?? []) there.add(source);
  everyState(graph, fact, (state) => !from(state) || there.has(state));
}

/** The states that accept no event at all and are not final. */
export const deadlocks = (graph: Graph): GraphState[] =>
  graph.states.filter(({ edges, snapshot }) => edges.length === 0 && snapshot.status === 'active');

const sentence = (fact: string, verdict: Holds): string =>
  `does not hold: ${fact}${typeof verdict === 'string' ? `: ${verdict}` : ''}`;
