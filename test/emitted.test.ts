// The contract of emitted events: every chart keeps to it, all of it is emitted, and earlier releases kept to it too.
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { machines } from '../machines/index.ts';
import { type Emitted, jobEvent, knownEvent, sessionEvent, typesOf } from '../src/emitted/emitted.ts';
import { taskEvent } from '../src/emitted/task.ts';
import { type ExploreOptions, explore } from '../src/testing.ts';
import { backends, recorded, releases } from './recorded/restore.ts';
import { explored, worlds } from './worlds/all.ts';

type Chart = keyof typeof machines;

/** What a chart emits on all edges of its worlds; agents' own charts tell `told`. */
function emittedBy(chart: Chart, told: readonly object[] = []): Emitted[] {
  const telling = (world: ExploreOptions<any>): ExploreOptions<any> => ({
    ...world,
    events: (snapshot) =>
      (typeof world.events === 'function' ? world.events(snapshot) : world.events).map((event: any) =>
        event.told ? { ...event, told } : event,
      ),
  });
  const edges = worlds[chart].flatMap((world) => explore(explored[chart], telling(world)).edges);
  return edges.flatMap(({ step }) => step.emitted);
}

/** One event of each type. */
const oneOfEach = (emitted: readonly Emitted[]): Emitted[] => [
  ...new Map(emitted.map((one) => [one.type, one])).values(),
];

const faults = (schema: z.ZodType, emitted: readonly object[]): string[] => [
  ...new Set(
    emitted.flatMap((one) => {
      const { error } = schema.safeParse(one);
      return error ? [`${JSON.stringify(one)}: ${z.prettifyError(error)}`] : [];
    }),
  ),
];

const react = emittedBy('react');
const flow = emittedBy('flow', oneOfEach(react));
const session = emittedBy('session', oneOfEach([...react, ...flow]));
const job = emittedBy('job');

describe.each([
  { chart: 'react', emitted: react, schema: taskEvent },
  { chart: 'flow', emitted: flow, schema: taskEvent },
  { chart: 'session', emitted: session, schema: sessionEvent },
  { chart: 'job', emitted: job, schema: jobEvent },
])('the $chart chart', ({ emitted, schema }) => {
  test('emits nothing but what the contract says, member by member', () => {
    expect(emitted.length).toBeGreaterThan(0);
    expect(faults(schema, emitted)).toEqual([]);
  });
});

test('no other chart emits', () => {
  const others = (Object.keys(machines) as Chart[]).filter(
    (chart) => !['react', 'flow', 'session', 'job'].includes(chart),
  );
  expect(others.flatMap((chart) => emittedBy(chart))).toEqual([]);
});

test('every event of the contract is emitted by some chart', () => {
  const types = (emitted: readonly Emitted[]) => new Set<string>(emitted.map(({ type }) => type));
  const own = types([...react, ...flow]);
  expect(typesOf(taskEvent).filter((type) => !own.has(type))).toEqual([]);
  const all = types([...session, ...job]);
  expect(typesOf(knownEvent).filter((type) => !all.has(type))).toEqual([]);
});

test('a member that the contract does not name is found', () => {
  const [first] = session;
  expect(faults(sessionEvent, [{ ...first, more: 1 }])).toHaveLength(1);
});

test.each(releases.flatMap((release) => backends.map((backend) => ({ release, backend }))))(
  'the journals of $release on $backend keep to the contract',
  ({ release, backend }) => {
    const events = recorded(release, backend).flatMap(({ events }) => events);
    const emitted = events.filter(({ type }) => type !== 'agent_stream_delta').map(({ id: _, at: __, ...one }) => one);
    expect(faults(knownEvent, emitted)).toEqual([]);
  },
);

test('docs/events.md lists them all as they are (if not: npm run events)', () => {
  const check = spawnSync(process.execPath, ['scripts/events.ts', '--check'], { encoding: 'utf8' });
  expect([check.status, check.stderr]).toEqual([0, '']);
});
