// What the inspector makes of a fleet, of an address, and of a chart that is to be drawn with less on it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { idsByState } from '../inspector/src/chart/active.ts';
import { digest, LARGE, outline } from '../inspector/src/chart/outline.ts';
import { byNode, type Dwell, moved, quantile, type States, total } from '../inspector/src/fleet/census.ts';
import { hashOf, parseRoute } from '../inspector/src/route.ts';
import { eventWords, span } from '../inspector/src/words.ts';
import { machines } from '../machines/index.ts';
import { staysInside } from '../src/diagram/drawing.ts';
import { elkHere } from '../src/diagram/elk.ts';
import { chartGraph, isPassing } from '../src/diagram/graph.ts';
import { layOut } from '../src/diagram/layout.ts';
import { TEXT, TITLE, textWidth } from '../src/diagram/measure.ts';

const session = chartGraph(machines.session);

describe('a census', () => {
  const STATES = ['automated/idle', 'automated/running.attempting', 'human.held/idle', 'closed'];

  test('kept by moves is the same as one that is counted', () => {
    const step = fc.record({ session: fc.nat(20), to: fc.option(fc.constantFrom(...STATES), { nil: null }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(8), (steps, frame) => {
        const at = new Map<number, string | null>();
        let states: States = {};
        let waiting: { from: string | null; to: string | null; event: string; count: number }[] = [];
        for (const { session: who, to } of steps) {
          waiting.push({ from: at.get(who) ?? null, to, event: 'step', count: 1 });
          at.set(who, to);
          if (waiting.length < frame) continue;
          states = moved(states, waiting);
          waiting = [];
        }
        states = moved(states, waiting);
        const counted: Record<string, number> = {};
        for (const state of at.values()) if (state) counted[state] = (counted[state] ?? 0) + 1;
        expect(states).toEqual(counted);
        expect(total(states)).toBe([...at.values()].filter(Boolean).length);
      }),
      { numRuns: 200 },
    );
  });

  test('counts a session in every state that it is in, outer ones too', () => {
    const counts = byNode(
      { 'human.held/suspended': 2, 'automated/running.attempting': 3, closed: 1 },
      idsByState(session),
    );
    const of = (id: string) => counts.get(`session${id}`) ?? 0;
    expect([of(''), of('.open'), of('.closed')]).toEqual([6, 5, 1]);
    expect([of('.open.control.human'), of('.open.control.human.held'), of('.open.control.automated')]).toEqual([
      2, 2, 3,
    ]);
    expect([of('.open.turn.running'), of('.open.turn.running.attempting'), of('.open.turn.suspended')]).toEqual([
      3, 3, 2,
    ]);
  });
});

describe('how long sessions stay', () => {
  const dwell: Dwell = {
    count: 10,
    sum_ms: 0,
    buckets: [
      { le_ms: 100, count: 5 },
      { le_ms: 200, count: 4 },
      { le_ms: null, count: 1 },
    ],
  };

  test('half of them stay up to the bound under which half of them are', () => {
    expect(quantile(dwell, 0.5)).toBe(100);
    expect(quantile(dwell, 0.7)).toBe(150);
  });

  test('beyond the last bound, nobody knows', () => {
    expect(quantile(dwell, 0.95)).toBeUndefined();
    expect(quantile({ ...dwell, count: 0, buckets: [] }, 0.5)).toBeUndefined();
  });
});

describe('the address', () => {
  test('holds the whole view, whatever is in it', () => {
    const parts = fc.array(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 3 });
    const query = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string({ minLength: 1, maxLength: 12 }));
    fc.assert(
      fc.property(parts, query, (path, asked) => {
        expect(parseRoute(hashOf(path, asked))).toEqual({ path, query: { ...asked } });
      }),
    );
  });

  test('without a view is the fleet', () => {
    expect(parseRoute('')).toEqual({ path: ['fleet'], query: {} });
    expect(parseRoute('#/sessions/s1?at=12')).toEqual({ path: ['sessions', 's1'], query: { at: '12' } });
    expect(parseRoute('#/a%zz')).toEqual({ path: ['a%zz'], query: {} });
  });
});

describe('an outline', () => {
  test.each(Object.entries(machines))(
    'of %s has all states, and a way for every event that leads elsewhere',
    (_, machine) => {
      const graph = chartGraph(machine);
      const drawn = outline(graph);
      expect(drawn.nodes.map(({ id }) => id)).toEqual(graph.nodes.map(({ id }) => id));
      const ways = (of: typeof graph) =>
        new Set(
          of.edges
            .filter((edge) => !staysInside(edge))
            .map(({ source, targets, event }) => `${source} ${event} ${targets}`),
        );
      expect(ways(drawn)).toEqual(ways(graph));
      expect(drawn.edges.filter((edge) => edge.guard || edge.actions.length > 0)).toEqual([]);
    },
  );

  test('has another name than the whole chart, and the same one each time', () => {
    const names = Object.values(machines).flatMap((machine) => {
      const graph = chartGraph(machine);
      return [digest(graph), digest(outline(graph))];
    });
    expect(new Set(names).size).toBe(names.length);
    expect(digest(outline(chartGraph(machines.session)))).toBe(digest(outline(JSON.parse(JSON.stringify(session)))));
  });

  test('is laid out with room for a line of figures in every state that has none inside, but in none that never rests', async () => {
    const { boxes } = await layOut(outline(session), elkHere(), LARGE);
    const room = (fonts: number) => fonts * (TITLE + TEXT);
    expect(boxes.filter(({ passing }) => passing).map(({ id, lines }) => [id, lines])).toEqual(
      session.nodes.filter(isPassing).map(({ id }) => [id, []]),
    );
    for (const { kind, lines, height, title, width, passing } of boxes)
      if ((kind === 'atomic' || kind === 'final') && !passing) {
        expect(lines).toHaveLength(1);
        expect(height).toBeGreaterThanOrEqual(room(LARGE.names));
        expect(width).toBeGreaterThan(LARGE.names * textWidth(title, TITLE, true));
      }
  });
});

test('events and times are said as people say them', () => {
  expect(eventWords('xstate.done.actor.agent')).toBe('agent done');
  expect(eventWords('xstate.after.backoff.session.open.turn')).toBe('after backoff');
  expect(eventWords('xstate.after.700.light.red')).toBe('after 700 ms');
  expect([840, 3_200, 42_000, 240_000, 7_200_000, 3 * 86_400_000].map(span)).toEqual([
    '840 ms',
    '3.2 s',
    '42 s',
    '4 min',
    '2 h',
    '3 d',
  ]);
});
