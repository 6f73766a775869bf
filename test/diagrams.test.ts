// Every chart's drawings are fresh, and a drawing says what the machine says.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { and, fromPromise, not, or, raise, setup, stateIn } from 'xstate';
import { machines } from '../machines/index.ts';
import { staysInside } from '../src/diagram/drawing.ts';
import { elkHere } from '../src/diagram/elk.ts';
import { type ChartEdge, chartGraph, isPassing } from '../src/diagram/graph.ts';
import { headerHeight, layOut, type Rectangle } from '../src/diagram/layout.ts';
import { mermaid } from '../src/diagram/mermaid.ts';
import { overview, PAGE } from '../src/diagram/overview.ts';
import { svg } from '../src/diagram/svg.ts';

test('the drawings beside the charts are fresh (if not: node scripts/diagrams.ts)', () => {
  const check = spawnSync(process.execPath, ['scripts/diagrams.ts', '--check'], { encoding: 'utf8' });
  expect(check.stderr.split('\n').filter((line) => line.startsWith('stale'))).toEqual([]);
  expect(check.status).toBe(0);
});

test('docs/charts.md shows the overview of every chart, and README that of the session', () => {
  const shown = readFileSync('docs/charts.md', 'utf8').matchAll(/\]\(\.\.\/machines\/(\w+)\/overview\.svg\)/g);
  expect([...shown].map(([, name]) => name).toSorted()).toEqual(Object.keys(machines).toSorted());
  expect(readFileSync('README.md', 'utf8')).toContain('](machines/session/overview.svg)');
});

/** A chart with one of everything that can be drawn. */
const lamp = setup({
  types: {} as { events: { type: 'on' | 'off' | 'dim' | 'tool:result' | 'fix' | 'again' | 'forbidden' } },
  guards: { isDark: () => true, isPaid: () => true },
  actions: { click: () => {}, log: (_, _params: { level: number }) => {} },
  actors: { bulb: fromPromise(async () => {}), power: fromPromise(async () => {}) },
  delays: { warmUp: 10 },
}).createMachine({
  id: 'lamp',
  version: '3',
  type: 'parallel',
  states: {
    light: {
      initial: 'off',
      on: { off: '.off', dim: { actions: 'click' }, again: { target: 'light', reenter: true } },
      states: {
        off: {
          tags: 'resting',
          on: {
            on: [
              { guard: and(['isDark', or([not('isPaid'), stateIn({ switch: 'end' })])]), target: 'lit' },
              { guard: 'isPaid', target: 'last' },
              { target: 'lit', actions: ['click', { type: 'log', params: { level: 1 } }, raise({ type: 'dim' })] },
            ],
            forbidden: undefined,
          },
        },
        lit: {
          description: 'Burns.',
          initial: 'cold',
          entry: 'click',
          exit: [{ type: 'log', params: { level: 2 } }],
          invoke: [
            { src: 'bulb', onDone: 'off', onError: { target: 'off', actions: 'click' } },
            { id: 'mains', src: 'power', onError: 'broken' },
          ],
          states: {
            cold: { after: { warmUp: 'warm', 90000: { target: 'warm', guard: 'isDark' }, 120000: 'warm' } },
            warm: { on: { 'tool:result': 'cold', again: 'bright' } },
            bright: { type: 'final' },
          },
          onDone: 'broken',
        },
        last: { type: 'history', history: 'deep', target: 'lit.warm' },
        broken: { tags: 'passing', always: { guard: stateIn('#fine'), target: 'off' } },
      },
    },
    switch: {
      initial: 'end',
      states: { end: { id: 'fine', on: { fix: 'off' } }, off: { on: { fix: 'end' } } },
    },
  },
});

