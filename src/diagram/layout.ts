// The layout of a chart by ELK: boxes, arrows and text at absolute positions.

import type { ELK, ElkExtendedEdge, ElkNode, ElkPoint } from 'elkjs/lib/elk-api.js';
import { type Caption, caption, stateLines, staysInside } from './drawing.ts';
import { type ChartEdge, type ChartGraph, type ChartNode, isPassing } from './graph.ts';
import { LINE_HEIGHT, TEXT, TITLE, textWidth, wrap } from './measure.ts';

export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Outer boxes before those inside them. */
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Box extends Rectangle {
  readonly id: string;
  readonly kind: ChartNode['type'] | 'initial';
  readonly depth: number;
  /** A region of a parallel state. */
  readonly region: boolean;
  /** Whether the chart leaves the state in the step that enters it. */
  readonly passing: boolean;
  readonly title: string;
  readonly lines: readonly string[];
}

export interface Arrow {
  readonly kind: ArrowKind;
  readonly source: string;
  readonly target: string;
  /** The transitions that share the arrow. */
  readonly edges: readonly ChartEdge[];
  readonly points: readonly ElkPoint[];
  readonly label?: Label;
}

export type ArrowKind = ChartEdge['kind'] | 'initial' | 'fallback' | 'mixed';

/** The caption of an arrow: each line is a row of words, styled by their role. */
export interface Label extends Rectangle {
  readonly lines: readonly (readonly Words[])[];
}

export interface Words {
  readonly role: keyof Caption;
  readonly kind: ChartEdge['kind'];
  readonly text: string;
}

/** Height of the band on top of a box that holds its name and its lines. */
export function headerHeight({ lines, passing }: Pick<Box, 'lines' | 'passing'>): number {
  return (passing ? 20 : 30) + (lines.length > 0 ? lines.length * LINE_HEIGHT + 6 : 0);
}

const WIDEST_LINE = { atomic: 250, compound: 420, parallel: 420, final: 250, history: 250 };
const WIDEST_CAPTION = 190;
const INSET = 12;
const DOT = 12;
// ELK compares the middles of boxes, so steps in `x` must be wider than any box.
const FAR = 10_000;

const WHOLE: Record<string, string> = {
  'elk.algorithm': 'layered',
  'elk.hierarchyHandling': 'INCLUDE_CHILDREN',
  'elk.json.shapeCoords': 'ROOT',
  'elk.json.edgeCoords': 'ROOT',
  'elk.randomSeed': '1',
};

/** ELK options of every box that contains others. */
const EACH_BOX: Record<string, string> = {
  'elk.direction': 'RIGHT',
  // Arrows against the order of `x`, which is that of the source text, run back; so a chart begins with its first state.
  'elk.layered.cycleBreaking.strategy': 'INTERACTIVE',
  'elk.spacing.nodeNode': '24',
  'elk.spacing.edgeNode': '16',
  'elk.spacing.edgeEdge': '12',
  'elk.spacing.edgeLabel': '3',
  'elk.spacing.labelLabel': '6',
  'elk.spacing.componentComponent': '28',
  'elk.layered.spacing.nodeNodeBetweenLayers': '28',
  'elk.layered.spacing.edgeNodeBetweenLayers': '18',
  'elk.layered.spacing.edgeEdgeBetweenLayers': '12',
};

/** Parameters of a style of drawing. Sizes are multiples of those in a full drawing. */
export interface Form {
  /** Size of the text in boxes. */
  readonly names: number;
  /** Size of the text on arrows. */
  readonly captions: number;
  /** Space between boxes and arrows. */
  readonly gaps: number;
  /** Whether the machine's name is a heading, without a box around everything. */
  readonly frameless?: boolean;
  /** The lines in a state's box below its name. Default: everything the state does. */
  readonly lines?: (node: ChartNode, graph: ChartGraph) => readonly string[];
  /** Changes the graph and the options given to ELK. */
  readonly arrange?: (page: ElkNode) => ElkNode;
}

const FULL: Form = { names: 1, captions: 1, gaps: 1 };

/** Lays out a chart. The caller provides ELK: in this thread, or in a browser's worker. */
export async function layOut(graph: ChartGraph, elk: Pick<ELK, 'layout'>, form = FULL): Promise<Layout> {
  const draft = new Draft(graph, form);
  const page = draft.page();
  const placed = await elk.layout(form.arrange ? form.arrange(page) : page);
  return draft.read(placed);
}

/** The chart as ELK's input, and the drawing to put at the positions that ELK returns. */
class Draft {
  readonly #graph: ChartGraph;
  readonly #form: Form;
  readonly #eachBox: Record<string, string>;
  readonly #boxes = new Map<string, Omit<Box, keyof Rectangle>>();
  readonly #arrows = new Map<string, Omit<Arrow, 'points' | 'label'> & { lines: Words[][] }>();

