// Migrations: what an earlier version of a chart has stored goes on in the present one, with its work under the same keys.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AnyStateMachine, createMachine, setup } from 'xstate';
import type { Dump } from '../actors/durable.ts';
import { taskOf } from '../actors/task.ts';
import { type Migrations, migrated, type Position } from '../actors/versions.ts';
import { flowMachine } from '../machines/flow/machine.ts';
import { machines } from '../machines/index.ts';
import { jobMachine } from '../machines/job/machine.ts';
import { performed } from '../machines/performed.ts';
import type { SessionContext } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import { holdsOf } from './recorded/facts.ts';
import { recorded, restore } from './recorded/restore.ts';

const door = (version: string, migrate: Migrations) =>
  setup({ actors: { bell: performed<void, void>() }, delays: { patience: 100 } }).createMachine({
    id: 'door',
    version,
    meta: { migrate },
    initial: 'open',
    states: {
      open: { on: { shut: 'closed' } },
      closed: { invoke: { id: 'bell', src: 'bell' }, after: { patience: 'open' }, on: { open: 'open' } },
      gone: { type: 'final' },
    },
  });

const at = (value: string, more: Partial<Position> = {}): Position => ({
  n: 7,
  at: 1_000,
  machine: 'door@1',
  state: value,
  snapshot: { value, context: {} },
  owed: [],
  ...more,
});

const renamed = ({ value, ...rest }: Dump): Dump => ({ ...rest, value: value === 'shut' ? 'closed' : value });

describe('a migration', () => {
  test('leaves what the present version wrote alone', () => {
    const position = at('open', { machine: 'door@2' });
    expect(migrated(position, door('2', { '1': renamed }), 'it')).toBe(position);
  });

  test('gives a state its new name; its work keeps its key, its timer the time it was due', () => {
    const owed = [
      { id: 'bell', key: '3.0' },
      { id: 'xstate.after.patience.door.shut', key: '3.1', due: 1_070 },
    ];
    expect(migrated(at('shut', { owed }), door('2', { '1': renamed }), 'it')).toEqual({
      ...at('closed', { machine: 'door@2' }),
      owed: [
        { id: 'bell', key: '3.0' },
        { id: 'xstate.after.patience.door.closed', key: '3.1', due: 1_070 },
      ],
    });
  });

  test('owes what only the new version starts, under keys that are the same at every wake', () => {
    const once = migrated(at('shut'), door('2', { '1': renamed }), 'it');
    expect(once.owed).toEqual([
      { id: 'bell', key: '7.m0' },
      { id: 'xstate.after.patience.door.closed', key: '7.t0', due: 1_100 },
    ]);
    expect(migrated(at('shut'), door('2', { '1': renamed }), 'it')).toEqual(once);
  });

  test('owes nothing any more that the new version does not do there', () => {
    const owed = [{ id: 'window', key: '3.0' }];
    expect(migrated(at('open', { owed }), door('2', { '1': renamed }), 'it').owed).toEqual([]);
    const over = { '1': () => ({ value: 'gone', context: {}, status: 'done' as const }) };
    expect(migrated(at('shut', { owed }), door('2', over), 'it').owed).toEqual([]);
  });

  test('goes through every version in between, in their order', () => {
    const by =
      (letter: string) =>
      ({ context, ...rest }: Dump) => ({ ...rest, context: { way: `${(context as any).way ?? ''}${letter}` } });
    const machine = door('12', { '10': by('c'), '2': by('b'), '1': by('a'), '11': by('d') });
    const from = (version: string) =>
      (migrated(at('open', { machine: `door@${version}` }), machine, 'it').snapshot.context as any).way;
    expect(['1', '2', '10', '11'].map(from)).toEqual(['abcd', 'bcd', 'cd', 'd']);
  });

  test.each([
    ['another chart', at('open', { machine: 'window@1' }), 'its chart migrates from version 1 only'],
    ['a newer version', at('open', { machine: 'door@3' }), 'its chart migrates from version 1 only'],
    ['a state that is not there', at('locked'), "its migration failed: State 'locked' does not exist on 'door'"],
  ])('refuses %s, and says why', (_, position, why) => {
    const refused = expect.objectContaining({ code: 'machine_version', status: 409 });
    const machine = door('2', { '1': renamed });
    expect(() => migrated(position, machine, 'session default/s1')).toThrow(refused);
    expect(() => migrated(position, machine, 'session default/s1')).toThrow(
      `session default/s1 was written by ${position.machine}, and this is door@2: ${why}`,
    );
  });

  test('that throws is a refusal: nothing else of the session is touched', () => {
    const throwing = door('2', {
      '1': () => {
        throw new Error('oops');
      },
    });
    expect(() => migrated(at('open'), throwing, 'it')).toThrow('its migration failed: oops');
  });
});

