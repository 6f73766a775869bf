// A declaration with a member that there is not is wrong twice: for the compiler, and when it is made.
import {
  type AgentReturn,
  createTroupe,
  defineAgent,
  defineFlow,
  defineOrchestrator,
  defineTool,
  type Emitted,
  type EmittedOf,
  type FormAgent,
  type FunctionAgent,
  type LlmAgent,
  type OrchestratorDefinition,
  type Outcome,
  Refused,
  type Tool,
  type TranscriptMessage,
} from 'troupe';
import { breakerMachine } from 'troupe/machines';
import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';

const run = () => 'ok';
const input = z.object({ order: z.string() });
const tool = { name: 'find', description: 'finds', input, execute: run };
const city = { prompt: 'Where?', schema: z.string() };
const lead = { name: 'lead', version: '1', payload: z.object({ company: z.string() }), run: () => [] };

test.each<[what: string, declare: () => unknown, message: string]>([
  [
    'an agent that is a function',
    // @ts-expect-error
    () => defineAgent({ id: 'a', trigers: ['x'], run }),
    'agent "a": Unrecognized key: "trigers"; did you mean "triggers"?',
  ],
  [
    'a form',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'form', fields: { city }, confrim: true, run }),
    'agent "a": Unrecognized key: "confrim"; did you mean "confirm"?',
  ],
  [
    'a field of a form',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'form', fields: { city: { ...city, optonal: true } }, run }),
    'agent "a".fields.city: Unrecognized key: "optonal"; did you mean "optional"?',
  ],
  [
    'an agent that calls a model',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'llm', instruction: 'Be brief.' }),
    'agent "a": Unrecognized key: "instruction"; did you mean "instructions"?',
  ],
  [
    'a flow of agents',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'flow', mode: 'parallel', steps: ['b'], onFailure: 'stop' }),
    'agent "a": Unrecognized key: "onFailure"; did you mean "on_failure"?',
  ],
  [
    'an endpoint',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'http', endpoints: [{ id: 'b', url: 'http://127.0.0.1:1', wait: 2 }] }),
    'agent "a".endpoints.0: Unrecognized key: "wait"',
  ],
  [
    'an agent on a subject',
    // @ts-expect-error
    () => defineAgent({ id: 'a', kind: 'nats', idleMs: 1 }),
    'agent "a": Unrecognized key: "idleMs"; did you mean "idle_ms"?',
  ],
  [
    'a tool',
    // @ts-expect-error
    () => defineTool({ ...tool, aproval: true }),
    'tool "find": Unrecognized key: "aproval"; did you mean "approval"?',
  ],
  [
    'a flow',
    // @ts-expect-error
    () => defineFlow({ agent_type: 'a', tool: ['find'] }),
    'flow: Unrecognized key: "tool"; did you mean "tools"?',
  ],
  [
    'an orchestrator',
    // @ts-expect-error
    () => defineOrchestrator({ ...lead, timeout: 1 }),
    'orchestrator "lead": Unrecognized key: "timeout"; did you mean "timeout_ms"?',
  ],
  [
    'a runtime',
    // @ts-expect-error
    () => createTroupe({ routng: 'llm' }),
    'createTroupe: Unrecognized key: "routng"; did you mean "routing"?',
  ],
  [
    'the pool of a runtime',
    // @ts-expect-error
    () => createTroupe({ pool: { balance: 'round_robin' } }),
    'createTroupe.pool: Unrecognized key: "balance"; did you mean "balancing"?',
  ],
  [
    'a breaker',
    // @ts-expect-error
    () => createTroupe({ pool: { breaker: { failures_threshold: 1 } } }),
    'createTroupe.pool.breaker: Unrecognized key: "failures_threshold"; did you mean "failure_threshold"?',
  ],
  [
    'settings',
    // @ts-expect-error
    () => createTroupe({ settings: { atempts: 1 } }),
    'settings: Unrecognized key: "atempts"; did you mean "attempts"?',
  ],
  [
    'an agent that is declared in place',
    // @ts-expect-error
    () => createTroupe({ agents: [{ id: 'a', capabilites: ['x'], run }] }),
    'agent "a": Unrecognized key: "capabilites"; did you mean "capabilities"?',
  ],
  [
    'a flow that is declared in place',
    // @ts-expect-error
    () => createTroupe({ flows: { f: { agent_type: 'a', agent_param: {} } } }),
    'flow "f": Unrecognized key: "agent_param"; did you mean "agent_params"?',
  ],
  [
    'a chart of the user',
    // @ts-expect-error
    () => createTroupe({ machines: { light: { machine: breakerMachine, sample: {} } } }),
    'machine "light": Unrecognized key: "sample"; did you mean "samples"?',
  ],
  [
    'how models are called',
    // @ts-expect-error
    () => createTroupe({ llm: { founders: {} } }),
    'llm: Unrecognized key: "founders"; did you mean "founder"?',
  ],
])('%s with a misspelt member is refused, with what was meant where that is close', async (_, declare, message) => {
  const refusal = await (async () => declare())().then(
    () => expect.fail('it was not refused'),
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(Refused);
  expect(refusal).toMatchObject({ code: 'bad_request', message });
});

test('a form hands its run what the schemas make of the answers, and nothing where a field was skipped', () => {
  const agent = defineAgent({
    id: 'booking',
    kind: 'form',
    fields: {
      city,
      people: { prompt: 'How many?', schema: z.coerce.number() },
      wish: { prompt: 'Anything else?', schema: z.string(), optional: true },
    },
    run: (values) => {
      expectTypeOf(values.city).toEqualTypeOf<string>();
      expectTypeOf(values.people).toEqualTypeOf<number>();
      expectTypeOf(values.wish).toEqualTypeOf<string | undefined>();
      // @ts-expect-error
      return `${values.country}`;
    },
  });
  expectTypeOf(agent).toExtend<FormAgent>();
  expect(agent.id).toBe('booking');
});

test('a tool and an orchestrator take what their schemas make, and are declared beside others', () => {
  const find = defineTool({
    ...tool,
    approval: ({ order }) => order === '1',
    execute: (value) => expectTypeOf(value).toEqualTypeOf<{ order: string }>(),
  });
  const made = defineOrchestrator({
    ...lead,
    run: (payload) => {
      expectTypeOf(payload).toEqualTypeOf<{ company: string }>();
      return [];
    },
  });
  expectTypeOf(find).toExtend<Tool>();
  expectTypeOf(made).toExtend<OrchestratorDefinition>();
});

test('what users hold has types throughout: no member of it is `any`', () => {
  expectTypeOf<Tool['input']>().not.toBeAny();
  expectTypeOf<z.output<Tool['input']>>().toEqualTypeOf<unknown>();
  expectTypeOf<Parameters<FormAgent['run']>[0][string]>().toEqualTypeOf<unknown>();
  expectTypeOf<Parameters<OrchestratorDefinition['run']>[0]>().toEqualTypeOf<unknown>();
  expectTypeOf<Emitted>().not.toBeAny();
  expectTypeOf<Awaited<ReturnType<FunctionAgent['run']>>>().not.toBeAny();
  expectTypeOf<NonNullable<LlmAgent['tools']>[number]>().toEqualTypeOf<Tool | string>();
  expectTypeOf<AgentReturn>().not.toBeAny();
  expectTypeOf<Outcome['question']>().toEqualTypeOf<EmittedOf<'approval_requested' | 'tool_requested'> | undefined>();
  expectTypeOf<TranscriptMessage['content']>().toEqualTypeOf<string>();
});