  constructor(graph: ChartGraph, form: Form) {
    this.#graph = graph;
    this.#form = form;
    this.#eachBox = Object.fromEntries(
      Object.entries(EACH_BOX).map(([option, value]) => [
        option,
        option.includes('spacing.') ? String(Number(value) * form.gaps) : value,
      ]),
    );
  }

  page(): ElkNode {
    return {
      id: '',
      layoutOptions: { ...WHOLE, ...this.#eachBox },
      children: [this.#state(this.#graph.nodes[0]!, 0, false)],
      edges: this.#edges(),
    };
  }

  read(placed: ElkNode): Layout {
    const nodes = placed.children!.flatMap(flatten);
    return {
      width: placed.width!,
      height: placed.height!,
      boxes: nodes.map((node) => ({ ...this.#boxes.get(node.id)!, ...rectangle(node) })),
      arrows: placed.edges!.map((edge) => {
        const { lines, ...arrow } = this.#arrows.get(edge.id)!;
        const [section] = edge.sections!;
        const points = [section!.startPoint, ...(section!.bendPoints ?? []), section!.endPoint];
        return { ...arrow, points, ...(edge.labels?.[0] && { label: { ...rectangle(edge.labels[0]), lines } }) };
      }),
    };
  }

  #state(node: ChartNode, depth: number, region: boolean): ElkNode {
    const title = node.type === 'history' ? (node.history === 'deep' ? 'H*' : 'H') : node.key;
    const { names, gaps, frameless, lines: linesOf = stateLines } = this.#form;
    const lines = linesOf(node, this.#graph).flatMap((line) => wrap(line, TEXT, WIDEST_LINE[node.type]));
    const around = 18 * gaps;
    const beside = frameless && depth === 0 ? 0 : around;
    const passing = isPassing(node);
    this.#boxes.set(node.id, { id: node.id, kind: node.type, depth, region, passing, title, lines });
    const x = FAR * this.#graph.nodes.indexOf(node);
    if (node.type === 'history') return { id: node.id, x, width: 28, height: 28 };
    const name = passing ? textWidth(title, TEXT) : textWidth(title, TITLE, true);
    const inner = names * Math.max(name, ...lines.map((line) => textWidth(line, TEXT)));
    const width = Math.max(inner + 2 * INSET, passing ? 0 : 72 * gaps);
    const header = headerHeight({ lines, passing }) + (names - 1) * (TITLE + lines.length * TEXT);
    const children = this.#graph.nodes
      .filter(({ parent }) => parent === node.id)
      .map((child) => this.#state(child, depth + 1, node.type === 'parallel'));
    if (children.length === 0) return { id: node.id, x, width, height: header + 4 };
    const first = node.initial ? [this.#initial(node, depth + 1)] : [];
    return {
      id: node.id,
      x,
      children: [...first, ...children],
      layoutOptions: {
        ...this.#eachBox,
        'elk.padding': `[top=${header + around},left=${beside},bottom=${beside},right=${beside}]`,
        'elk.nodeSize.constraints': 'MINIMUM_SIZE',
        'elk.nodeSize.minimum': `(${width},${header})`,
      },
    };
  }

  #initial(node: ChartNode, depth: number): ElkNode {
    const id = `${node.id} initial`;
    this.#boxes.set(id, { id, kind: 'initial', depth, region: false, passing: false, title: '', lines: [] });
    return { id, x: 0, width: DOT, height: DOT };
  }

  #edges(): ElkExtendedEdge[] {
    const { nodes, edges } = this.#graph;
    // Transitions between the same two states share one arrow.
    const shared = Map.groupBy(
      edges.filter((edge) => !staysInside(edge)).flatMap((edge) => edge.targets.map((target) => ({ edge, target }))),
      ({ edge, target }) => `${edge.source} → ${target}`,
    );
    return [
      ...nodes.flatMap(({ id, initial }) => (initial ? [this.#edge('initial', `${id} initial`, initial)] : [])),
      ...nodes.flatMap(({ id, fallback = [] }) => fallback.map((to) => this.#edge('fallback', id, to))),
      ...[...shared.values()].map((group) => {
        const { edge, target } = group[0]!;
        const kind = group.every((member) => member.edge.kind === edge.kind) ? edge.kind : 'mixed';
        return this.#edge(
          kind,
          edge.source,
          target,
          group.map((member) => member.edge),
        );
      }),
    ];
  }

  #edge(kind: ArrowKind, source: string, target: string, edges: readonly ChartEdge[] = []): ElkExtendedEdge {
    const id = `${source} → ${target}`;
    const lines = edges.flatMap(captionLines);
    this.#arrows.set(id, { kind, source, target, edges, lines });
    const label = {
      text: id,
      ...labelSize(lines, this.#form.captions),
      layoutOptions: { 'elk.edgeLabels.inline': 'true' },
    };
    return {
      id,
      sources: [source],
      targets: [target],
      labels: lines.length > 0 ? [label] : [],
    };
  }
}

function captionLines(edge: ChartEdge): Words[][] {
  const { event, guard, actions } = caption(edge);
  const words = (role: keyof Caption, text: string): Words => ({ role, kind: edge.kind, text });
  const head = [event, guard].filter(Boolean);
  const oneLine = textWidth(head.join(' '), TEXT, true) <= WIDEST_CAPTION;
  const wrapped = (role: keyof Caption, text: string) =>
    text === '' ? [] : wrap(text, TEXT, WIDEST_CAPTION).map((line) => [words(role, line)]);
  return [
    ...(oneLine && event && guard
      ? [[words('event', event), words('guard', guard)]]
      : [...wrapped('event', event), ...wrapped('guard', guard)]),
    ...wrapped('actions', actions),
  ];
}

function labelSize(lines: Words[][], times: number): { width: number; height: number } {
  const widths = lines.map((line) =>
    line.reduce((sum, { role, text }) => sum + textWidth(text, TEXT, role === 'event') + 4, 4),
  );
  return { width: times * Math.max(...widths), height: times * (lines.length * LINE_HEIGHT + 4) };
}

/** The box and all its descendants. */
export function flatten(node: ElkNode): ElkNode[] {
  return [node, ...(node.children ?? []).flatMap(flatten)];
}

function rectangle({ x, y, width, height }: Partial<Rectangle>): Rectangle {
  return { x: x!, y: y!, width: width!, height: height! };
}
