// The usage of one call: as the endpoint counted, or estimated where it did not, so that every call counts against the
// budgets.
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions';
import type { Counted } from './assembly.ts';
import type { CompletionBody } from './models.ts';

/** Characters per token, approximately, in most languages. */
const CHARACTERS = 4;

export class Meter {
  readonly #body: CompletionBody;
  #usage: Counted | undefined;
  #characters = 0;
  #answered = false;
  #finished = false;

  constructor(body: CompletionBody) {
    this.#body = body;
  }

  add({ usage, choices }: ChatCompletion | ChatCompletionChunk): void {
    this.#answered = true;
    this.#usage = usage ?? this.#usage;
    for (const choice of choices ?? []) {
      this.#characters += charactersIn('delta' in choice ? choice.delta : choice.message);
      this.#finished ||= Boolean(choice.finish_reason);
    }
  }

  /** Whether the model has finished; only the usage may still follow. */
  get finished(): boolean {
    return this.#finished;
  }

  /** The usage; zero when the endpoint never answered. */
  counted(): Counted {
    if (this.#usage) return this.#usage;
    if (!this.#answered) return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
    const prompt_tokens = Math.ceil(JSON.stringify(this.#body.messages).length / CHARACTERS);
    const completion_tokens = Math.ceil(this.#characters / CHARACTERS);
    return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
  }
}

function charactersIn(
  said: { content?: string | null; tool_calls?: readonly object[] | null } | null | undefined,
): number {
  return (said?.content?.length ?? 0) + (said?.tool_calls?.length ? JSON.stringify(said.tool_calls).length : 0);
}
