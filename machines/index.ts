// Every chart of the runtime, by name: what viewers draw, tests explore and users import as `troupe/machines`.
import { agentMachine as agent } from './agent/machine.ts';
import { breakerMachine as breaker } from './breaker/machine.ts';
import { budgetMachine as budget } from './budget/machine.ts';
import { endpointMachine as endpoint } from './endpoint/machine.ts';
import { flowMachine as flow } from './flow/machine.ts';
import { formMachine as form } from './form/machine.ts';
import { jobMachine as job } from './job/machine.ts';
import { orchestratorMachine as orchestrator } from './orchestrator/machine.ts';
import { reactMachine as react } from './react/machine.ts';
import { registryMachine as registry } from './registry/machine.ts';
import { sessionMachine as session } from './session/machine.ts';
import { shardMachine as shard } from './shard/machine.ts';

export * from './agent/machine.ts';
export * from './breaker/machine.ts';
export * from './budget/machine.ts';
export * from './endpoint/machine.ts';
export * from './flow/machine.ts';
export * from './form/machine.ts';
export * from './job/machine.ts';
export * from './orchestrator/machine.ts';
export * from './react/machine.ts';
export * from './registry/machine.ts';
export * from './session/machine.ts';
export * from './shard/machine.ts';

export const machines = {
  ...{ session, form, job, react, flow, orchestrator },
  ...{ agent, endpoint, breaker, budget, shard, registry },
} as const;

/** What a session is created with, as the schema that fills in the defaults: `settings.parse({})`. */
export { settings } from './session/events.ts';
