// The chart of a flow, exhaustively: every state it can reach, every event in each, and what must hold in all of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assign } from 'xstate';
import type { FlowContext } from '../machines/flow/events.ts';
import type { flowMachine } from '../machines/flow/machine.ts';
import type { Graph } from '../src/testing.ts';
import { flow } from './flow/facts.ts';
import { exploreFlow, type Shape, shapes, world } from './flow/world.ts';
import type { Fact } from './session/facts.ts';
import { abstraction, holds, task } from './task/facts.ts';

const facts: Record<string, Fact> = { ...task, ...flow };

describe.each(shapes.map((shape) => ({ shape, named: JSON.stringify(shape) })))('$named', ({ shape, named }) => {
  let graph: Graph | undefined;

  beforeAll(() => {
    graph = exploreFlow(shape);
    console.log(`flow, ${named}: ${graph.states.length} states, ${graph.edges.length} edges`);
  });

  afterAll(() => {
    graph = undefined;
  });

  test.each(Object.entries(facts))('%s', (name, fact) => holds(graph!, name, fact));
});

test('what the exploration leaves out of the context changes no step', () => {
  const graph = exploreFlow({ mode: 'parallel', on_failure: 'continue' });
  holds(graph, 'snapshots that count as one state go on alike', abstraction<typeof flowMachine>(world));
});

describe('a broken chart is caught', () => {
  const changes = (change: (context: FlowContext, event: any) => Partial<FlowContext>) =>
    assign(({ context, event }: any) => change(context, event));
  const decision = { kind: 'transfer' as const, to: 'v', error: 'busy: later' };
  const sequential: Shape = { mode: 'sequential', on_failure: 'continue' };
  const parallel: Shape = { mode: 'parallel', on_failure: 'stop' };

  const broken: Record<string, { shape: Shape; change: object; fact: RegExp }> = {
    'a failure is passed over': {
      shape: { mode: 'sequential', on_failure: 'stop' },
      change: { guards: { mustStop: () => false } },
      fact: /fails at once/,
    },
    'every failure stops': {
      shape: sequential,
      change: {
        guards: { mustStop: ({ context }: any) => context.steps.some(({ state }: any) => state === 'failed') },
      },
      fact: /fails at once/,
    },
    'nothing is enough': {
      shape: sequential,
      change: { guards: { nothingSucceeded: () => false } },
      fact: /fails at once/,
    },
    'reports on a step are taken for ever': {
      shape: sequential,
      change: {
        guards: {
          isAtWork: ({ context, event }: any) =>
            context.steps.some(({ id, state }: any) => id === event.step && /running|done|failed/.test(state)),
        },
      },
      fact: /step that is over stays/,
    },
    'a decision is kept for ever': {
      shape: parallel,
      change: {
        actions: {
          recordProgress: changes(({ steps }, event) => ({
            steps: steps.map((step) => (step.id === event.step ? { ...step, task: event.task } : step)),
          })),
        },
      },
      fact: /a step that got on/,
    },
    'the place of a step is lost when it is answered': {
      shape: parallel,
      change: {
        actions: {
          recordDecision: changes(({ steps }, { decision }) => {
            const asked = steps.findIndex(({ state }) => state === 'asking');
            const fresh = { state: 'waiting' as const, decision, question: undefined, task: undefined };
            return { question: null, steps: steps.map((step, at) => (at === asked ? { ...step, ...fresh } : step)) };
          }),
        },
      },
      fact: /goes to the step that asked/,
    },
    'the answer goes to whoever is last': {
      shape: parallel,
      change: {
        actions: {
          recordDecision: changes(({ steps }, { decision }) => {
            const asked = steps.findLastIndex(({ state }) => state === 'asking');
            const fresh = { state: 'waiting' as const, decision, question: undefined };
            return { question: null, steps: steps.map((step, at) => (at === asked ? { ...step, ...fresh } : step)) };
          }),
        },
      },
      fact: /goes to the step that asked/,
    },
    'another agent goes on with the task': {
      shape: sequential,
      change: {
        actions: {
          transfer: changes(({ steps }, { step: id, agent }) => ({
            steps: steps.map((step) => (step.id === id ? { ...step, agent, moves: step.moves + 1 } : step)),
          })),
        },
      },
      fact: /never goes on with the task/,
    },
    'a step that comes back begins afresh': {
      shape: sequential,
      change: {
        actions: {
          undoTransfer: changes(({ steps }, { step: id }) => ({
            steps: steps.map((step) =>
              step.id === id ? { ...step, ...step.back!, task: 'another', decision, back: undefined } : step,
            ),
          })),
        },
      },
      fact: /never goes on with the task/,
    },
    'what nothing came of is performed again': {
      shape: sequential,
      change: {
        actions: {
          noteMissing: changes(({ steps }) => ({
            steps: steps.map((step) => (step.state === 'running' ? { ...step, state: 'waiting' } : step)),
          })),
        },
      },
      fact: /forgot are not performed again/,
    },
    'words are for those to come': {
      shape: sequential,
      change: { actions: { hear: changes(({ words }, { input }) => ({ words: [...words, ...input] })) } },
      fact: /every word is heard/,
    },
    'the first answer of a sequence is the last word': {
      shape: sequential,
      change: {
        actions: {
          conclude: changes(({ steps }) => ({ answer: steps.find(({ state }) => state === 'done')!.output! })),
        },
      },
      fact: /made of what its steps said/,
    },
    'a failure is a result': {
      shape: parallel,
      change: {
        actions: {
          recordFailure: changes(({ steps }, { step: id }) => ({
            steps: steps.map((step) => (step.id === id ? { ...step, state: 'done', output: 'no' } : step)),
          })),
        },
      },
      fact: /made of what its steps said/,
    },
    'the end is not told': {
      shape: parallel,
      change: { actions: { tellFinished: changes(() => ({})) } },
      fact: /its end is told/,
    },
  };

  test.each(Object.entries(broken))('%s', (_, { shape, change, fact }) => {
    const [name, check] = Object.entries(facts).find(([one]) => fact.test(one))!;
    const graph = exploreFlow(shape, change);
    expect(() => holds(graph, name, check)).toThrow(`does not hold: ${name}`);
  });
});
