// `defineAgent`, `defineFlow` and `defineTool`: validate a user's declaration at once and name each invalid member.
import { type AnyStateMachine, StateMachine } from 'xstate';
import { z } from 'zod';
import { token } from '../../machines/session/events.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import type { Flow } from '../routing/directory.ts';
import type { Tool } from '../tools/tool.ts';
import {
  type AgentDefinition,
  agentKinds,
  type FlowAgent,
  type FormAgent,
  type FunctionAgent,
  type HttpAgent,
  type LlmAgent,
  type MachineAgent,
  type NatsAgent,
} from './definition.ts';
import type { Fields, OnlyFields } from './fields.ts';

const declared = z.strictObject({
  id: token,
  kind: z.enum(agentKinds).optional(),
  version: z.string().optional(),
  description: z.string().optional(),
  triggers: z.array(z.string().min(1)).optional(),
  capabilities: z.array(z.string().min(1)).optional(),
  fallbacks: z.array(token).optional(),
  timeout_ms: z.int().positive().optional(),
  tools: z.array(z.unknown()).optional(),
});
const callable = z.custom<(...args: never[]) => unknown>((value) => typeof value === 'function', 'must be a function');
const schema = z.custom((value) => value instanceof z.ZodType, 'must be a zod schema');
const tool = z
  .strictObject({
    name: token,
    description: z.string(),
    input: schema,
    parameters: z
      .looseObject({ type: z.literal('object', 'must be "object": models send their arguments as one') })
      .optional(),
    approval: z.union([z.boolean(), callable], 'must be true, false or a function of the input').optional(),
    timeout_ms: z.int().positive().optional(),
    client: z.literal(true).optional(),
    execute: callable.optional(),
  })
  .refine(({ client, execute }) => client || execute !== undefined, {
    path: ['execute'],
    message: 'must be a function; only a tool with `client: true` has none',
  })
  .refine(({ client, execute }) => !client || execute === undefined, {
    path: ['execute'],
    message: 'must not be there: a tool with `client: true` runs at the caller',
  });
const step = z.strictObject({
  id: token.optional(),
  agent: token,
  timeout_ms: z.int().positive().optional(),
  prompt: callable.optional(),
});
const kinds = {
  function: declared.extend({ run: callable }),
  form: declared.extend({
    run: callable,
    fields: z
      .record(
        z.string(),
        z.strictObject({
          prompt: z.string().min(1),
          schema,
          invalid: z.string().optional(),
          optional: z.boolean().optional(),
        }),
      )
      .refine((fields) => Object.keys(fields).length > 0, 'must name at least one field'),
    extract: callable.optional(),
    confirm: z.boolean().optional(),
    cancelWords: z.array(z.string()).optional(),
    cancelled: z.string().optional(),
  }),
  llm: declared.extend({
    instructions: z.union([z.string(), callable], 'must be text, or a function that gives text').optional(),
    model: z.string().min(1).optional(),
    temperature: z.number().min(0).max(2).optional(),
    max_output_tokens: z.int().positive().optional(),
    max_steps: z.int().positive().optional(),
    history: z.int().min(0).optional(),
    transfers: z.array(token).optional(),
    parallel_tool_calls: z.boolean().optional(),
  }),
  machine: declared.extend({
    machine: z.custom<AnyStateMachine>((value) => value instanceof StateMachine, 'must be an XState machine'),
    input: callable.optional(),
    actors: z.record(z.string(), callable).optional(),
  }),
  flow: declared.extend({
    mode: z.enum(['sequential', 'parallel']),
    steps: z
      .array(z.union([token, step], 'must be the id of an agent, or { id?, agent, timeout_ms?, prompt? }'))
      .min(1, 'must name at least one step'),
    on_failure: z.enum(['stop', 'continue']).optional(),
    aggregate: z
      .union(
        [callable, step.omit({ id: true })],
        'must be a function of the results, or { agent, timeout_ms?, prompt? }',
      )
      .optional(),
    attempts: z.int().min(1).max(100).optional(),
    backoff_ms: z.int().min(0).optional(),
  }),
  nats: declared.extend({ idle_ms: z.int().positive().optional() }),
  http: declared.extend({
    idle_ms: z.int().positive().optional(),
    endpoints: z
      .array(
        z.strictObject({
          id: token,
          url: z.url({ protocol: /^https?$/ }),
          weight: z.number().positive().optional(),
        }),
      )
      .min(1),
  }),
};

/**
 * Declares an agent: `{ id, run }` is a function, `{ kind: 'form', fields, run }` collects its inputs first, `{ kind:
 * 'llm', instructions, tools }` calls a model, `{ kind: 'machine', machine, actors }` is a user's own chart, `{ kind:
 * 'flow', mode, steps }` is a flow over other agents, `{ kind: 'http', endpoints }` is remote, `{ kind: 'nats' }`
 * subscribes to its subject. Throws `Refused('bad_request')`, which names the invalid member.
 *
 * @example
 * ```ts
 * import { createTroupe, defineAgent } from 'troupe';
 * import { z } from 'zod';
 *
 * const booking = defineAgent({
 *   id: 'booking',
 *   kind: 'form',
 *   triggers: ['book a table'],
 *   fields: {
 *     city: { prompt: 'In which city?', schema: z.string().min(2) },
 *     people: { prompt: 'For how many?', schema: z.coerce.number().int() },
 *   },
 *   run: ({ city, people }) => `A table for ${people} in ${city}.`,
 * });
 * const troupe = await createTroupe({ agents: [booking] });
 * const session = troupe.session('s1');
 * console.log((await session.send('book a table')).answer); // In which city?
 * console.log((await session.send('Kiel')).answer); // For how many?
 * console.log((await session.send('4')).answer); // A table for 4 in Kiel.
 * await troupe.close();
 * ```
 */
