// The chart of an agent that thinks and acts, exhaustively: every state it can reach, every event in each, and what must hold.
import { beforeAll, describe, expect, test } from 'vitest';
import { assign } from 'xstate';
import type { ReactContext } from '../machines/react/events.ts';
import { reactMachine } from '../machines/react/machine.ts';
import type { Graph } from '../src/testing.ts';
import { react } from './react/facts.ts';
import { exploreReact, world } from './react/world.ts';
import type { Fact } from './session/facts.ts';
import { abstraction, holds, task } from './task/facts.ts';

const facts: Record<string, Fact> = { ...task, ...react };

describe('from a message to an answer', () => {
  let graph: Graph;

  beforeAll(() => {
    graph = exploreReact();
    console.log(`react: ${graph.states.length} states, ${graph.edges.length} edges`);
  });

  test.each(Object.entries(facts))('%s', (name, fact) => holds(graph, name, fact));

  test('what the exploration leaves out of the context changes no step', () => {
    holds(graph, 'snapshots that count as one state go on alike', abstraction<typeof reactMachine>(world));
  });
});

describe('a broken chart is caught', () => {
  const changes = (change: (context: ReactContext) => Partial<ReactContext>) =>
    assign(({ context }: any) => change(context));

  const broken: Record<string, { change: object; fact: RegExp }> = {
    'a rejected call is approved': {
      change: { actions: { reject: reactMachine.implementations.actions.approve } },
      fact: /only the approval/,
    },
    'whatever is decided approves': { change: { guards: { approves: () => true } }, fact: /answer to another kind/ },
    'any result is taken': {
      change: {
        guards: { isRunning: ({ context, event }: any) => context.calls.some(({ id }: any) => id === event.call) },
      },
      fact: /second one of the same call/,
    },
    'results are not told to the model': {
      change: { actions: { closeCalls: changes(() => ({ calls: [] })) } },
      fact: /exactly one result/,
    },
    'words come between calls and results': {
      change: {
        actions: {
          hear: changes(({ messages }) => ({ messages: [...messages, { role: 'user', content: 'and quickly' }] })),
        },
      },
      fact: /exactly one result/,
    },
    'words are forgotten': { change: { actions: { takeWords: changes(() => ({ heard: [] })) } }, fact: /no word/ },
    'calls are made without end': {
      change: { guards: { wantsCalls: ({ event }: any) => event.output.calls.length > 0 } },
      fact: /after max_steps/,
    },
    'an empty answer is an answer': { change: { guards: { saysSomething: () => true } }, fact: /ends with an answer/ },
    'a silent model is asked without end': { change: { guards: { wasNudged: () => false } }, fact: /after max_steps/ },
    'what nothing came of is run again': {
      change: { actions: { noteMissing: changes(() => ({})) } },
      fact: /forgot are not run again/,
    },
    'a transfer waits for nobody': {
      change: { guards: { callNeedsApproval: () => false } },
      fact: /transfer waits/,
    },
    'a client is never asked': { change: { guards: { callIsForTheClient: () => false } }, fact: /exactly one result/ },
    'exhaustion is not told': { change: { guards: { stepsLeft: () => true } }, fact: /exhausted is told once/ },
    'a question stays open': {
      change: {
        actions: {
          recordClientResult: changes(({ calls }) => ({ calls: calls.map((call) => ({ ...call, result: 'x' })) })),
        },
      },
      fact: /a question exactly while it asks/,
    },
  };

  test.each(Object.entries(broken))('%s', (_, { change, fact }) => {
    const [name, check] = Object.entries(facts).find(([one]) => fact.test(one))!;
    expect(() => holds(exploreReact(reactMachine.provide(change as any)), name, check)).toThrow(
      `does not hold: ${name}`,
    );
  });
});
