// A turn of a conversation in the shapes of the OpenAI API: one completion, or chunks.
import type { Usage } from '../../../agents/definition.ts';
import type { Outcome } from '../../../sessions/outcome.ts';
import { failedRun } from '../problems.ts';

/** The end of a turn in the shape that the API needs. */
export interface Ending {
  readonly text: string;
  readonly finish_reason: 'stop' | 'tool_calls';
  readonly tool_calls?: readonly ToolCall[];
  readonly usage?: Usage;
  /** The runtime's own ids and status, for callers that understand them. */
  readonly troupe: { readonly session_id: string; readonly run_id: string; readonly status: Outcome['status'] };
}

interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** The ending of a turn's outcome; throws `Refused` if the run failed or was cancelled. */
export function endingOf(outcome: Outcome): Ending {
  if (outcome.error) throw failedRun(outcome);
  const { status, run_id, answer, trace, question, state } = outcome;
  const usage = trace.filter((one) => one.type === 'agent_invoke_done').findLast((one) => one.usage)?.usage;
  const common = { troupe: { session_id: state.session_id, run_id, status }, ...(usage && { usage }) };
  if (question?.type !== 'tool_requested')
    return { text: answer ?? waitingFor(outcome), finish_reason: 'stop', ...common };
  const { call, name, arguments: input } = question;
  const tool_calls = [
    { id: call, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } },
  ] as const;
  return { text: answer ?? '', finish_reason: 'tool_calls', tool_calls, ...common };
}

/** The text for an outcome without an answer: the API has no status for one that waits for a person. */
function waitingFor({ status, question, state }: Outcome): string {
  if (question?.type === 'approval_requested') {
    const { summary, action, approval } = question;
    return `This waits for a person's approval: ${summary} (${action}; approval ${approval}).`;
  }
  if (state.control === 'human')
    return `${state.holder ?? 'A person'} has this conversation now and will answer; your message is kept.`;
  if (state.control === 'automated' && status === 'accepted')
    return `The conversation waits for ${AWAITED[state.turn ?? ''] ?? 'something else'} first; your message is kept.`;
  return status === 'done' ? '' : 'The conversation is paused; your message is kept.';
}

const AWAITED: Record<string, string | undefined> = {
  'running.awaitingApproval': "a person's approval",
  'running.awaitingClientTool': 'the result of a tool',
};

/** Fields that all chunks of one answer share. */
export interface Header {
  readonly run_id: string;
  readonly model: string;
  /** s since the epoch */
  readonly created: number;
}

export function completionOf({ run_id, model, created }: Header, ending: Ending): object {
  const { text, finish_reason, tool_calls, usage, troupe } = ending;
  const message = { role: 'assistant', content: text === '' && tool_calls ? null : text, refusal: null, tool_calls };
  return {
    id: `chatcmpl-${run_id}`,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason }],
    usage: usage && countOf(usage),
    troupe,
  };
}

/** The chunks of one answer in wire format: `begin`, any number of `text`, then `end` or `fail`. */
export class Chunks {
  readonly #header: Header;
  readonly #counts: boolean;
  #sent = '';
  #attempt = 0;

  constructor(header: Header, counts: boolean) {
    this.#header = header;
    this.#counts = counts;
  }

  begin(): string {
    return this.#chunk({ role: 'assistant', content: '' });
  }

  /** A delta. Text that cannot be appended, because a new attempt began, is sent with `end`. */
  text({
    attempt,
    offset,
    text,
  }: {
    readonly attempt: number;
    readonly offset: number;
    readonly text: string;
  }): string {
    if (this.#sent === '') this.#attempt = attempt;
    const fresh = text.slice(Math.max(0, this.#sent.length - offset));
    if (attempt !== this.#attempt || offset > this.#sent.length || fresh === '') return '';
    this.#sent += fresh;
    return this.#chunk({ content: fresh });
  }

  end({ text, finish_reason, tool_calls, usage, troupe }: Ending): string {
    const { run_id } = this.#header;
    // Streamed text cannot be withdrawn: an answer that differs from it follows it in full.
    const rest = text.startsWith(this.#sent) ? text.slice(this.#sent.length) : `\n\n${text}`;
    const calls = tool_calls?.map((call, index) => ({ index, ...call }));
    const count = this.#counts && usage ? [{ ...this.#base(), choices: [], usage: countOf(usage) }] : [];
    return [
      ...(rest === '' ? [] : [this.#chunk({ content: rest })]),
      ...(calls ? [this.#chunk({ tool_calls: calls })] : []),
      this.#chunk({}, finish_reason, { troupe: { ...troupe, run_id } }),
      ...count.map(data),
      'data: [DONE]\n\n',
    ].join('');
  }

  #base(): object {
    const { run_id, model, created } = this.#header;
    return { id: `chatcmpl-${run_id}`, object: 'chat.completion.chunk', created, model };
  }

  #chunk(delta: object, finish_reason: string | null = null, more: object = {}): string {
    return data({ ...this.#base(), choices: [{ index: 0, delta, logprobs: null, finish_reason }], ...more });
  }
}

/** An event without a name, as the API sends them. */
export const data = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

const countOf = ({ input_tokens = 0, output_tokens = 0, total_tokens }: Usage): object => ({
  prompt_tokens: input_tokens,
  completion_tokens: output_tokens,
  total_tokens: total_tokens ?? input_tokens + output_tokens,
});

/** The last event of a stream that failed after it had begun. */
export const failure = (error: { readonly error: object }): string => data({ error: error.error });