describe('a broken migration is caught by what was recorded', () => {
  const positions: Position[] = [];

  beforeAll(async () => {
    const restored = await restore('0.1.0', 'sqlite');
    const { journal } = await restored.open();
    for (const { tenant, session } of recorded('0.1.0', 'sqlite'))
      for (const { entry } of await journal.read({ tenant, session })) {
        const task = taskOf((entry.snapshot.context as Partial<SessionContext>).run?.task);
        positions.push(
          entry,
          ...(task && task.machine.split('@')[0]! in machines ? [task as unknown as Position] : []),
        );
      }
    await journal.close();
    await restored.remove();
  });

  afterAll(() => void positions.splice(0));

  /** The chart with another first migration: what the right one makes, changed. */
  const broken = (machine: AnyStateMachine, change: (context: any, before: any) => object): AnyStateMachine => {
    const { migrate } = machine.root.meta as { migrate: Migrations };
    const wrong = (before: Dump): Dump => {
      const { context, ...rest } = migrate['1']!(before);
      return { ...rest, context: change(context, before.context) };
    };
    return createMachine(
      { ...machine.config, meta: { migrate: { '1': wrong } } } as never,
      machine.implementations as never,
    );
  };

  const run = (change: (run: any, before: any) => object) => (context: any, before: any) => ({
    ...context,
    run: context.run && { ...context.run, ...change(context.run, before.run) },
  });
  const steps = (change: (step: any, before: any) => object) => (context: any, before: any) => ({
    ...context,
    steps: context.steps.map((step: any, n: number) => ({ ...step, ...change(step, before.steps[n]) })),
  });

  test.each<[string, AnyStateMachine, (context: any, before: any) => object, RegExp]>([
    ['the run is begun anew', sessionMachine, (context) => ({ ...context, run: null }), /its run is lost/],
    [
      'attempts at work count as failures',
      sessionMachine,
      run(({ plan }, { tries }) => ({ plan: { ...plan, failures: tries } })),
      /it failed \d times/,
    ],
    [
      'no failure is known',
      sessionMachine,
      run(({ plan }) => ({ plan: { ...plan, failures: 0 } })),
      /it failed 0 times/,
    ],
    [
      'a back-off has no verdict',
      sessionMachine,
      run(() => ({ verdict: undefined })),
      /its migration failed: Cannot read properties of undefined \(reading 'wait_ms'\)/,
    ],
    [
      'the next agents are lost',
      sessionMachine,
      run(({ plan }) => ({ plan: { ...plan, next: [] } })),
      /the agents that come next are lost/,
    ],
    [
      'what was transferred stays',
      sessionMachine,
      run(({ plan }) => ({ plan: { ...plan, back: undefined } })),
      /it has no way back/,
    ],
    [
      'transfers are counted anew',
      sessionMachine,
      run(({ plan }) => ({ plan: { ...plan, transfers: 0 } })),
      /its transfers are lost/,
    ],
    [
      'what version 1 had is kept beside',
      sessionMachine,
      run((_, before) => ({ tries: before.tries })),
      /tries are still there/,
    ],
    [
      'a step has no plan',
      flowMachine,
      steps(() => ({ plan: undefined })),
      /plan of \w+ is none|its migration failed|reading 'failures'/,
    ],
    ['a step failed never', flowMachine, steps(({ plan }) => ({ plan: { ...plan, failures: 0 } })), /failed 0 times/],
    ['a job has had no attempt', jobMachine, (context) => ({ ...context, attempts: 0 }), /its attempts are lost/],
    [
      'a job always backs off',
      jobMachine,
      (context) => ({ ...context, verdict: { type: 'again', wait_ms: 0 } }),
      /its verdict is another/,
    ],
  ])('%s', (_, machine, change, why) => {
    const wrong = broken(machine, change);
    const mine = positions.filter((position) => position.machine === `${machine.id}@1`);
    expect(mine.flatMap((position) => holdsOf(position, migrated(position, machine, 'it')))).toEqual([]);
    const found = mine.flatMap((position) => {
      try {
        return holdsOf(position, migrated(position, wrong, 'it'));
      } catch (error) {
        return [(error as Error).message];
      }
    });
    expect(found.join('\n')).toMatch(why);
  });
});
