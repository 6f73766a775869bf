// The job's chart, exhaustively: every state it can reach, every event in each, and what must hold in all of them.
import { beforeAll, describe, expect, test } from 'vitest';
import { assign } from 'xstate';
import type { JobContext } from '../machines/job/events.ts';
import { jobMachine } from '../machines/job/machine.ts';
import { deadlocks, everyEdge, everyState, explore, type Graph, type GraphState, reaches } from '../src/testing.ts';
import { caught } from './caught.ts';
import { jobWorld, settings } from './worlds/job.ts';

const exploring = (machine = jobMachine): Graph => explore(machine, jobWorld);

const contextOf = ({ snapshot }: GraphState): JobContext => snapshot.context;
const topOf = ({ name }: GraphState): string => name.split('.', 1)[0]!;
const isIn =
  (...tops: string[]) =>
  (state: GraphState) =>
    tops.includes(topOf(state));
const byItself = (type: string): boolean => type.startsWith('xstate.');
const told = ['job_done', 'job_dead', 'job_cancelled'];

const facts: Record<string, (graph: Graph, name: string) => void> = {
  'nothing is stuck': (graph) => expect(deadlocks(graph).map(({ name }) => name)).toEqual([]),

  'work is owed while it runs, and in no other state': (graph, name) =>
    everyState(graph, name, (state) => {
      const owed = graph.pure.invokes(state.snapshot).map(({ id }) => id);
      return owed.length === (topOf(state) === 'running' ? 1 : 0) || owed.join();
    }),

  'a job that waits for a worker owes nothing at all, so it need not be in memory': (graph, name) =>
    everyEdge(graph, name, ({ to, step }) => {
      if (topOf(to) !== 'waiting') return true;
      return step.effects.every(({ type }) => type === 'stop' || type === 'cancel');
    }),

  'its priority stands in the state in which it waits': (graph, name) =>
    everyState(graph, name, (state) => {
      return topOf(state) !== 'waiting' || state.name === `waiting.${contextOf(state).priority}`;
    }),

  'it runs only when a worker took it': (graph, name) =>
    everyEdge(graph, name, ({ from, event, to }) => {
      return topOf(to) !== 'running' || topOf(from) === 'running' || event.type === 'start';
    }),

  'the attempts of a job never exceed its setting': (graph, name) =>
    everyState(graph, name, (state) => contextOf(state).attempts <= settings.attempts),

  'a crash is outlived as often as the settings say, and a step counts them anew': (graph, name) =>
    everyEdge(graph, name, ({ from, event, to, step }) => {
      const { recoveries } = step.snapshot.context as JobContext;
      if (recoveries > settings.recoveries) return `recovered ${recoveries} times`;
      if (event.type === 'step_done') return recoveries === 0;
      if (event.type !== 'recovered') return true;
      const gone = contextOf(from).recoveries >= settings.recoveries;
      return gone ? topOf(to) === 'dead' : step.effects.length === 0 && recoveries === contextOf(from).recoveries + 1;
    }),

  'a crash, a step or a word of progress leaves the attempt that is at work alone': (graph, name) =>
    everyEdge(graph, name, ({ event, to, step }) => {
      if (!['recovered', 'step_done', 'progressed'].includes(event.type) || topOf(to) !== 'running') return true;
      return step.effects.length === 0;
    }),

  'what cannot help is not tried again': (graph, name) =>
    everyEdge(graph, name, ({ event, to }) => {
      const { error } = event as { error?: { retryable: boolean } };
      return error?.retryable !== false || topOf(to) === 'dead';
    }),

  'what was done stays done': (graph, name) =>
    everyState(graph, name, (state) => topOf(state) !== 'done' || state.edges.length === 0),

  'a job that is not done can be cancelled, and one that is dead or cancelled can be tried again': (graph, name) =>
    everyState(graph, name, (state) => {
      const types = state.edges.map(({ event }) => event.type);
      if (isIn('new', 'done')(state)) return true;
      if (topOf(state) !== 'cancelled' && !types.includes('cancel')) return 'it cannot be cancelled';
      return types.includes('retry') === isIn('dead', 'cancelled')(state) || 'retry';
    }),

  'a cancelled job has no work': (graph, name) =>
    everyEdge(graph, name, ({ from, event, to, step }) => {
      if (event.type !== 'cancel') return true;
      const stops = step.effects.some(({ type, id }) => type === 'stop' && id === 'run');
      return topOf(to) === 'cancelled' && stops === (topOf(from) === 'running');
    }),

  'every end is told, once': (graph, name) =>
    everyEdge(graph, name, ({ from, to, step }) => {
      const ends = isIn('done', 'dead', 'cancelled')(to) && from !== to && topOf(from) !== topOf(to);
      return step.emitted.filter(({ type }) => told.includes(type)).length === (ends ? 1 : 0);
    }),

  'a dead job says why': (graph, name) =>
    everyEdge(graph, name, ({ to, step }) => topOf(to) !== 'dead' || step.snapshot.context.error !== null),

  'from everywhere that is enqueued it can be done': (graph, name) =>
    reaches(graph, name, { from: (state) => topOf(state) !== 'done', to: isIn('done') }),

  'left to itself with workers, it comes to an end': (graph, name) =>
    reaches(graph, name, {
      from: isIn('delayed', 'waiting', 'running', 'backingOff'),
      to: isIn('done', 'dead'),
      by: ({ event }) => byItself(event.type) || event.type === 'start',
    }),
};

let graph: Graph;
beforeAll(() => {
  graph = exploring();
  console.log(`job: ${graph.states.length} states, ${graph.edges.length} edges`);
});

test.each(Object.entries(facts))('%s', (name, fact) => fact(graph, name));

describe('a broken chart is caught, with the shortest way to where it breaks', () => {
  const broken: Record<string, { change: object; fact: string; path: string[] }> = {
    'tries for ever': {
      change: { guards: { triesAgain: () => true } },
      fact: 'what cannot help is not tried again',
      path: ['enqueue', 'start', 'xstate.error.actor.run'],
    },
    'a crash counts for nothing': {
      change: { guards: { recoveriesLeft: () => true } },
      fact: 'a crash is outlived as often as the settings say, and a step counts them anew',
      path: ['enqueue', 'start', 'recovered', 'recovered'],
    },
    'everybody is urgent': {
      change: { guards: { isHigh: () => true } },
      fact: 'its priority stands in the state in which it waits',
      path: ['enqueue'],
    },
    'a failure is not remembered': {
      change: { actions: { recordFailure: assign({ verdict: { type: 'give_up' } } as any) } },
      fact: 'a dead job says why',
      path: ['enqueue', 'start', 'xstate.after.attemptTimeout.job.running'],
    },
    'nobody hears of the end': {
      change: { actions: { tellDone: assign({}) } },
      fact: 'every end is told, once',
      path: ['enqueue', 'start', 'xstate.done.actor.run'],
    },
  };

  test.each(Object.entries(broken))('%s', (_, { change, fact, path }) => {
    const other = jobMachine.provide(change as any);
    const found = caught(() => facts[fact]!(exploring(other), fact));
    expect(found.path.map(({ event }) => event.type)).toEqual(path);
  });
});
