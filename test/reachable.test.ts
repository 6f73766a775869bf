// What every chart shows can be: each state is entered, each simple one rests or says that it never does, each transition is
// taken, and each event is sent by the product.
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { formMachine } from '../machines/form/machine.ts';
import { machines } from '../machines/index.ts';
import { bodies } from '../machines/session/events.ts';
import { Charts } from '../src/charts/charts.ts';
import { descend } from '../src/diagram/graph.ts';
import { explored, worlds } from './worlds/all.ts';
import { type Coverage, coverage } from './worlds/coverage.ts';

const loop = 'actors/session.ts';

/** The files that send a chart its events. What callers send to a session is a verb, and its interfaces send every verb. */
const senders: Readonly<Record<keyof typeof machines, readonly string[]>> = {
  session: [loop, 'actors/performing.ts', 'src/sessions/conversations.ts'],
  form: ['src/agents/performers/form.ts', 'src/agents/performers/form/reading.ts'],
  job: [loop, 'src/jobs/jobs.ts', 'src/jobs/memory.ts', 'src/jobs/queue.ts'],
  react: ['actors/task.ts', 'src/agents/performers/llm.ts'],
  flow: ['actors/task.ts', 'src/agents/performers/flow/step.ts'],
  orchestrator: ['actors/orchestrator.ts', 'src/troupe.ts'],
  agent: ['src/agents/agent.ts'],
  endpoint: ['src/agents/endpoint.ts'],
  breaker: ['src/agents/endpoint.ts', 'src/llm/breakers.ts'],
  budget: ['src/llm/budgets.ts'],
  shard: ['src/cluster/cluster.ts'],
  registry: ['src/routing/registry.ts'],
};

const all = Object.entries<AnyStateMachine>(machines) as [keyof typeof machines, AnyStateMachine][];

describe.each(all)('in the %s chart', (name, machine) => {
  let seen: Coverage;

  beforeAll(() => {
    seen = coverage(explored[name], worlds[name]);
    const { states, edges, resting, passing } = seen;
    console.log(`${name}: ${states} states, ${edges} edges; ${resting.size} rest, ${passing.size} are passing`);
  });

  test('every simple state is found at rest, or is tagged as one that never is', () => {
    expect(seen.neverAtRest).toEqual([]);
  });

  test('no state that is tagged as passing is found at rest', () => {
    expect(seen.restingThoughPassing).toEqual([]);
  });

  test('every state is entered', () => {
    expect(seen.neverEntered).toEqual([]);
  });

  test('every transition is taken', () => {
    expect(seen.neverTaken).toEqual([]);
  });

  test('every event is sent by the product', () => {
    expect(unsent(name, machine)).toEqual([]);
  });

  test('the schemas are those of the events that the chart listens to', () => {
    const { events } = new Charts().get(name);
    expect(Object.keys(events!).sort()).toEqual(listened(machine));
  });
});

describe('a chart that shows what cannot be is caught:', () => {
  /** The form's chart with other states in its `filling`. */
  const form = (states: object, root: object = {}): AnyStateMachine => {
    const { config, implementations } = formMachine;
    const { filling } = config.states!;
    const changed = { ...filling, states: { ...filling!.states, ...states } };
    return createMachine(
      { ...config, ...root, states: { ...config.states, filling: changed } } as never,
      implementations as never,
    );
  };
  const inside = formMachine.config.states!.filling!.states!;
  const faults = (machine: AnyStateMachine) => {
    const { neverAtRest, restingThoughPassing, neverEntered, neverTaken } = coverage(machine, worlds.form);
    return { neverAtRest, restingThoughPassing, neverEntered, neverTaken };
  };
  const none = { neverAtRest: [], restingThoughPassing: [], neverEntered: [], neverTaken: [] };

  test('a state that nothing leads to', () => {
    expect(faults(form({}))).toEqual(none);
    expect(faults(form({ dreaming: { on: { cancel: '#form.cancelled' } } }))).toEqual({
      ...none,
      neverAtRest: ['form.filling.dreaming'],
      neverEntered: ['form.filling.dreaming'],
      neverTaken: ['form.filling.dreaming: cancel 1/1'],
    });
  });

  test('a state that is always left at once and does not say so', () => {
    const { tags: _, ...deciding } = inside.deciding!;
    expect(faults(form({ deciding }))).toEqual({ ...none, neverAtRest: ['form.filling.deciding'] });
  });

  test('a state that says it is passing and rests', () => {
    const collecting = { tags: 'passing', ...inside.collecting };
    expect(faults(form({ collecting }))).toEqual({ ...none, restingThoughPassing: ['form.filling.collecting'] });
  });

  test('a transition whose guard never holds', () => {
    const changed = formMachine.provide({ guards: { maySkip: () => false } });
    expect(faults(changed).neverTaken).toContain('form.filling.collecting: skip 1/2');
  });

  test('an event that is sent to another chart, or that nothing sends', () => {
    expect(unsent('form', form({}, { on: { drain: '.cancelled', invented: '.cancelled' } }))).toEqual([
      'drain',
      'invented',
    ]);
  });
});

/** The types of event that a chart listens to, without those of work and time. */
function listened(machine: AnyStateMachine): string[] {
  const types = [...descend(machine.root)].flatMap(({ ownEvents }) => ownEvents);
  return [...new Set(types)].filter((type) => type !== '' && !type.startsWith('xstate.')).sort();
}

function unsent(name: keyof typeof machines, machine: AnyStateMachine): string[] {
  const verbs = name === 'session' ? Object.keys(bodies) : [];
  const sent = new Set([...verbs, ...senders[name].flatMap(literals), ...raised(name)]);
  return listened(machine).filter((type) => !sent.has(type));
}

/** What stands as the `type` of an object in a file, and not in the declaration of a type. */
function literals(file: string): string[] {
  const found = code(file).matchAll(/(?<!readonly |Extract<\w+, \{ )\btype: ([^,;{}|]+)(?!\|)/g);
  return [...found].flatMap(([, value]) => [...value!.matchAll(/'([^']+)'/g)].map(([, type]) => type!));
}

/** What a chart sends to itself. */
const raised = (name: string): string[] =>
  [...code(`machines/${name}/rules.ts`).matchAll(/\braise\([^;]*?\btype: '([^']+)'/g)].map(([, type]) => type!);

const code = (file: string): string =>
  readFileSync(new URL(`../${file}`, import.meta.url), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
