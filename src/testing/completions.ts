// Scripted answers of a model in the shapes of the OpenAI API: as one completion, and as chunks.

/** One scripted answer of a model. */
export interface Said {
  /** Each string of an array is a chunk of its own; a single string is streamed word by word. */
  readonly text?: string | readonly string[];
  readonly calls?: readonly SaidCall[];
  readonly refusal?: string;
  /** Default: `stop`, or `tool_calls` with calls. */
  readonly finish_reason?: string;
  /** Default: counted from the text. `false`: the server sends no counts. */
  readonly usage?: { readonly input: number; readonly output: number; readonly cached?: number } | false;
  /** Name of the model in the answer. Default: the requested one. */
  readonly model?: string;
}

export interface SaidCall {
  /** Default: `call_<index>`. */
  readonly id?: string;
  readonly name: string;
  /** An object is serialized as JSON; a string is sent unchanged, even if it is not JSON. */
  readonly arguments?: unknown;
}

export interface Completion extends Said {
  readonly model: string;
}

const ID = 'chatcmpl-test';

/** The response to a request without `stream`. */
export function completionOf(said: Completion): object {
  const tool_calls = callsOf(said);
  const message = {
    role: 'assistant',
    content: textOf(said) || null,
    refusal: said.refusal ?? null,
    ...(tool_calls.length > 0 && { tool_calls }),
  };
  const choices = [{ index: 0, message, logprobs: null, finish_reason: finishOf(said) }];
  const usage = usageOf(said);
  return { id: ID, object: 'chat.completion', created: 0, model: said.model, choices, ...(usage && { usage }) };
}

/**
 * The response to a request with `stream`: the role, deltas of the text, calls with their arguments cut up, the end, the counts.
 */
export function chunksOf(said: Completion, counts: boolean): object[] {
  const base = { id: ID, object: 'chat.completion.chunk', created: 0, model: said.model };
  const chunk = (delta: object, finish_reason: string | null = null) => ({
    ...base,
    choices: [{ index: 0, delta, logprobs: null, finish_reason }],
    ...(counts && { usage: null }),
  });
  const usage = counts && usageOf(said);
  return [
    chunk({ role: 'assistant', content: '', refusal: null }),
    ...piecesOf(said).map((content) => chunk({ content })),
    ...(said.refusal === undefined ? [] : wordsOf(said.refusal).map((refusal) => chunk({ refusal }))),
    ...callsOf(said).flatMap((call, index) => callChunks(call, index).map((piece) => chunk({ tool_calls: [piece] }))),
    chunk({}, finishOf(said)),
    ...(usage ? [{ ...base, choices: [], usage }] : []),
  ];
}

type Call = ReturnType<typeof callsOf>[number];

function callChunks({ id, type, function: { name, arguments: written } }: Call, index: number): object[] {
  const pieces = written.match(/[\s\S]{1,5}/g) ?? [];
  return [
    { index, id, type, function: { name, arguments: '' } },
    ...pieces.map((piece) => ({ index, function: { arguments: piece } })),
  ];
}

const callsOf = ({ calls = [] }: Said) =>
  calls.map(({ id, name, arguments: input = {} }, index) => ({
    id: id ?? `call_${index}`,
    type: 'function',
    function: { name, arguments: typeof input === 'string' ? input : JSON.stringify(input) },
  }));

const textOf = (said: Said): string => piecesOf(said).join('');

const piecesOf = ({ text = '' }: Said): readonly string[] => (typeof text === 'string' ? wordsOf(text) : text);

const wordsOf = (text: string): string[] => text.match(/\S+\s*|\s+/g) ?? [];

const finishOf = ({ finish_reason, calls }: Said): string =>
  finish_reason ?? (calls && calls.length > 0 ? 'tool_calls' : 'stop');

function usageOf(said: Said): object | undefined {
  if (said.usage === false) return undefined;
  const { input, output, cached } = said.usage ?? { input: 10, output: Math.max(1, wordsOf(textOf(said)).length) };
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    ...(cached !== undefined && { prompt_tokens_details: { cached_tokens: cached } }),
  };
}
