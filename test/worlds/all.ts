// A world for every chart of the runtime, or several where no single one reaches everything: as small as that can be done with.
import type { AnyStateMachine } from 'xstate';
import { machines } from '../../machines/index.ts';
import type { Settings } from '../../machines/session/events.ts';
import type { ExploreOptions } from '../../src/testing/explore.ts';
import { overAnyPolicy as flowOverAnyPolicy, world as flowWorld, inputOf, type Shape } from '../flow/world.ts';
import { MAX_STEPS, world as reactWorld } from '../react/world.ts';
import { overAnyPolicy, world as sessionWorld, small } from '../session/world.ts';
import { agentWorld } from './agent.ts';
import { breakerWorld } from './breaker.ts';
import { budgetWorld } from './budget.ts';
import { endpointWorld } from './endpoint.ts';
import { formWorld } from './form.ts';
import { jobWorld } from './job.ts';
import { orchestratorWorld } from './orchestrator.ts';
import { registryWorld } from './registry.ts';
import { shardWorld } from './shard.ts';

const session = (settings: Partial<Settings>) => ({
  input: { id: 's1', settings: small({ queue_limit: 1, ...settings }) },
  ...sessionWorld,
});

const flow = (shape: Shape) => ({ input: inputOf(shape), ...flowWorld });

/** The charts as they are explored: sessions and flows over a policy that may say anything, whose own facts say what the product's says. */
export const explored: Readonly<Record<keyof typeof machines, AnyStateMachine>> = {
  ...machines,
  session: overAnyPolicy(),
  flow: flowOverAnyPolicy(),
};

export const worlds: Readonly<Record<keyof typeof machines, readonly ExploreOptions<any>[]>> = {
  // Two policies for messages that come while the AI is at work have transitions of their own; the other two keep or refuse them.
  session: [session({ busy: 'interrupt', hooks: true }), session({ busy: 'steer' })],
  form: [formWorld({ confirm: false }), formWorld({ confirm: true })],
  job: [jobWorld],
  react: [{ input: { input: ['hello'], max_steps: MAX_STEPS }, ...reactWorld }],
  flow: [
    flow({ mode: 'sequential', on_failure: 'stop' }),
    flow({ mode: 'sequential', on_failure: 'continue', aggregate: 'function' }),
  ],
  orchestrator: [orchestratorWorld],
  agent: [agentWorld],
  // One that is not watched is never in doubt; one of a single place is idle as soon as it is not full.
  endpoint: [endpointWorld, { ...endpointWorld, input: { capacity: 1 } }],
  breaker: [breakerWorld],
  budget: [budgetWorld],
  shard: [shardWorld],
  registry: [registryWorld],
};
