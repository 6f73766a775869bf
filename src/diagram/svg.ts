// A chart as an SVG picture, readable on light and on dark.

import { elkHere } from './elk.ts';
import type { ChartEdge, ChartGraph } from './graph.ts';
import { type Arrow, type Box, headerHeight, type Label, type Layout, layOut, type Words } from './layout.ts';
import { LINE_HEIGHT, TEXT, TITLE } from './measure.ts';

export const MARGIN = 8;

/** The full drawing with guards, actions and actors. */
export async function svg(graph: ChartGraph): Promise<string> {
  return draw(graph.id, await layOut(graph, elkHere()));
}

/** A layout as a picture, with a margin of `MARGIN` around it. */
export function draw(id: string, layout: Layout, style = ''): string {
  const width = Math.ceil(layout.width) + 2 * MARGIN;
  const height = Math.ceil(layout.height) + 2 * MARGIN;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" role="img" aria-label="Statechart ${escaped(id)}">`,
    `<style>${STYLE}${style}</style>`,
    `<rect class="paper" x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}"/>`,
    ...picture(layout),
    '</svg>',
    '',
  ].join('\n');
}

// Arrows are drawn below the names of states and below labels, so that no line covers text.
function picture({ boxes, arrows }: Layout): string[] {
  return [
    ...boxes.map(shape),
    ...arrows.map(path),
    ...boxes.flatMap(text),
    ...arrows.flatMap(({ label }) => (label ? plate(label) : [])),
  ];
}

function shape(box: Box): string {
  const { x, y, width, height, kind, depth, region, passing } = box;
  if (kind === 'initial') return circle('initial', box);
  if (kind === 'history') return circle('history', box);
  const inner = kind === 'compound' || kind === 'parallel';
  const name = [
    'box',
    depth === 0 && 'machine',
    inner ? `inner${depth % 2}` : 'leaf',
    region && 'region',
    passing && 'passing',
  ];
  const outline = rect(name.filter(Boolean).join(' '), x, y, width, height, 10);
  return kind === 'final' ? outline + rect('ring', x + 3, y + 3, width - 6, height - 6, 7) : outline;
}

function text(box: Box): string[] {
  const { x, y, width, kind, title, lines, passing } = box;
  if (kind === 'initial') return [];
  const middle = x + width / 2;
  if (kind === 'history') return [words('title', middle, y + 19, escaped(title))];
  const header = kind === 'compound' || kind === 'parallel';
  const bottom = y + headerHeight(box);
  const first = y + headerHeight({ lines: [], passing });
  return [
    ...(header ? [`<path class="rule" d="M${at(x)} ${at(bottom)}h${at(width)}"/>`] : []),
    words(passing ? 'title passing' : 'title', middle, y + (passing ? 16 : 20), escaped(title)),
    ...lines.map((line, i) =>
      words(line.startsWith('invoke ') ? 'invoke' : 'line', middle, first + (i + 0.8) * LINE_HEIGHT, escaped(line)),
    ),
  ];
}

function path({ kind, points }: Arrow): string {
  const tip = points.at(-1)!;
  const before = points.at(-2)!;
  const angle = (Math.atan2(tip.y - before.y, tip.x - before.x) * 180) / Math.PI;
  const head = `<path class="head on-${kind}" d="M0 0l-8 -4v8z" transform="translate(${at(tip.x)} ${at(tip.y)}) rotate(${at(angle)})"/>`;
  return `<path class="arrow on-${kind}" d="${rounded(points)}"/>${head}`;
}

/** A path with rounded corners. */
function rounded(points: Arrow['points']): string {
  const steps = points.map((point, i) => {
    const last = points[i - 1];
    const next = points[i + 1];
    if (!last) return `M${at(point.x)} ${at(point.y)}`;
    if (!next) return `L${at(point.x)} ${at(point.y)}`;
    const into = towards(point, last);
    const out = towards(point, next);
    return `L${at(into.x)} ${at(into.y)}Q${at(point.x)} ${at(point.y)} ${at(out.x)} ${at(out.y)}`;
  });
  return steps.join('');
}

