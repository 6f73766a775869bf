// What can be sent to the runtime's own charts, as schemas and examples: for viewers, and for whoever tries them by hand.
import { z } from 'zod';
import { breakerDefaults } from '../../machines/breaker/rules.ts';
import { flowEvent, flowInput } from '../../machines/flow/events.ts';
import { formEvent, formInput } from '../../machines/form/events.ts';
import type { machines } from '../../machines/index.ts';
import { jobSettings, priorities } from '../../machines/job/events.ts';
import { orchestratorEvent } from '../../machines/orchestrator/events.ts';
import { reactEvent, reactInput } from '../../machines/react/events.ts';
import { bodies, route, settings, type Verb } from '../../machines/session/events.ts';

/** What is known of a chart besides the chart. */
export interface Described {
  /** By type; without the type. */
  readonly events?: Readonly<Record<string, z.ZodType>>;
  readonly input?: z.ZodType;
  /** An input to begin with. */
  readonly sample_input?: unknown;
  /** An event of each type, without the type. */
  readonly samples?: Readonly<Record<string, object>>;
  /** What the work of an invoke may come to, by its `src`. */
  readonly outputs?: Readonly<Record<string, unknown>>;
}

const text = z.string();
const count = z.int().min(0);
const milliseconds = z.number().min(0);
const nothing = z.object({});

const message = bodies.message.omit({ agent_id: true }).extend({
  id: text,
  agent: text.optional(),
  route: route.optional(),
});

const session: Described = {
  events: {
    ...(bodies satisfies Record<Verb, z.ZodType>),
    message,
    progressed: z.object({ task: z.unknown(), told: z.array(z.looseObject({ type: text })).optional() }),
    escalated: z.object({ reason: text }),
    recovered: nothing,
    fail: z.object({ reason: text }),
  },
  input: z.object({ id: text.default('s1'), settings: settings.prefault({}), config: z.unknown().optional() }),
  sample_input: { id: 's1', settings: settings.parse({}) },
  samples: {
    message: { id: 'm1', content: 'Hello', route: { agent: 'helper', confidence: 1, reason: 'named by the caller' } },
    pause: { mode: 'drain' },
    takeover: { by: 'ann' },
    inject: { mode: 'speak', content: 'Ann here.', by: 'ann' },
    approve: { approval: 's1-r1.1', decision: 'approve', by: 'ann' },
    tool_result: { call: 's1-r1.1', result: 42 },
    progressed: { task: { step: 1 } },
    escalated: { reason: 'the user asks for a person' },
    fail: { reason: 'the chart could not take an event' },
  },
  outputs: {
    screen: { allow: true },
    router: { agent: 'helper', confidence: 0.8, reason: 'trigger' },
    agent: { result: { type: 'answer', final_message: 'Hello!' }, endpoint: 'helper/local', ms: 12 },
  },
};

const form: Described = {
  events: byType(formEvent.options),
  input: formInput,
  sample_input: { fields: [{ name: 'city', optional: false }], confirm: true, answers: {}, skipped: [], asking: null },
  samples: {
    answer: { field: 'city', value: 'Oslo' },
    invalid: { field: 'city', message: 'must be a city' },
    skip: { field: 'city' },
    change: { field: 'city' },
  },
};

const react: Described = {
  events: byType(reactEvent.options),
  input: reactInput,
  sample_input: { input: ['What is 6 times 7?'], max_steps: 3 },
  samples: {
    heard: { input: ['And hurry.'] },
    decided: { decision: { kind: 'approval', decision: 'approve', by: 'ann' } },
    'tool.finished': { call: 'c1', output: 42, ms: 5 },
  },
  outputs: {
    model: { text: '', calls: [{ id: 'c1', name: 'multiply', arguments: { a: 6, b: 7 }, kind: 'run' }] },
    tools: {},
  },
};

const flow: Described = {
  events: byType(flowEvent.options),
  input: flowInput,
  sample_input: {
    mode: 'sequential',
    steps: [
      { id: 'research', agent: 'researcher' },
      { id: 'write', agent: 'writer' },
    ],
    on_failure: 'stop',
    input: ['Write about owls.'],
  },
  samples: {
    heard: { input: ['Barn owls.'] },
    decided: { decision: { kind: 'approval', decision: 'approve', by: 'ann' } },
    'step.progressed': { step: 'research', task: {} },
    'step.moved': { step: 'research', agent: 'librarian', reason: 'knows more', transfer: true },
    'step.retried': { step: 'research', error: { code: 'agent_failed', message: 'it cannot' } },
    'step.returned': { step: 'research', error: { code: 'agent_failed', message: 'it cannot' } },
    'step.finished': { step: 'research', output: 'Owls hunt at night.', ms: 9 },
    'step.failed': { step: 'research', error: { code: 'agent_failed', message: 'it cannot' }, ms: 9 },
    'step.asked': { step: 'research', question: { type: 'input_required', prompt: 'Which owls?' } },
    'step.handed_over': { step: 'research', final_message: 'Ann takes over.', reason: 'too hard' },
  },
};

