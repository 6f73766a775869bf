// The rules that every chart keeps: pure, named, and never stuck.

import { globSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { machines } from '../machines/index.ts';
import { chartGraph, descend, fallback } from '../src/diagram/graph.ts';

const home = new URL('../machines/', import.meta.url);
const code = (file: string): string => withoutComments(readFileSync(new URL(file, home), 'utf8'));
const files = globSync('**/*.ts', { cwd: home }).sort();

describe.each(Object.entries<AnyStateMachine>(machines))('the %s chart', (name, machine) => {
  const states = [...descend(machine.root)];

  test('lives in a folder of its name and has a version', () => {
    expect(machine.id).toBe(name);
    expect(machine.version).toMatch(/^\d+$/);
    expect(files).toContain(`${name}/machine.ts`);
  });

  test('leads only to states that are there', () => {
    const { nodes, edges } = chartGraph(machine);
    const there = new Set(nodes.map(({ id }) => id));
    const led = [...edges.flatMap(({ targets }) => targets), ...nodes.flatMap(({ initial }) => initial ?? [])];
    expect(led.filter((id) => !there.has(id))).toEqual([]);
  });

  test('uses only names that have a body', () => {
    const { guards, actions, delays, actors } = machine.implementations;
    const used = {
      guards: [...states.flatMap(guardsOf), ...Object.values(guards)].flatMap(guardNames),
      actions: states.flatMap(actionsOf).flatMap(nameOf),
      delays: states
        .flatMap(({ after }) => after.map(({ delay }) => delay))
        .filter((delay) => typeof delay === 'string'),
      actors: states.flatMap(({ invoke }) => invoke.map(({ src }) => src)),
    };
    expect(used.guards.filter((guard) => !(guard in guards))).toEqual([]);
    expect(used.actions.filter((action) => !(action in actions))).toEqual([]);
    expect(used.delays.filter((delay) => !(delay in delays))).toEqual([]);
    expect(used.actors.filter((actor) => typeof actor !== 'string' || !(actor in actors))).toEqual([]);
  });

  test('asks only about states that are there', () => {
    const asked = [...states.flatMap(guardsOf), ...Object.values(machine.implementations.guards)].flatMap(statesAsked);
    const there = new Set(states.flatMap(({ id, path }) => [`#${id}`, path.join('.')]));
    expect(asked.filter((state) => !there.has(state))).toEqual([]);
  });

  test('knows what to do when an actor fails and when it is done, or says why not', () => {
    const invokes = states.flatMap((state) => state.invoke.map((invoke) => ({ state, ...invoke })));
    const named = ({ state, id }: { state: AnyStateNode; id: string }) => `${state.id}: ${id}`;
    const unanswered = invokes.filter(({ onDone, onError }) => onDone === undefined || onError === undefined);
    expect(unanswered.filter(({ state }) => !state.description).map(named)).toEqual([]);
  });

  test('has a default for every history state', () => {
    const histories = states.filter(({ type }) => type === 'history');
    expect(histories.filter((state) => fallback(state).length === 0).map(({ id }) => id)).toEqual([]);
  });

  test('has a way out of every state that is not final', () => {
    // A chart of a single state is a ledger: it has nowhere to go.
    const simple = states.filter(({ type }) => type === 'atomic');
    const stuck = simple.length > 1 ? simple.filter((state) => !ways(state).some((target) => target !== state)) : [];
    expect(stuck.map(({ id }) => id)).toEqual([]);
  });
});

describe.each(files)('machines/%s', (file) => {
  test('touches neither clock nor chance nor the world', () => {
    expect(
      code(file).match(/\bDate\.now\b|\bnew Date\(|\bMath\.random\b|\bperformance\b|\bawait\b|\bsetTimeout\b/g),
    ).toBeNull();
  });

  // Each of these fails in its own way once a snapshot is restored or stepped outside of a live actor.
  test('addresses and spawns no actors', () => {
    expect(code(file).match(/\bsystemId\b|\bsendTo\b|\bsendParent\b|\bspawn\(/g)).toBeNull();
  });
});

describe.each(files.filter((file) => file.endsWith('machine.ts')))('machines/%s', (file) => {
  test('is names only: the bodies are elsewhere', () => {
    expect(code(file).match(/=>|\bfunction\b/g)).toBeNull();
  });
});

function transitionsOf(state: AnyStateNode): AnyTransitionDefinition[] {
  return [state.always ?? [], ...state.transitions.values()].flat();
}

/** Where the state's own transitions and those of the states around it lead. */
function ways(state: AnyStateNode): AnyStateNode[] {
  const own = transitionsOf(state).flatMap(({ target }) => target ?? []);
  return state.parent ? [...own, ...ways(state.parent)] : own;
}

function guardsOf(state: AnyStateNode): unknown[] {
  return transitionsOf(state).flatMap(({ guard }) => guard ?? []);
}

function actionsOf(state: AnyStateNode): unknown[] {
  const moved = transitionsOf(state).flatMap(({ actions }) => actions);
  return [...[state.config.entry ?? [], state.config.exit ?? []].flat(), ...moved];
}

/** The name that a chart gives an action or a guard; none for what XState itself brings. */
function nameOf(it: unknown): string[] {
  if (typeof it === 'function') return [];
  return [typeof it === 'string' ? it : (it as { type: string }).type];
}

/** `and`, `or` and `not` are functions that carry the guards they join. */
function guardNames(guard: unknown): string[] {
  const { guards = [] } = guard as { guards?: unknown[] };
  return [...nameOf(guard), ...guards.flatMap(guardNames)];
}

/** The states that `stateIn` names, by id or by path. */
function statesAsked(guard: unknown): string[] {
  const { guards = [], stateValue } = guard as { guards?: unknown[]; stateValue?: unknown };
  return [...(stateValue === undefined ? [] : statePaths(stateValue)), ...guards.flatMap(statesAsked)];
}

function statePaths(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return Object.entries(value as object).flatMap(([key, below]) => {
    const paths = statePaths(below);
    return paths.length > 0 ? paths.map((path) => `${key}.${path}`) : [key];
  });
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}
