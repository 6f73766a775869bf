// A request as the OpenAI API has it.

import type { ModelRequest } from './model.ts';
import type { CompletionBody } from './models.ts';
import type { Resolved } from './settings.ts';

/** The body of a request; what it leaves open comes from the settings, or stays open. */
export function bodyOf(request: ModelRequest, settings: Resolved): CompletionBody {
  const { model, messages, tools, tool_choice, max_output_tokens, response_format, parallel_tool_calls } = request;
  const temperature = request.temperature ?? settings.temperature;
  const body = {
    model,
    messages,
    temperature,
    max_completion_tokens: max_output_tokens,
    response_format,
    ...(tools?.length && {
      tools: tools.map((tool) => ({ type: 'function', function: tool })),
      parallel_tool_calls,
      tool_choice:
        typeof tool_choice === 'object' ? { type: 'function', function: { name: tool_choice.name } } : tool_choice,
    }),
  };
  // What is not said must not be said as null.
  return Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined),
  ) as unknown as CompletionBody;
}
