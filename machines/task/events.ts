// What every chart of a task has in common: what reaches it from outside, what it may ask, and what it may come to.
import { z } from 'zod';
import type { AgentResult } from '../../src/agents/definition.ts';
import type { TaskEmitted } from '../../src/emitted/emitted.ts';
import type { Decision } from '../session/events.ts';

/** The user's words: steered into the run while the task is at work, or the answer to its `input_required`. */
export const heard = z.object({ type: z.literal('heard'), input: z.array(z.string()) });
/** What came of the question of a state that is tagged `asks`. */
export const decided = z.object({ type: z.literal('decided'), decision: z.custom<Decision>() });
/** What an agent's own chart emitted on its way: it is emitted again. */
export const told = z.array(z.looseObject({ type: z.string() }) as unknown as z.ZodType<TaskEmitted>).optional();

type Asking = 'approval_required' | 'tool_required' | 'input_required' | 'transfer';
type WithoutTask<R> = R extends unknown ? Omit<R, 'task'> : never;

/** What ends an attempt though the task goes on later: the runtime adds the task itself. */
export type Question = WithoutTask<Extract<AgentResult, { readonly type: Asking }>>;

/** The task ended without a result. Another attempt would find it just so: the run moves on to another agent, or fails. */
export interface TaskFailure {
  readonly type: 'failed';
  readonly code: string;
  readonly message: string;
  readonly retryable: false;
}

/** The output of a final state. */
export type TaskOutput = AgentResult | TaskFailure;

const tokens = z.number().optional();
/** Tokens spent, as `Usage` has them. */
export const usage = z.object({
  input_tokens: tokens,
  output_tokens: tokens,
  total_tokens: tokens,
  cost_usd: tokens,
});