export function defineAgent(agent: FunctionAgent): FunctionAgent;
export function defineAgent<const F extends Fields>(
  agent: FormAgent<F> & { readonly fields: OnlyFields<F> },
): FormAgent<F>;
export function defineAgent(agent: LlmAgent): LlmAgent;
export function defineAgent(agent: MachineAgent): MachineAgent;
export function defineAgent(agent: FlowAgent): FlowAgent;
export function defineAgent(agent: HttpAgent): HttpAgent;
export function defineAgent(agent: NatsAgent): NatsAgent;
// The last one is what the compiler speaks of where none fits: of all kinds it finds the one that is meant.
export function defineAgent(agent: AgentDefinition): AgentDefinition;
export function defineAgent(agent: AgentDefinition): AgentDefinition {
  checkAgent(agent);
  return agent;
}

export function checkAgent(agent: AgentDefinition): void {
  const kind = agent.kind ?? 'function';
  parse(z.enum(agentKinds), kind, `agent "${agent.id}" kind`);
  parse(kinds[kind], agent, `agent "${agent.id}"`);
  for (const own of ('tools' in agent && agent.tools) || [])
    if (typeof own === 'string') parse(token, own, `agent "${agent.id}" tools`);
    else checkTool(own);
  if (agent.kind === 'machine') checkActors(agent);
  if (agent.kind === 'flow') checkSteps(agent);
}

/**
 * Checks that every invoke has an actor: a chart that fails only when it enters that state would be found out too late.
 */
function checkActors({ id, machine, actors = {} }: MachineAgent): void {
  const wanted = invoked(machine.root);
  const missing = [...new Set(wanted)].filter((src) => !Object.hasOwn(actors, src));
  if (missing.length > 0) {
    const names = missing.map((src) => `"${src}"`).join(', ');
    throw new Refused('bad_request', `agent "${id}" actors: nothing performs ${names}, which its chart invokes`);
  }
}

/** Results are named by their steps, so no two steps may have the same name. */
function checkSteps({ id, steps }: FlowAgent): void {
  const named = steps.flatMap((one) => (typeof one === 'string' ? [] : (one.id ?? [])));
  const taken = named.find((name, at) => name === 'aggregate' || named.indexOf(name) !== at);
  if (taken === undefined) return;
  const why = taken === 'aggregate' ? 'is what the step that aggregates is called' : 'is the id of two steps';
  throw new Refused('bad_request', `agent "${id}" steps: "${taken}" ${why}`);
}

const invoked = (node: AnyStateMachine['root']): string[] => [
  ...node.invoke.map(({ src }: { src: unknown }) => String(src)),
  ...Object.values(node.states).flatMap(invoked),
];

/**
 * Declares a tool: `defineTool({ name, description, input, execute })`, or `client: true` instead of `execute` for one
 * that runs at the caller. Types of `execute` and `approval` follow from `input`. Throws `Refused('bad_request')`,
 * which names the invalid member.
 *
 * @example
 * ```ts
 * import { createTroupe, defineAgent, defineTool } from 'troupe';
 * import { z } from 'zod';
 *
 * const findOrder = defineTool({
 *   name: 'find-order',
 *   description: 'Says where an order is.',
 *   input: z.object({ order: z.string() }),
 *   execute: ({ order }) => ({ order, state: 'sent' }),
 * });
 * const orders = defineAgent({
 *   id: 'orders',
 *   triggers: ['my order'],
 *   tools: [findOrder],
 *   run: async (text, { tool }) => JSON.stringify(await tool('find-order', { order: /\d+/.exec(text)?.[0] })),
 * });
 * const troupe = await createTroupe({ agents: [orders] });
 * console.log((await troupe.session('s1').send('where is my order 1234?')).answer); // {"order":"1234","state":"sent"}
 * await troupe.close();
 * ```
 */
export function defineTool<Input>(definition: Tool<Input>): Tool<Input> {
  checkTool(definition);
  return definition;
}

export function checkTool(definition: Tool): void {
  parse(tool, definition, `tool "${definition.name}"`);
}

const flow = z.strictObject({
  agent_type: token,
  tools: z.array(token).optional(),
  agent_params: z.record(z.string(), z.unknown()).optional(),
});

/**
 * Declares a flow: `{ agent_type, tools, agent_params }`. The agent that it runs may use only the tools that it lists.
 *
 * @example
 * ```ts
 * import { createTroupe, defineFlow } from 'troupe';
 *
 * const formal = defineFlow({ agent_type: 'greeter', agent_params: { greeting: 'Good day' } });
 * const troupe = await createTroupe({
 *   agents: [{ id: 'greeter', run: (_, { call }) => `${call.params?.greeting ?? 'Hi'}!` }],
 *   flows: { formal },
 * });
 * console.log((await troupe.session('s1').send('hello', { flow: 'formal' })).answer); // Good day!
 * await troupe.close();
 * ```
 */
export const defineFlow = (definition: Flow): Flow => parse(flow, definition, 'flow');

export function checkFlow(name: string, definition: Flow): void {
  parse(flow, definition, `flow "${name}"`);
}
