// What the charts of tasks compute alike.
import type { Usage } from '../../src/agents/definition.ts';
import type { TaskOutput } from './events.ts';

/** The sum of the counts that were reported. */
export function addUsage(sum: Usage, more: Usage | undefined): Usage {
  const added: Record<string, number> = { ...sum };
  for (const [name, amount] of Object.entries(more ?? {}))
    if (amount !== undefined) added[name] = (added[name] ?? 0) + amount;
  return added;
}

/** An answer, with the tokens spent where any are known. */
export const answerOf = (final_message: string, usage: Usage): TaskOutput => ({
  type: 'answer',
  final_message,
  ...(Object.keys(usage).length > 0 && { usage }),
});

/** The output of a chart is that of its final state. */
export const outcome = ({ event }: { event: unknown }): TaskOutput => (event as { output: TaskOutput }).output;

/** What an agent is told that a person decided against: who, and why. */
export function refusal({ decision, by, reason }: { decision: string; by?: string; reason?: string }): string {
  if (decision === 'expired') return 'nobody decided in time';
  return `rejected${by === undefined ? '' : ` by ${by}`}${reason === undefined ? '' : `: ${reason}`}`;
}
