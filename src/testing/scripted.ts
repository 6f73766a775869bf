// Scripted agents: they answer from a test's script and can be held in the middle of an answer.
import type { AgentCall, AgentContext, AgentFunction, AgentResult, FunctionAgent } from '../agents/definition.ts';
import { Failed } from '../platform/errors.ts';

/** One answer of a script: text, a result, a failure, a stream, or a function that returns one of these. */
export type Answer = string | AgentResult | Error | Streamed | AgentFunction;

/** An answer in deltas, each held until the test calls `step()`. */
export class Streamed {
  readonly pieces: readonly string[];
  readonly answer: string | AgentResult | Error;

  constructor(pieces: readonly string[], answer: string | AgentResult | Error) {
    this.pieces = pieces;
    this.answer = answer;
  }
}

/** Streams these deltas; the answer is their concatenation and completes with the last one. */
export const streamed = (...pieces: string[]): Streamed => new Streamed(pieces, pieces.join(''));

/** Holds the whole answer or failure until the test calls `step()`. */
export const held = (answer: string | AgentResult | Error): Streamed => new Streamed([''], answer);

/** A failure of the agent, by default retryable. */
export const failing = (code: string, { retryable = true, message = 'as the script says' } = {}): Failed =>
  new Failed(code, message, retryable);

export interface ScriptedAgent extends FunctionAgent {
  /** Every call the agent received, including repeated ones. */
  readonly calls: readonly AgentCall[];
  /** Releases the next delta of the open answer. Throws if there is none. */
  step(): void;
}

/**
 * An agent that gives its answers in order:
 *
 *     scripted('helper', ['Hello!', failing('busy'), streamed('One ', 'two '), { type: 'input_required', prompt: 'Who?' }])
 *
 * A call that is repeated with its idempotency key gets the same answer again. When the answers are used up, calls fail with
 * `script_over`.
 */
export function scripted(
  id: string,
  answers: readonly Answer[],
  more: Partial<Omit<FunctionAgent, 'id' | 'run' | 'kind'>> = {},
): ScriptedAgent {
  const calls: AgentCall[] = [];
  const given = new Map<string, { readonly answer: Answer; released: number }>();
  /** The held answers, oldest first. */
  const waiting = new Set<() => void>();

  const next = ({ idempotency_key }: AgentCall) => {
    const again = given.get(idempotency_key);
    if (again) return again;
    const answer =
      answers[given.size] ?? failing('script_over', { retryable: false, message: `"${id}" has no more to say` });
    const fresh = { answer, released: 0 };
    given.set(idempotency_key, fresh);
    return fresh;
  };

  const gate = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const open = (): void => {
        waiting.delete(open);
        resolve();
      };
      waiting.add(open);
      signal.addEventListener('abort', () => waiting.delete(open));
    });

  const run = async (message: string, context: AgentContext) => {
    calls.push(context.call);
    const turn = next(context.call);
    const { answer } = turn;
    if (answer instanceof Error) throw answer;
    if (typeof answer === 'function') return answer(message, context);
    if (!(answer instanceof Streamed)) return answer;
    for (const [index, piece] of answer.pieces.entries()) {
      if (index >= turn.released) await gate(context.signal);
      turn.released = Math.max(turn.released, index + 1);
      context.part(piece);
    }
    if (answer.answer instanceof Error) throw answer.answer;
    return answer.answer;
  };

  const step = (): void => {
    const [oldest] = waiting;
    if (!oldest) throw new Error(`agent "${id}" is not in the middle of an answer`);
    oldest();
  };

  const agent: FunctionAgent = { id, description: id, ...more, run: run as AgentFunction };
  // Not enumerable: they are no members of a declaration.
  return Object.defineProperties(agent, { calls: { value: calls }, step: { value: step } }) as ScriptedAgent;
}
