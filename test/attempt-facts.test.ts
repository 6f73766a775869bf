// The attempt policy, exhaustively: everything that can become of an attempt, and what must hold of what follows.
import { beforeAll, describe, expect, test } from 'vitest';
import type { Policy } from '../machines/attempt/policy.ts';
import * as policy from '../machines/attempt/policy.ts';
import type { Graph } from '../src/testing.ts';
import { attempts } from './attempt/facts.ts';
import { exploreAttempts } from './attempt/world.ts';
import { caught } from './caught.ts';

let graph: Graph;
beforeAll(() => {
  graph = exploreAttempts();
  console.log(`attempts: ${graph.states.length} states, ${graph.edges.length} edges`);
});

test.each(Object.entries(attempts))('%s', (name, fact) => fact(graph, name));

describe('a broken policy is caught, with the shortest way to where it breaks', () => {
  const { judge } = policy;
  const broken: Record<string, { change: Partial<Policy>; fact: string; path: string }> = {
    'failures are not counted': {
      change: { fail: (plan, { endpoint }) => ({ ...plan, tried: endpoint ? [...plan.tried, endpoint] : plan.tried }) },
      fact: 'an agent fails at most as often as the settings say before it gets on, but for instances that are left',
      path: 'failed waited failed failed',
    },
    'one attempt too few': {
      change: { judge: (plan, failure, limits) => judge(plan, failure, { ...limits, attempts: limits.attempts - 1 }) },
      fact: 'an agent that may be tried again is, as often as the settings say',
      path: 'failed failed',
    },
    'what cannot help is tried again': {
      change: { judge: (plan, failure, limits) => judge(plan, { ...failure, retryable: true }, limits) },
      fact: 'what cannot help is not tried again, neither here nor elsewhere',
      path: 'failed',
    },
    'time that is over does not count': {
      change: { judge: (plan, failure, limits) => judge(plan, { ...failure, final: false }, limits) },
      fact: 'when the time of the whole is over, nothing more is tried',
      path: 'failed',
    },
    'instances that are left are passed over': {
      change: { judge: (plan, failure, limits) => judge(plan, { ...failure, alternatives: 0 }, limits) },
      fact: 'another instance is tried at once where there is one',
      path: 'failed',
    },
    'an instance that failed is forgotten': {
      change: { fail: (plan) => policy.fail(plan, {}) },
      fact: 'an instance that failed is known, and every one only until the agent gets on or another has the work',
      path: 'failed',
    },
    'the next agent is the next one for ever': {
      change: { advance: (plan) => ({ ...policy.advance(plan), next: plan.next }) },
      fact: 'the agents that come next are tried in their order, each once',
      path: 'failed failed',
    },
    'the agents that come next are forgotten': {
      change: { judge: (plan, failure, limits) => judge({ ...plan, next: [] }, failure, limits) },
      fact: 'nothing is given up while an agent is left that could go on',
      path: 'failed',
    },
    'what was transferred stays where it failed': {
      change: { transfer: (plan) => policy.settle(policy.transfer(plan)) },
      fact: 'nothing is given up while an agent is left that could go on',
      path: 'transferred failed',
    },
    'what comes back has nobody after it': {
      change: { giveBack: (plan) => ({ ...policy.giveBack(plan), next: [] }) },
      fact: 'what was transferred goes back to the agent that gave it away, with the agents that came after that one',
      path: 'transferred failed',
    },
    'an agent that is out is waited for': {
      change: { judge: (plan, failure, limits) => judge(plan, { ...failure, code: 'busy' }, limits) },
      fact: 'an agent that is out is not waited for while another could go on',
      path: 'failed',
    },
    'the wait has no end': {
      change: { judge: (plan, failure, limits) => judge(plan, failure, { ...limits, longest_ms: Infinity }) },
      fact: 'the wait doubles up to the longest, jitter takes up to half of it, and an endpoint is left alone as long as it asks',
      path: 'failed failed',
    },
    'all that failed together is repeated together': {
      change: { judge: (plan, failure, limits) => judge(plan, { ...failure, jitter: 0 }, limits) },
      fact: 'the wait doubles up to the longest, jitter takes up to half of it, and an endpoint is left alone as long as it asks',
      path: 'failed',
    },
    'transfers are not counted': {
      change: { transfer: (plan) => ({ ...policy.transfer(plan), transfers: 0 }) },
      fact: 'the work goes from agent to agent of their own will as often as the settings say',
      path: 'transferred transferred transferred',
    },
    'crashes are not counted': {
      change: { recover: (plan) => plan },
      fact: 'a crash is outlived as often as the settings say, and what gets on counts anew',
      path: 'recovered recovered',
    },
    'crashes count for ever': {
      change: { progress: policy.startOver },
      fact: 'a crash is outlived as often as the settings say, and what gets on counts anew',
      path: 'recovered progressed recovered',
    },
  };

  test.each(Object.entries(broken))('%s', (_, { change, fact, path }) => {
    const found = caught(() => attempts[fact]!(exploreAttempts(change), fact));
    expect(found.message).toContain(fact);
    expect(found.path.map(({ event }) => event.type.replace(/^xstate\.after.*/, 'waited')).join(' ')).toBe(path);
  });
});
