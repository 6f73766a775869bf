// The charts of a runtime, its own and the application's, for viewers and for the sandbox.
import type { AnyStateMachine } from 'xstate';
import { z } from 'zod';
import { agent } from '../../machines/agent/samples.ts';
import { breaker } from '../../machines/breaker/samples.ts';
import { budget } from '../../machines/budget/samples.ts';
import { endpoint } from '../../machines/endpoint/samples.ts';
import { flow } from '../../machines/flow/samples.ts';
import { form } from '../../machines/form/samples.ts';
import { machines } from '../../machines/index.ts';
import { job } from '../../machines/job/samples.ts';
import { orchestrator } from '../../machines/orchestrator/samples.ts';
import { react } from '../../machines/react/samples.ts';
import { registry } from '../../machines/registry/samples.ts';
import type { Described } from '../../machines/samples.ts';
import { session } from '../../machines/session/samples.ts';
import { shard } from '../../machines/shard/samples.ts';
import type { AgentDefinition } from '../agents/definition.ts';
import { type ChartGraph, chartGraph } from '../diagram/graph.ts';
import { Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';

/** A chart of the application: the machine alone, or with schemas of its events and its input. */
export type OwnMachine = AnyStateMachine | ({ readonly machine: AnyStateMachine } & Described);

export interface Chart extends Described {
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly origin: 'troupe' | 'user';
}

/** A chart as `GET /v1/machines` shows it. Schemas are JSON Schema; null if there is none. */
export interface ChartView extends ChartGraph {
  readonly origin: Chart['origin'];
  /** Schemas by event type. Types that begin with `xstate.` are results of invokes and timers. */
  readonly events: Readonly<Record<string, object | null>>;
  readonly input: object | null;
  readonly sample_input?: unknown;
  /** An example event per type; missing if none can be generated. */
  readonly samples: Readonly<Record<string, object>>;
}

const described: Readonly<Record<keyof typeof machines, Described>> = {
  ...{ session, form, job, react, flow, orchestrator, agent, endpoint, breaker, budget, shard, registry },
};

export class Charts {
  readonly #charts: ReadonlyMap<string, Chart>;

  /** Throws `Refused`: `bad_machine`, or `duplicate_machine` if two have the same name. */
  constructor(own: Readonly<Record<string, OwnMachine>> = {}, agents: readonly AgentDefinition[] = []) {
    const charts = new Map<string, Chart>();
    for (const [name, machine] of Object.entries(machines))
      charts.set(name, { ...described[name as keyof typeof machines], name, machine, origin: 'troupe' });
    for (const [name, given] of Object.entries(own)) {
      if (charts.has(name)) throw new Refused('duplicate_machine', `there is a machine "${name}" already`);
      charts.set(name, ownChart(name, given));
    }
    // Several agents may share one machine.
    for (const agent of agents)
      if (agent.kind === 'machine' && ![...charts.values()].some(({ machine }) => machine === agent.machine))
        charts.set(charts.has(agent.machine.id) ? agent.id : agent.machine.id, ownChart(agent.id, agent.machine));
    this.#charts = new Map([...charts].map(([name, chart]) => [name, { ...chart, name }]));
  }

  list(): Chart[] {
    return [...this.#charts.values()];
  }

  /** Throws `Refused('unknown_machine')` naming the existing ones. */
  get(name: string): Chart {
    const chart = this.#charts.get(name);
    if (chart) return chart;
    const names = [...this.#charts.keys()].join(', ');
    throw new Refused('unknown_machine', `there is no machine "${name}"; there are ${names}`, 404);
  }
}

const given = z.unknown().optional();
const ownMachine = z.strictObject({
  machine: given,
  events: given,
  input: given,
  sample_input: given,
  samples: given,
  outputs: given,
} satisfies Record<'machine' | keyof Described, z.ZodType>);

function ownChart(name: string, given: OwnMachine): Chart {
  const { machine, ...described } = isMachine(given) ? { machine: given } : given;
  if (!isMachine(machine)) throw new Refused('bad_machine', `machine "${name}" is no XState machine`);
  if (!isMachine(given)) parse(ownMachine, given, `machine "${name}"`);
  return { ...described, name, machine, origin: 'user' };
}

const isMachine = (value: unknown): value is AnyStateMachine =>
  typeof value === 'object' && value !== null && 'root' in value && 'transition' in value;

/** The view of a chart for `GET /v1/machines`. */
export function chartView(chart: Chart): ChartView {
  const graph = chartGraph(chart.machine);
  const types = [...new Set(graph.edges.map(({ event }) => event))].filter((type) => type !== '' && type !== '*');
  const events = { ...chart.events, ...Object.fromEntries(types.map((type) => [type, chart.events?.[type]])) };
  return {
    ...graph,
    origin: chart.origin,
    events: Object.fromEntries(Object.entries(events).map(([type, schema]) => [type, jsonSchema(schema)])),
    input: jsonSchema(chart.input),
    ...(chart.sample_input !== undefined && { sample_input: chart.sample_input }),
    samples: Object.fromEntries(
      Object.entries(events).flatMap(([type, schema]) => {
        const sample = sampleOf(chart, graph, type);
        return schema && !schema.safeParse(sample).success ? [] : [[type, { type, ...sample }]];
      }),
    ),
  };
}

const DONE = 'xstate.done.actor.';
const ERROR = 'xstate.error.actor.';

function sampleOf({ samples, outputs }: Chart, { nodes }: ChartGraph, type: string): object {
  if (samples?.[type]) return samples[type];
  const actorId = type.startsWith(DONE) ? type.slice(DONE.length) : type.slice(ERROR.length);
  if (type.startsWith(ERROR))
    return { actorId, error: { code: 'agent_failed', message: 'it did not work', retryable: true } };
  if (!type.startsWith(DONE)) return {};
  const src = nodes.flatMap(({ invokes }) => invokes).find(({ id }) => id === actorId)?.src;
  return { actorId, output: (src === undefined ? undefined : outputs?.[src]) ?? {} };
}

function jsonSchema(schema: z.ZodType | undefined): object | null {
  return schema ? z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) : null;
}