function towards(from: { x: number; y: number }, to: { x: number; y: number }): { x: number; y: number } {
  const length = Math.hypot(to.x - from.x, to.y - from.y);
  const part = length === 0 ? 0 : Math.min(6, length / 2) / length;
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}

function plate({ x, y, width, height, lines }: Label): string[] {
  return [
    rect('plate', x, y, width, height, 4),
    ...lines.map((row, i) =>
      words('caption', x + width / 2, y + 2 + (i + 0.78) * LINE_HEIGHT, row.map(span).join(' ')),
    ),
  ];
}

function span({ role, kind, text }: Words): string {
  return `<tspan class="${role}${role === 'event' ? ` on-${kind}` : ''}">${escaped(text)}</tspan>`;
}

function words(name: string, x: number, y: number, content: string): string {
  return `<text class="${name}" x="${at(x)}" y="${at(y)}">${content}</text>`;
}

function rect(name: string, x: number, y: number, width: number, height: number, radius: number): string {
  return `<rect class="${name}" x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" rx="${radius}"/>`;
}

function circle(name: string, { x, y, width }: Box): string {
  return `<circle class="${name}" cx="${at(x + width / 2)}" cy="${at(y + width / 2)}" r="${at(width / 2)}"/>`;
}

function at(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

interface Colours {
  readonly paper: string;
  /** Colours of simple states, and two shades for nested states. */
  readonly leaf: string;
  readonly inner: readonly [string, string];
  readonly border: string;
  readonly ink: string;
  readonly faint: string;
  readonly kinds: Record<ChartEdge['kind'], string>;
}

const LIGHT: Colours = {
  paper: '#ffffff',
  leaf: '#ffffff',
  inner: ['#f6f8fa', '#eef2f7'],
  border: '#8c96a3',
  ink: '#1f2328',
  faint: '#5c6672',
  kinds: { event: '#0a5cc2', after: '#8f5a00', done: '#1a7037', error: '#c21f2c', always: '#5c6672' },
};

const DARK: Colours = {
  paper: '#0d1117',
  leaf: '#21262d',
  inner: ['#131920', '#1a212a'],
  border: '#6b7582',
  ink: '#e6edf3',
  faint: '#9aa5b1',
  kinds: { event: '#6cb0ff', after: '#e0a63a', done: '#56d071', error: '#ff7b72', always: '#9aa5b1' },
};

function colouring({ paper, leaf, inner, border, ink, faint, kinds }: Colours): string {
  return [
    `.paper,.plate{fill:${paper}}.leaf,.history{fill:${leaf}}.inner0{fill:${inner[0]}}.inner1{fill:${inner[1]}}`,
    `.box,.ring,.rule,.history{stroke:${border}}.initial{fill:${ink}}`,
    `.title,.guard{fill:${ink}}.title.passing,.line,.actions{fill:${faint}}.invoke{fill:${kinds.done}}`,
    `.arrow{stroke:${faint}}.head{fill:${faint}}`,
    ...Object.entries(kinds).map(
      ([kind, colour]) => `.arrow.on-${kind}{stroke:${colour}}.head.on-${kind},.event.on-${kind}{fill:${colour}}`,
    ),
  ].join('\n');
}

const STYLE = `
text{font:${TEXT}px Helvetica,Arial,"Liberation Sans",Arimo,sans-serif;text-anchor:middle}
.title{font-size:${TITLE}px;font-weight:bold}.event{font-weight:bold}
.title.passing{font-size:${TEXT}px;font-weight:normal}
.box,.history{stroke-width:1.2}.region{stroke-dasharray:6 4}.passing{stroke-dasharray:3 3}.ring,.arrow{fill:none}.arrow{stroke-width:1.3}
.arrow.on-always,.arrow.on-fallback{stroke-dasharray:4 3}
${colouring(LIGHT)}
@media(prefers-color-scheme:dark){
${colouring(DARK)}
}
`;
