// What the charts of tasks compute alike.
import type { Usage } from '../../src/agents/definition.ts';

/** The sum of what is known. */
export function addUsage(sum: Usage, more: Usage | undefined): Usage {
  const added: Record<string, number> = { ...sum };
  for (const [name, amount] of Object.entries(more ?? {}))
    if (amount !== undefined) added[name] = (added[name] ?? 0) + amount;
  return added;
}

/** The sum as an answer has it: not at all where nobody knew anything. */
export const known = (sum: Usage): { usage?: Usage } => (Object.keys(sum).length > 0 ? { usage: sum } : {});

/** What an agent is told that a person decided against: who, and why. */
export function refusal({ decision, by, reason }: { decision: string; by?: string; reason?: string }): string {
  if (decision === 'expired') return 'nobody decided in time';
  return `rejected${by === undefined ? '' : ` by ${by}`}${reason === undefined ? '' : `: ${reason}`}`;
}
