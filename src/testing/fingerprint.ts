// A fingerprint of a chart's structure and behaviour: a test compares it to find a chart that changed without a new version.
import { createHash } from 'node:crypto';
import type { AnyMachineSnapshot, AnyStateMachine } from 'xstate';
import { type Step, stepper } from '../../actors/durable.ts';
import { chartGraph } from '../diagram/graph.ts';
import { checkResults, type ExploreOptions, offered } from './explore.ts';
import { random } from './random.ts';

/** Number of random walks per world, and events per walk. */
const WALKS = 300;
const STEPS = 50;

/**
 * `definition.behaviour`, each 16 hexadecimal digits: the first of the chart's states and transitions by name, the second of the
 * behaviour of guards, actions and delays over many random walks with a fixed seed, with events and results as for `explore`. The
 * same chart has the same fingerprint on every machine; its version and descriptions are not part of it.
 *
 * @example
 * ```ts
 * import { fingerprint } from 'troupe/testing';
 * import { setup } from 'xstate';
 *
 * const lamp = setup({ types: {} as { events: { type: 'press' } } }).createMachine({
 *   id: 'lamp',
 *   initial: 'off',
 *   states: { off: { on: { press: 'on' } }, on: { on: { press: 'off' }, after: { 60_000: 'off' } } },
 * });
 * console.log(fingerprint(lamp, [{ events: [{ type: 'press' }] }])); // 358b096eddfe9d40.0da7b76b2eaf8aa6
 * ```
 */
export function fingerprint<M extends AnyStateMachine>(machine: M, worlds: readonly ExploreOptions<M>[]): string {
  return `${digest([definitionOf(machine)])}.${digest(worlds.flatMap((world) => [...behaviourOf(machine, world)]))}`;
}

const digest = (parts: readonly unknown[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${JSON.stringify(part)}\n`);
  return hash.digest('hex').slice(0, 16);
};

function definitionOf(machine: AnyStateMachine): unknown {
  const { nodes, edges } = chartGraph(machine);
  const bare = ({ description: _, ...rest }: { description?: string }) => rest;
  return [nodes.map(bare), edges.map(bare)];
}

function* behaviourOf<M extends AnyStateMachine>(machine: M, world: ExploreOptions<M>): Generator<unknown> {
  checkResults(machine, world.results);
  const pure = stepper(machine);
  const { pick } = random(1);
  const seen = ({ snapshot, changed, effects, emitted }: Step) => [changed, pure.dump(snapshot), effects, emitted];
  for (let walk = 0; walk < WALKS; walk += 1) {
    const begun = pure.initial(world.input);
    let snapshot: AnyMachineSnapshot = begun.snapshot;
    yield seen(begun);
    for (let n = 0; n < STEPS && snapshot.status === 'active'; n += 1) {
      const event = pick(offered(pure, snapshot, world));
      const step = pure.step(snapshot, event);
      snapshot = step.snapshot;
      yield [event, ...seen(step)];
    }
  }
}