describe('the graph of a chart', () => {
  const graph = chartGraph(lamp);
  const node = (id: string) => graph.nodes.find((node) => node.id === id);
  const from = (source: string) => graph.edges.filter((edge) => edge.source === source);

  test('is plain JSON, with the name and version of the machine', () => {
    expect(JSON.parse(JSON.stringify(graph))).toEqual(graph);
    expect([graph.id, graph.version]).toEqual(['lamp', '3']);
  });

  test('has every state, parents first, found by its place in the chart whatever id it was given', () => {
    expect(graph.nodes.map(({ id, type }) => `${id} ${type}`)).toEqual([
      'lamp parallel',
      'lamp.light compound',
      'lamp.light.off atomic',
      'lamp.light.lit compound',
      'lamp.light.lit.cold atomic',
      'lamp.light.lit.warm atomic',
      'lamp.light.lit.bright final',
      'lamp.light.last history',
      'lamp.light.broken atomic',
      'lamp.switch compound',
      'lamp.switch.end atomic',
      'lamp.switch.off atomic',
    ]);
  });

  test('a state has its actions, actors, tags and description, without what XState adds for timers', () => {
    expect(node('lamp.light.lit')).toEqual({
      id: 'lamp.light.lit',
      key: 'lit',
      parent: 'lamp.light',
      type: 'compound',
      description: 'Burns.',
      initial: 'lamp.light.lit.cold',
      tags: [],
      invokes: [
        { id: '0.lamp.light.lit', src: 'bulb', label: 'bulb' },
        { id: 'mains', src: 'power', label: 'mains' },
      ],
      entry: ['click'],
      exit: ['log'],
    });
    expect(node('lamp.light.lit.cold')).toMatchObject({ entry: [], exit: [] });
    expect(node('lamp.light.off')?.tags).toEqual(['resting']);
  });

  test('a history state has its depth and its default', () => {
    expect(node('lamp.light.last')).toMatchObject({ history: 'deep', fallback: ['lamp.light.lit.warm'] });
  });

  test('events are named as people say them', () => {
    const named = ({ kind, label }: ChartEdge) => `${kind}: ${label}`;
    expect(from('lamp.light.lit').map(named)).toEqual([
      'done: done',
      'done: bulb done',
      'error: bulb failed',
      'error: mains failed',
    ]);
    // Timers of fixed length come first: JavaScript puts number keys before the others.
    expect(from('lamp.light.lit.cold').map(named)).toEqual([
      'after: after 90 s',
      'after: after 2 min',
      'after: after warmUp',
    ]);
    expect(from('lamp.light.broken').map(named)).toEqual(['always: always']);
  });

  test('alternatives are numbered; guards and actions are written out', () => {
    expect(from('lamp.light.off')).toMatchObject([
      { label: 'on', alternative: 0, guard: 'isDark and (not isPaid or in switch.end)', actions: [] },
      { label: 'on', alternative: 1, guard: 'isPaid', targets: ['lamp.light.last'] },
      { label: 'on', alternative: 2, actions: ['click', 'log', 'raise dim'] },
      { label: 'forbidden', targets: [], actions: [] },
    ]);
    expect(from('lamp.light.broken')).toMatchObject([{ guard: 'in fine' }]);
    expect(from('lamp.light')).toMatchObject([
      { label: 'off', targets: ['lamp.light.off'], reenter: false },
      { label: 'dim', targets: [], actions: ['click'] },
      { label: 'again', targets: ['lamp.light'], reenter: true },
    ]);
  });
});

