// Every chart of the runtime, by name: what viewers draw, tests explore and users import as `troupe/machines`.
import { agentMachine } from './agent/machine.ts';
import { breakerMachine } from './breaker/machine.ts';
import { budgetMachine } from './budget/machine.ts';
import { endpointMachine } from './endpoint/machine.ts';
import { flowMachine } from './flow/machine.ts';
import { formMachine } from './form/machine.ts';
import { jobMachine } from './job/machine.ts';
import { orchestratorMachine } from './orchestrator/machine.ts';
import { reactMachine } from './react/machine.ts';
import { registryMachine } from './registry/machine.ts';
import { sessionMachine } from './session/machine.ts';
import { shardMachine } from './shard/machine.ts';

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
  session: sessionMachine,
  form: formMachine,
  job: jobMachine,
  react: reactMachine,
  flow: flowMachine,
  orchestrator: orchestratorMachine,
  agent: agentMachine,
  endpoint: endpointMachine,
  breaker: breakerMachine,
  budget: budgetMachine,
  shard: shardMachine,
  registry: registryMachine,
} as const;

/** What a session is created with, as the schema that fills in the defaults: `settings.parse({})`. */
export { settings } from './session/events.ts';
