// The prompt before the run's own messages: instructions, context and history.
import { z } from 'zod';
import type { ModelMessage } from '../../../llm/model.ts';
import { withoutLlm } from '../../../llm/settings.ts';
import type { AgentCall, HistoryMessage, LlmAgent } from '../../definition.ts';

const known = z
  .object({
    model: z.string().min(1).optional(),
    temperature: z.number().optional(),
    max_steps: z.int().positive().optional(),
    instructions: z.string().optional(),
  })
  .catch({});

/** The settings of a flow for its agent (`agent_params`); invalid ones are ignored. */
export const params = (call: AgentCall): z.infer<typeof known> => known.parse(call.params ?? {});

/** The messages before the run's own. Rejects with the error that the agent's own `instructions` threw. */
export async function promptOf(
  agent: LlmAgent,
  call: AgentCall,
  history: readonly HistoryMessage[],
): Promise<ModelMessage[]> {
  const { instructions } = agent;
  const own = typeof instructions === 'function' ? await instructions(call) : instructions;
  const more = params(call).instructions;
  const context = typeof instructions === 'function' ? undefined : around(call);
  const system = [own, more, context].filter((text) => text !== undefined && text !== '').join('\n\n');
  return [
    ...(system === '' ? [] : [{ role: 'system' as const, content: system }]),
    ...history,
    ...call.guidance.map((words) => ({
      role: 'system' as const,
      content: `A supervisor, whom the user does not hear, says: ${words}`,
    })),
  ];
}

/** The context of the call, without the settings that only the runtime uses. */
function around({ context, step }: AgentCall): string | undefined {
  const told = Object.entries(withoutLlm(context)).filter(
    ([name, value]) =>
      // The results of the other steps of a flow are part of this step's input, if it may have them.
      !(name === 'flow' && step !== undefined) &&
      value !== undefined &&
      !(isObject(value) && Object.keys(value).length === 0),
  );
  return told.length === 0 ? undefined : `Context:\n${JSON.stringify(Object.fromEntries(told), null, 1)}`;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