test('a chart as Mermaid', () => {
  expect(mermaid(chartGraph(lamp))).toMatchInlineSnapshot(`
    "stateDiagram-v2
      state "lamp" as lamp {
        state "light" as light {
          [*] --> lamp__light__off
          state "off" as lamp__light__off
          lamp__light__off : forbidden / nothing
          state "lit" as lit {
            [*] --> cold
            state "cold" as cold
            state "warm" as warm
            state "bright" as bright
            bright --> [*]
            cold --> warm : after 90 s [isDark]
            cold --> warm : after 2 min
            cold --> warm : after warmUp
            warm --> cold : tool#58;result
            warm --> bright : again
          }
          note right of lit
            invoke bulb
            invoke power as mains
            entry / click
            exit / log
          end note
          state "H*" as last
          state "broken" as broken
          state "any" as light_any
          light_any --> lamp__light__off : off
          lamp__light__off --> lit : on [isDark and (not isPaid or in switch.end)]
          lamp__light__off --> last : on [isPaid]
          lamp__light__off --> lit : on [else] / click, log, raise dim
          lit --> broken : done
          lit --> lamp__light__off : bulb done
          lit --> lamp__light__off : bulb failed / click
          lit --> broken : mains failed
          broken --> lamp__light__off : [in fine]
        }
        note right of light
          dim / click
          again ↻
        end note
        --
        state "switch" as switch {
          [*] --> lamp__switch__end
          state "end" as lamp__switch__end
          state "off" as lamp__switch__off
          lamp__switch__end --> lamp__switch__off : fix
          lamp__switch__off --> lamp__switch__end : fix
        }
      }
      last --> warm
      classDef passing stroke-dasharray:3 3
      class broken passing
    "
  `);
});

describe('a chart as SVG', () => {
  const graphs = [lamp, ...Object.values(machines)].map((machine) => chartGraph(machine));

  test.each(graphs)('$id: no text lies on other text or on a state', async (graph) => {
    const { boxes, arrows } = await layOut(graph, elkHere());
    const labels = arrows.flatMap(({ label }) => label ?? []);
    const names = boxes
      .filter(({ kind }) => kind !== 'initial')
      .map((box) => {
        const around = boxes.some(({ id }) => id.startsWith(`${box.id}.`));
        return around ? { ...box, height: headerHeight(box) } : box;
      });
    const places: Rectangle[] = [...labels, ...names];
    const overlapping = places.flatMap((a, i) =>
      places
        .slice(i + 1)
        .filter((b) => overlap(a, b))
        .map((b) => [a, b]),
    );
    expect(overlapping).toEqual([]);
  });

  test.each(graphs)('$id: every transition is written in it, and drawn alike each time', async (graph) => {
    const picture = await svg(graph);
    for (const { kind, label } of graph.edges) {
      if (kind !== 'always') expect(picture).toContain(label);
    }
    expect(await svg(graph)).toBe(picture);
  });
});

