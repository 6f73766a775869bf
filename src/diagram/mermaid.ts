// A chart as a Mermaid state diagram.

import { caption, liesIn, stateLines, staysInside } from './drawing.ts';
import { type ChartEdge, type ChartGraph, type ChartNode, isPassing } from './graph.ts';

export function mermaid(graph: ChartGraph): string {
  return `${['stateDiagram-v2', ...indent(new StateDiagram(graph).lines())].join('\n')}\n`;
}

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  /** The state in whose braces the arrow is written; undefined if it crosses a border. */
  readonly home?: string;
  /** The state whose every active descendant is the arrow's source. */
  readonly anyOf?: string;
}

class StateDiagram {
  readonly #graph: ChartGraph;
  readonly #root: ChartNode;
  readonly #nodes: ReadonlyMap<string, ChartNode>;
  readonly #names: ReadonlyMap<string, string>;
  readonly #arrows: readonly Arrow[];

  constructor(graph: ChartGraph) {
    this.#graph = graph;
    this.#root = graph.nodes[0]!;
    this.#nodes = new Map(graph.nodes.map((node) => [node.id, node]));
    this.#names = nameStates(graph.nodes);
    this.#arrows = [
      ...graph.nodes.flatMap(({ id, fallback = [] }) => fallback.map((target) => this.#arrow(id, target, ''))),
      ...graph.edges.filter((edge) => !staysInside(edge)).flatMap((edge) => this.#arrowsOf(edge)),
    ];
  }

  lines(): string[] {
    const remarks = stateLines(this.#root, this.#graph).map((line) => `%% ${line}`);
    return [
      // Regions need a state around them; otherwise the page is the chart.
      ...(this.#root.type === 'parallel' ? this.#state(this.#root) : [...remarks, ...this.#inside(this.#root)]),
      ...this.#arrowLines(undefined),
      ...this.#passing(),
    ];
  }

  #passing(): string[] {
    const names = this.#graph.nodes.filter(isPassing).map(({ id }) => this.#name(id));
    return names.length > 0 ? ['classDef passing stroke-dasharray:3 3', `class ${names.join(',')} passing`] : [];
  }

  #inside(node: ChartNode): string[] {
    const states = this.#graph.nodes.filter(({ parent }) => parent === node.id).map((child) => this.#state(child));
    return [
      ...(node.initial ? [`[*] --> ${this.#name(node.initial)}`] : []),
      ...(node.type === 'parallel' ? states.flatMap((state, i) => (i > 0 ? ['--', ...state] : state)) : states.flat()),
      ...(this.#arrows.some(({ anyOf }) => anyOf === node.id) ? [`state "any" as ${this.#any(node.id)}`] : []),
      ...this.#arrowLines(node.id),
    ];
  }

  #arrowLines(home: string | undefined): string[] {
    return this.#arrows
      .filter((arrow) => arrow.home === home)
      .map(({ from, to, label }) => `${from} --> ${to}${label && ` : ${escaped(label)}`}`);
  }

  #state(node: ChartNode): string[] {
    const name = this.#name(node.id);
    const title = node.type === 'history' ? (node.history === 'deep' ? 'H*' : 'H') : node.key;
    const declared = `state "${escaped(title)}" as ${name}`;
    const lines = stateLines(node, this.#graph).map(escaped);
    const inside = this.#inside(node);
    return [
      ...(inside.length > 0 ? [`${declared} {`, ...indent(inside), '}'] : [declared]),
      ...(node.type === 'final' ? [`${name} --> [*]`] : []),
      // Only a simple state has room for text in its box.
      ...(inside.length === 0 ? lines.map((line) => `${name} : ${line}`) : note(name, lines)),
    ];
  }

  #arrowsOf(edge: ChartEdge): Arrow[] {
    const { event, guard, actions } = caption(edge);
    const label = [event, guard, actions].filter(Boolean).join(' ');
    return edge.targets.map((target) => this.#arrow(edge.source, target, label));
  }

  #arrow(source: string, target: string, label: string): Arrow {
    const anyOf = liesIn(target, source) ? source : undefined;
    const end = this.#entered(source, target);
    const above = anyOf ?? this.#nodes.get(source)!.parent!;
    // Written in a state's braces, an arrow pulls both of its ends into that state.
    const shared = above === this.#nodes.get(end)!.parent && this.#nodes.get(above)!.type === 'compound';
    return {
      from: anyOf ? this.#any(anyOf) : this.#name(source),
      to: this.#name(end),
      label,
      home: shared ? above : undefined,
      anyOf,
    };
  }

  // Mermaid treats an arrow to a surrounding state as a cycle, so the arrow leads to that state's initial descendant.
  #entered(source: string, target: string): string {
    if (!liesIn(source, target)) return target;
    const first = this.#nodes.get(target)!.initial ?? this.#graph.nodes.find(({ parent }) => parent === target)!.id;
    return this.#entered(source, first);
  }

  #name(id: string): string {
    return this.#names.get(id)!;
  }

  // For the same reason an arrow from a state into itself starts at a placeholder for its active descendants.
  #any(id: string): string {
    return `${this.#name(id)}_any`;
  }
}

/** A state's own key if that is a plain word and unique; otherwise its whole path. */
function nameStates(nodes: readonly ChartNode[]): Map<string, string> {
  const keys = nodes.map(({ key }) => key);
  const isFree = (key: string) => keys.indexOf(key) === keys.lastIndexOf(key);
  return new Map(
    nodes.map(({ id, key }) => {
      const plain = /^[A-Za-z][A-Za-z0-9]*$/.test(key) && !RESERVED.has(key.toLowerCase()) && isFree(key);
      return [
        id,
        plain ? key : id.replace(/[^A-Za-z0-9]/g, (char) => (char === '.' ? '__' : `_${char.charCodeAt(0)}_`)),
      ];
    }),
  );
}

// Reserved words of Mermaid's grammar.
const RESERVED = new Set(
  'as,choice,class,classdef,click,default,direction,end,fork,hide,href,join,note,scale,state,style'.split(','),
);

/** Mermaid ends a label at a colon or semicolon, and parses the rest of these as markup. */
function escaped(text: string): string {
  return text.replace(/[#;:"<>&{}]/g, (char) => `#${char.charCodeAt(0)};`);
}

function note(name: string, lines: string[]): string[] {
  return lines.length > 0 ? [`note right of ${name}`, ...indent(lines), 'end note'] : [];
}

function indent(lines: string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
