// The session's chart, exhaustively: every state it can reach, every event in each, and what must hold in all of them.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assign } from 'xstate';
import * as policy from '../machines/attempt/policy.ts';
import { attemptActions } from '../machines/session/attempts.ts';
import { busyPolicies } from '../machines/session/events.ts';
import { sessionMachine } from '../machines/session/machine.ts';
import type { Graph } from '../src/testing.ts';
import { caught } from './caught.ts';
import { abstraction, control, machinery, messages } from './session/facts.ts';
import { refine } from './session/refinement.ts';
import { exploreSession } from './session/world.ts';

const SEED = Number(process.env.SEED ?? 20_261_121);

const facts = { ...control, ...messages, ...machinery };

describe.each(busyPolicies.flatMap((busy) => [false, true].map((hooks) => ({ busy, hooks }))))(
  'busy: $busy, hooks: $hooks',
  (settings) => {
    let graph: Graph | undefined;

    beforeAll(() => {
      graph = exploreSession(settings);
      const { states, edges } = graph;
      console.log(`session, ${JSON.stringify(settings)}: ${states.length} states, ${edges.length} edges`);
    });

    afterAll(() => {
      graph = undefined;
    });

    test.each(Object.entries(facts))('%s', (name, fact) => fact(graph!, name));
  },
);

test('what the exploration leaves out of the context changes no step', () => {
  abstraction(exploreSession({ busy: 'steer', hooks: true }), 'snapshots that count as one state go on alike');
});

describe("over the product's own policy", () => {
  test.each(busyPolicies)('a session does nothing but what it may do over any policy (busy: %s)', (busy) => {
    const { steps, at } = refine({ busy, hooks: true, queue_limit: 3 }, SEED, 250);
    expect(at).toBeUndefined();
    console.log(`session, busy: ${busy}: ${steps} steps compared`);
  });

  test('one that does more is found', () => {
    const pushing = sessionMachine.provide({ guards: { transfersLeft: () => true } });
    expect(refine({ transfers: 0 }, SEED, 250, pushing as typeof sessionMachine).at).toMatch(
      /^xstate\.done\.actor\.agent in /,
    );
  });
});

describe('a session that follows the policy wrongly is caught', () => {
  const own = attemptActions(policy);
  test.each<[string, object]>([
    [
      'what comes back keeps the plan of the agent that failed',
      { undoTransfer: attemptActions({ ...policy, giveBack: (plan) => plan }).undoTransfer },
    ],
    [
      'an agent that gets on does not count anew',
      { recordProgress: attemptActions({ ...policy, progress: (plan) => plan }).recordProgress },
    ],
    ['a failure is not counted', { recordFailure: attemptActions({ ...policy, fail: (plan) => plan }).recordFailure }],
    ['the next agent stays the next', { nextAgent: attemptActions({ ...policy, advance: (plan) => plan }).nextAgent }],
    ['a transfer is not counted', { transfer: attemptActions({ ...policy, transfer: (plan) => plan }).transfer }],
    ['a crash is not counted', { countRecovery: attemptActions({ ...policy, recover: (plan) => plan }).countRecovery }],
  ])('%s', (_, actions) => {
    const broken = sessionMachine.provide({ actions: { ...own, ...actions } } as never);
    expect(refine({}, SEED, 600, broken as typeof sessionMachine).at).toMatch(
      /^the plan after |^xstate\.error\.actor\.agent in /,
    );
  });
});

describe('a broken chart is caught, with the shortest way to where it breaks', () => {
  const broken: Record<string, { change: object; busy?: (typeof busyPolicies)[number]; fact: string; path: string[] }> =
    {
      'the AI thinks it always has the floor': {
        change: { guards: { aiHasTheFloor: () => true } },
        fact: 'while a person has the floor or the session is paused, no work is owed',
        path: ['message', 'pause'],
      },
      'nothing counts as work': {
        change: { guards: { atWork: () => false } },
        fact: 'while a person has the floor or the session is paused, no work is owed',
        path: ['message', 'pause'],
      },
      'a pause always drains': {
        change: { guards: { drains: () => true } },
        fact: 'pause (interrupt) is accepted in every open state, and pauses at once',
        path: ['message'],
      },
      'a person takes over from themself': {
        change: { guards: { anotherHolder: () => true } },
        fact: 'takeover is accepted in every open state, but not again by the person who holds it',
        path: ['takeover'],
      },
      'handing back keeps the epoch': {
        change: { actions: { handBack: sets({ holder: null, deadline_ms: null }) } },
        fact: 'every takeover and every handing back raises the epoch by one, and nothing else changes it',
        path: ['takeover', 'pause'],
      },
      'a superseded run is not told of': {
        change: { actions: { supersedeRun: sets({ run: null }) } },
        busy: 'interrupt',
        fact: 'an accepted message is held until exactly one outcome is told of it, and no message that is not held gets one',
        path: ['message', 'message'],
      },
      'closing forgets what waits': {
        change: { actions: { dropEverything: sets({ run: null, queue: [] }) } },
        fact: 'an accepted message is held until exactly one outcome is told of it, and no message that is not held gets one',
        path: ['message', 'close'],
      },
      'an answered message is kept': {
        change: { actions: { answerWaiting: sets({}) } },
        fact: 'a message that a person has answered is not answered by the AI too',
        path: ['takeover', 'message'],
      },
      'any answer fits any question': {
        change: { guards: { answersTheQuestion: () => true } },
        fact: 'a question is answered once, and only under its own name',
        path: ['message', 'xstate.done.actor.agent'],
      },
      'a decision is never seen': {
        change: { guards: { isAnswered: () => false } },
        fact: 'from everywhere the session can come to rest with every message answered, without being cancelled or closed',
        path: ['message', 'xstate.done.actor.agent'],
      },
      'a transfer that failed is forgotten': {
        change: {
          actions: { undoTransfer: assign(({ context }: any) => ({ run: { ...context.run, transfer: undefined } })) },
        },
        fact: 'a run that goes to another agent arrives there, comes back with the reason, or ends',
        path: ['message', 'xstate.done.actor.agent', 'xstate.after.attemptTimeout.attempting'],
      },
      'progress is not kept': {
        change: { actions: { recordProgress: sets({}) } },
        fact: 'progress is taken only while an agent is at work, stops nothing, and is told of',
        path: ['message'],
      },
      'a message for another agent is taken for an answer': {
        change: { guards: { goesElsewhere: () => false, nextGoesElsewhere: () => false } },
        fact: 'a message that names an agent becomes part of a run of that agent only',
        path: ['message', 'message', 'xstate.done.actor.agent'],
      },
    };

  test.each(Object.entries(broken))('%s', (_, { change, busy = 'enqueue', fact, path }) => {
    const graph = exploreSession({ busy }, change);
    const found = caught(() => (facts as Record<string, (graph: Graph, name: string) => void>)[fact]!(graph, fact));
    expect(found.message).toContain(fact);
    expect(found.path.map(({ event }) => event.type)).toEqual(path);
  });

  test('a guard that throws', () => {
    const hasRun = () => {
      throw new Error('oops');
    };
    const found = caught(() => exploreSession({}, { guards: { hasRun } }));
    expect(found.message).toBe(
      "the chart throws on cancel: Unable to evaluate guard 'hasRun' in transition for event 'cancel' in state node 'session.open.turn':\noops\n  automated/idle",
    );
  });
});

function sets(change: object) {
  return assign(change as any);
}