describe('an overview', () => {
  const graphs = [lamp, ...Object.values(machines)].map((machine) => chartGraph(machine));

  test.each(graphs)('$id: fits a page, and is read without being scaled', async (graph) => {
    const picture = await overview(graph);
    expect(Number(/<svg[^>]* width="(\d+)"/.exec(picture)![1])).toBeLessThanOrEqual(PAGE);
    const sizes = [...picture.matchAll(/font(?:-size)?:(\d+)px/g)].map(([, size]) => Number(size));
    expect(sizes).not.toEqual([]);
    expect(Math.min(...sizes)).toBeGreaterThanOrEqual(11);
    expect(picture).not.toContain('scale(');
    expect(await overview(graph)).toBe(picture);
  });

  test.each(graphs)('$id: no text lies on other text or on a state', async (graph) => {
    const rects = (await overview(graph)).matchAll(
      /<rect class="(?:plate|box[^"]* leaf[^"]*)" x="([^"]+)" y="([^"]+)" width="([^"]+)" height="([^"]+)"/g,
    );
    const places = [...rects].map(([, ...numbers]) => {
      const [x, y, width, height] = numbers.map(Number) as [number, number, number, number];
      return { x, y, width, height };
    });
    expect(places.length).toBeGreaterThan(0);
    expect(
      places.flatMap((a, i) =>
        places
          .slice(i + 1)
          .filter((b) => overlap(a, b))
          .map((b) => [a, b]),
      ),
    ).toEqual([]);
  });

  test.each(graphs)('$id: has the name of every state once, and of every event that leads elsewhere', async (graph) => {
    const { titles, events, lines } = wordsOf(await overview(graph));
    const names = graph.nodes.map(({ key, history }) => (history ? (history === 'deep' ? 'H*' : 'H') : key));
    expect(titles.toSorted()).toEqual(names.toSorted());
    const leading = graph.edges.filter((edge) => edge.kind !== 'always' && !staysInside(edge));
    const below = lines.flatMap((line) => line.split(' → ')[0]!.split(', '));
    expect(new Set([...events, ...below])).toEqual(new Set(leading.map(({ label }) => label)));
  });

  test.each(graphs)('$id: says nothing of guards, actions and actors', async (graph) => {
    const { all } = wordsOf(await overview(graph));
    const names = new Set([
      ...graph.nodes.map(({ key }) => key),
      ...graph.edges.flatMap(({ label }) => label.split(' ')),
    ]);
    const details = [
      ...graph.nodes.flatMap(({ entry, exit, invokes }) => [...entry, ...exit, ...invokes.map(({ src }) => src)]),
      ...graph.edges.flatMap(({ guard = '', actions }) => [...guard.split(/\W+/), ...actions]),
    ];
    // What an action or an actor shares with an event or a state is that one's name.
    const told = details.filter((detail) => detail && !names.has(detail));
    expect(all.flatMap((text) => text.split(/[\s,]+/)).filter((word) => told.includes(word))).toEqual([]);
  });

  test('what leads from the border of a state into it is written below its name', async () => {
    const { lines } = wordsOf(await overview(chartGraph(machines.form)));
    expect(lines).toEqual(['answer, change → deciding']);
  });
});

describe('a state that the chart never rests in', () => {
  const graphs = [lamp, ...Object.values(machines)].map((machine) => chartGraph(machine));

  test.each(graphs)('$id: is dashed in every drawing, and no other is', async (graph) => {
    const passing = graph.nodes.filter(isPassing);
    for (const picture of [await svg(graph), await overview(graph)]) {
      expect(picture).toContain('.passing{stroke-dasharray:');
      expect(picture.match(/<rect class="box[^"]* passing"/g) ?? []).toHaveLength(passing.length);
      expect(wordsOf(picture).passing.toSorted()).toEqual(passing.map(({ key }) => key).toSorted());
    }
    const dashed = /class (\S+) passing/.exec(mermaid(graph))?.[1]?.split(',') ?? [];
    expect(dashed.map((name) => name.split('__').at(-1)).toSorted()).toEqual(passing.map(({ key }) => key).toSorted());
  });

  test('is smaller than one that it rests in', async () => {
    const rests = setup({}).createMachine({ id: 'one', initial: 'deciding', states: { deciding: {} } });
    const passes = setup({}).createMachine({
      id: 'one',
      initial: 'deciding',
      states: { deciding: { tags: 'passing' } },
    });
    const [large, small] = await Promise.all(
      [rests, passes].map(async (machine) => (await layOut(chartGraph(machine), elkHere())).boxes.at(-1)!),
    );
    expect(small!.width).toBeLessThan(large!.width);
    expect(small!.height).toBeLessThan(large!.height);
  });
});

/** What is written in a picture, by what it is. */
function wordsOf(picture: string) {
  const texts = [...picture.matchAll(/<text class="([^"]+)"[^>]*>(.*?)<\/text>/g)];
  const of = (name: string) => texts.filter(([, names]) => names!.split(' ').includes(name)).map(([, , text]) => text!);
  return {
    all: texts.map(([, , text]) => text!.replaceAll(/<[^>]+>/g, '')),
    titles: of('title'),
    passing: of('passing'),
    lines: of('line'),
    events: of('caption').flatMap((text) =>
      [...text.matchAll(/class="event[^>]*>([^<]*)/g)].map(([, event]) => event!),
    ),
  };
}

function overlap(a: Rectangle, b: Rectangle): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}