const job: Described = {
  events: {
    enqueue: z.object({
      orchestrator: text,
      payload: z.unknown(),
      priority: z.enum(priorities),
      delay_ms: milliseconds,
      settings: jobSettings,
      parent: text.optional(),
      ticket: text,
      at: z.number(),
    }),
    start: nothing,
    progressed: z.object({ progress: z.number().min(0).max(1), note: text.optional() }),
    step_done: z.object({ name: text, result: z.unknown() }),
    recovered: nothing,
    cancel: z.object({ by: text.optional(), reason: text.optional() }),
    retry: z.object({ by: text.optional() }),
    fail: z.object({ reason: text }),
  },
  input: z.object({ id: text }),
  sample_input: { id: 'j1' },
  samples: {
    enqueue: {
      ...{ orchestrator: 'lead', payload: {}, priority: 'normal', delay_ms: 0, ticket: 't1', at: 0 },
      settings: jobSettings.parse({}),
    },
    progressed: { progress: 0.5, note: 'half of it' },
    step_done: { name: 'fetch', result: {} },
    fail: { reason: 'performing it broke the runtime' },
  },
  outputs: { run: {} },
};

const endpoint: Described = {
  events: {
    'call.started': z.object({ in_flight: count }),
    'call.ended': z.object({ in_flight: count, ok: z.boolean().optional() }),
    'probe.succeeded': nothing,
    'probe.failed': nothing,
    heartbeat: z.object({
      in_flight: count.optional(),
      capacity: count.optional(),
      interval_s: z.number().positive().optional(),
    }),
    drain: nothing,
    remove: nothing,
  },
  sample_input: { watched: true, capacity: 2 },
  samples: {
    'call.started': { in_flight: 1 },
    'call.ended': { in_flight: 0, ok: true },
    heartbeat: { in_flight: 0, capacity: 2, interval_s: 30 },
  },
};

const admission = count;
const breaker: Described = {
  events: {
    'call.started': nothing,
    'call.succeeded': z.object({ admission, ms: milliseconds, cost_usd: z.number().min(0).optional() }),
    'call.failed': z.object({ admission, code: text }),
    'call.abandoned': z.object({ admission }),
  },
  sample_input: breakerDefaults,
  samples: {
    'call.succeeded': { admission: 0, ms: 120 },
    'call.failed': { admission: 0, code: 'unreachable' },
    'call.abandoned': { admission: 0 },
  },
};

const orchestrator: Described = {
  events: byType(orchestratorEvent.options),
  samples: { 'journal.failed': { reason: 'the disk is full' }, 'join.failed': { reason: 'no server answers' } },
};

const url = text;
const registry: Described = {
  events: {
    register: z.object({
      agent: z.looseObject({
        agent_id: text,
        kind: z.literal('http'),
        endpoints: z.array(z.looseObject({ id: text, url })),
      }),
      join: z.boolean().optional(),
    }),
    deregister: z.object({ agent_id: text }),
  },
  input: z.object({ tenant: text }),
  sample_input: { tenant: 'default' },
  samples: {
    register: { agent: { agent_id: 'far', kind: 'http', endpoints: [{ id: '1', url: 'http://127.0.0.1:9001' }] } },
    deregister: { agent_id: 'far' },
  },
};

export const known: Readonly<Record<keyof typeof machines, Described>> = {
  ...{ session, form, job, react, flow, orchestrator, endpoint, breaker, registry },
  agent: {
    events: {
      'endpoints.counted': z.object({ available: count, probing: count, total: count }),
      remove: nothing,
    },
    samples: { 'endpoints.counted': { available: 1, probing: 0, total: 2 } },
  },
  budget: {
    events: { spend: z.object({ tokens: count.optional(), cost_usd: z.number().optional(), calls: count.optional() }) },
    sample_input: { tokens: 10_000, window_ms: 3_600_000 },
    samples: { spend: { tokens: 4_000, calls: 1 } },
  },
  shard: {
    events: { assigned: nothing, unassigned: nothing, free: nothing, lost: nothing },
    sample_input: { shard: 0 },
  },
};

function byType(options: readonly z.ZodObject<{ type: z.ZodLiteral<string> }>[]): Record<string, z.ZodType> {
  return Object.fromEntries(options.map((option) => [option.shape.type.value, option.omit({ type: true })]));
}
