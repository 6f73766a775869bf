// Performs a flow: runs the flow chart as a task, and its steps by other agents of the pool.

import type { Performer } from '../../../actors/performer.ts';
import { performTask } from '../../../actors/task.ts';
import type { AggregateInput, FlowInput, StepResult, StepsInput } from '../../../machines/flow/events.ts';
import { flowMachine } from '../../../machines/flow/machine.ts';
import { unlessAborted } from '../../platform/abort.ts';
import { Failed } from '../../platform/errors.ts';
import type { FlowAgent, FlowStep } from '../definition.ts';
import { type Agents, performStep } from './flow/step.ts';

/** The id of the step whose agent combines all results into one answer. */
export const AGGREGATE = 'aggregate';

/** Depth limit: flows may call flows, but one that calls itself must end. */
const DEEPEST = 8;

/**
 * Performs one attempt of a flow. It resumes from the journaled record: a finished step is not performed again, and an
 * unfinished one resumes from its own task. Rejects with `Failed`: `step_failed` or `all_steps_failed`, which name the
 * steps and their errors, `flow_too_deep`, `bad_aggregate`, or the error of the function that aggregates.
 */
export function flowPerformer(agent: FlowAgent, agents: Agents): Performer {
  const declared = stepsOf(agent);
  // The answer of a sequence's last step, or of the agent that aggregates, is the flow's answer unchanged.
  const isOneAnswer = typeof agent.aggregate === 'object' || (agent.mode === 'sequential' && !agent.aggregate);
  const answering = isOneAnswer ? declared.at(-1)!.id : undefined;
  return async (call, io) => {
    const depth = call.step?.split('/').length ?? 0;
    if (depth >= DEEPEST)
      throw new Failed('flow_too_deep', `flow "${agent.id}" is ${depth} flows deep: does one call itself?`, false);
    return performTask({
      machine: flowMachine,
      input: inputOf(
        agent,
        declared,
        call.input.map(({ content }) => content),
      ),
      call,
      io,
      clock: agents.clock,
      actors: {
        steps: async (input: StepsInput, work) => {
          await Promise.all(
            input.steps.map((step) => {
              const { agent: first, prompt } = declared.find(({ id }) => id === step.id)!;
              const shown = step.id === answering;
              return performStep({ step, input, work, call, io, agents, flow: agent, first, prompt, shown });
            }),
          );
        },
        aggregate: (input: AggregateInput, { signal }) => unlessAborted(aggregated(agent, input), signal),
      },
    });
  };
}

interface Declared extends FlowStep {
  readonly id: string;
}

/** The steps with an id each, and last the agent that aggregates. */
export function stepsOf({ steps, aggregate }: Pick<FlowAgent, 'steps' | 'aggregate'>): Declared[] {
  const used = new Set([AGGREGATE, ...steps.flatMap((step) => (typeof step === 'string' ? [] : (step.id ?? [])))]);
  const declared = steps.map((step) => {
    const { id, ...rest } = typeof step === 'string' ? { agent: step } : { id: undefined, ...step };
    const own = id ?? free(rest.agent, used);
    used.add(own);
    return { ...rest, id: own };
  });
  return typeof aggregate === 'object' ? [...declared, { ...aggregate, id: AGGREGATE }] : declared;
}

/** The same agent may be several steps, so its id is numbered. */
function free(agent: string, used: ReadonlySet<string>): string {
  let id = agent;
  for (let n = 2; used.has(id); n += 1) id = `${agent}-${n}`;
  return id;
}

function inputOf(agent: FlowAgent, declared: readonly Declared[], words: string[]): FlowInput {
  const { mode, on_failure = 'stop', attempts, backoff_ms, aggregate } = agent;
  const all = declared.map(({ id, agent, timeout_ms }) => ({ id, agent, ...(timeout_ms && { timeout_ms }) }));
  const last = all.find(({ id }) => id === AGGREGATE);
  return {
    mode,
    on_failure,
    ...(attempts !== undefined && { attempts }),
    ...(backoff_ms !== undefined && { backoff_ms }),
    steps: all.filter(({ id }) => id !== AGGREGATE),
    ...(last && { aggregate: last }),
    ...(typeof aggregate === 'function' && { aggregate: 'function' }),
    input: words,
  };
}

async function aggregated({ id, aggregate }: FlowAgent, { results, words }: AggregateInput): Promise<string> {
  const make = aggregate as (results: readonly StepResult[], message: string) => unknown;
  const answer = await make(results, words.join('\n'));
  if (typeof answer === 'string') return answer;
  throw new Failed('bad_aggregate', `flow "${id}" made ${typeof answer} of its results where text belongs`, false);
}
