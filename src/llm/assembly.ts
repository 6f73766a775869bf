// Assembles an answer from its chunks, however they were split, and checks that it is complete.
import type { ChatCompletionChunk } from 'openai/resources/chat/completions';
import { Failed } from '../platform/errors.ts';
import type { ModelReply, ModelToolCall } from './model.ts';

/** The endpoint's usage counts, under its own names. */
export type Counted = NonNullable<ChatCompletionChunk['usage']>;

interface Call {
  id: string;
  name: string;
  arguments: string;
}

/** Chunks come from servers of many makes: every member may be missing or null, contrary to the types. */
type Loose<T> = T extends readonly (infer U)[]
  ? Loose<U>[]
  : T extends object
    ? { [K in keyof T]?: Loose<T[K]> | null }
    : T;

export class Assembly {
  readonly #calls = new Map<string, Call>();
  readonly #delta: ((text: string) => void) | undefined;
  #last = '';
  #length = 0;
  #text = '';
  #refusal = '';
  #finish_reason: string | undefined;
  #model = '';
  #counted: Counted | undefined;

  /** `delta` is called with every delta of the text. */
  constructor(delta?: (text: string) => void) {
    this.#delta = delta;
  }

  add(chunk: ChatCompletionChunk): void {
    const { choices, model, usage } = chunk as Loose<ChatCompletionChunk>;
    this.#model ||= model ?? '';
    if (usage) this.#counted = usage as Counted;
    const choice = choices?.[0];
    if (!choice) return;
    const { content, refusal, tool_calls } = choice.delta ?? {};
    this.#refusal += refusal ?? '';
    this.#measure(content, refusal);
    for (const piece of tool_calls ?? []) this.#addCall(piece);
    if (content) {
      this.#text += content;
      this.#delta?.(content);
    }
    this.#finish_reason = choice.finish_reason ?? this.#finish_reason;
  }

  get counted(): Counted | undefined {
    return this.#counted;
  }

  /**
   * The complete answer. Throws `Failed`: `model_cut_off` when it is incomplete, `bad_model_answer` when it is empty.
   */
  reply(): Omit<ModelReply, 'usage'> {
    const finish_reason = this.#finish_reason;
    if (finish_reason === undefined) throw new Failed('model_cut_off', 'the model stopped in the middle of its answer');
    const calls = this.#whole();
    const refusal = this.#refusal || (finish_reason === 'content_filter' ? WITHHELD : undefined);
    const text = this.#text;
    if (text === '' && calls.length === 0 && refusal === undefined) throw saidNothing(finish_reason);
    return { text, calls, finish_reason, ...(refusal !== undefined && { refusal }), model: this.#model };
  }

  #addCall(piece: Loose<NonNullable<ChatCompletionChunk.Choice.Delta['tool_calls']>[number]>): void {
    // Some servers number calls, some only give them ids; a delta with neither belongs to the call before it.
    const key = piece.index != null ? `#${piece.index}` : piece.id ? `@${piece.id}` : this.#last;
    this.#last = key;
    const call = this.#calls.get(key) ?? { id: '', name: '', arguments: '' };
    call.id ||= piece.id ?? '';
    call.name ||= piece.function?.name ?? '';
    call.arguments += piece.function?.arguments ?? '';
    this.#measure(piece.function?.arguments);
    this.#calls.set(key, call);
  }

  #measure(...pieces: (string | null | undefined)[]): void {
    for (const piece of pieces) this.#length += piece?.length ?? 0;
    if (this.#length > LONGEST)
      throw new Failed('bad_model_answer', `the model's answer is longer than ${LONGEST} characters`, false);
  }

  #whole(): ModelToolCall[] {
    return [...this.#calls.values()].map((call, index) => {
      if (call.name === '') throw new Failed('bad_model_answer', 'the model called a tool without naming it');
      // A tool without input is called with no arguments, which is not JSON.
      return { id: call.id || `call_${index}`, name: call.name, arguments: call.arguments.trim() || '{}' };
    });
  }
}

/** Far more than a model's longest answer; an endless stream must not fill the memory. */
const LONGEST = 4 * 1024 * 1024;
const WITHHELD = 'the endpoint withheld the answer (content_filter)';

function saidNothing(finish_reason: string): Failed {
  return finish_reason === 'length'
    ? new Failed(
        'bad_model_answer',
        'the model used up its tokens before it said anything; raise max_output_tokens',
        false,
      )
    : new Failed('bad_model_answer', 'the model gave an empty answer');
}
