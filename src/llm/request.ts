// Converts a request to a body of the OpenAI API.

import type { ModelRequest } from './model.ts';
import type { CompletionBody } from './models.ts';
import type { Resolved } from './settings.ts';

/** The body of a request; absent members come from the settings, or stay absent. */
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
  // An absent member must not be sent as null.
  return Object.fromEntries(
    Object.entries(body).filter(([, value]) => value !== undefined),
  ) as unknown as CompletionBody;
}
