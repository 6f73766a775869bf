// Load balancing: four ways to choose the endpoint of the next call.
import type { Metrics } from './metrics.ts';

export const balancings = ['round_robin', 'weighted_round_robin', 'least_connections', 'score'] as const;
export type Balancing = (typeof balancings)[number];

/** The properties of an endpoint that the choice depends on. */
export interface Candidate {
  readonly definition: { readonly weight?: number };
  readonly metrics: Metrics;
  readonly load: number;
  readonly capacity: number | undefined;
  readonly standing: 'good' | 'doubtful' | 'out';
  readonly breakerState: 'closed' | 'open' | 'halfOpen';
}

/** Chooses one of a list that is not empty. Each agent has a chooser of its own, because it stores whose turn it is. */
export type Choose = <C extends Candidate>(candidates: readonly C[]) => C;

export function chooser(balancing: Balancing): Choose {
  switch (balancing) {
    case 'round_robin':
      return roundRobin();
    case 'weighted_round_robin':
      return weightedRoundRobin();
    case 'least_connections':
      return best((candidate) => -candidate.load);
    case 'score':
      return best(score);
  }
}

/** The one that was chosen longest ago: fair also when endpoints are added or removed. */
function roundRobin(): Choose {
  const lastTurn = new WeakMap<Candidate, number>();
  let turn = 0;
  return (candidates) => {
    let chosen = candidates[0]!;
    for (const candidate of candidates)
      if ((lastTurn.get(candidate) ?? 0) < (lastTurn.get(chosen) ?? 0)) chosen = candidate;
    turn += 1;
    lastTurn.set(chosen, turn);
    return chosen;
  };
}

/** The smooth kind: with weights 5, 1, 1 it gives a a b a c a a, not a a a a a b c. */
function weightedRoundRobin(): Choose {
  const credit = new WeakMap<Candidate, number>();
  return (candidates) => {
    let total = 0;
    let chosen = candidates[0]!;
    for (const candidate of candidates) {
      const weight = candidate.definition.weight ?? 1;
      total += weight;
      credit.set(candidate, (credit.get(candidate) ?? 0) + weight);
      if (credit.get(candidate)! > credit.get(chosen)!) chosen = candidate;
    }
    credit.set(chosen, credit.get(chosen)! - total);
    return chosen;
  };
}

/** The highest by `value`; equals take turns. */
function best(value: (candidate: Candidate, all: readonly Candidate[]) => number): Choose {
  const takeTurns = roundRobin();
  return (candidates) => {
    const values = candidates.map((candidate) => value(candidate, candidates));
    const highest = Math.max(...values);
    return takeTurns(candidates.filter((_, i) => values[i] === highest));
  };
}

/** E4: 0.3 response time + 0.3 success rate + 0.2 load + 0.2 health, each from 0 (worst) to 1 (best). */
export function score(candidate: Candidate, all: readonly Candidate[]): number {
  const response = responseTime(candidate, all);
  const load = candidate.capacity === undefined ? 1 / (1 + candidate.load) : 1 - candidate.load / candidate.capacity;
  const health = candidate.standing === 'good' && candidate.breakerState === 'closed' ? 1 : 0.5;
  return 0.3 * response + 0.3 * candidate.metrics.successRate + 0.2 * load + 0.2 * health;
}

// Relative to the fastest candidate: 1 for as fast, 0.5 for twice as slow. An endpoint without a success counts as
// fast.
function responseTime(candidate: Candidate, all: readonly Candidate[]): number {
  const own = candidate.metrics.average;
  if (own === undefined) return 1;
  let fastest = own;
  for (const { metrics } of all) fastest = Math.min(fastest, metrics.average ?? own);
  // A millisecond on both sides keeps clock ticks from counting as a difference.
  return (fastest + 1) / (own + 1);
}
