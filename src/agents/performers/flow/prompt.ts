// The default input of a step's agent: the user's message, and the results of the steps before.
import type { StepResult } from '../../../../machines/flow/events.ts';

/** Returns the message unchanged when there are no results yet. */
export function stepPrompt(message: string, results: readonly StepResult[]): string {
  if (results.length === 0) return message;
  const came = results.map(({ step, output, error }) =>
    error ? `${step} failed: ${error.message}` : `${step}: ${output}`,
  );
  return [message, 'What the steps before came to:', ...came].join('\n\n');
}
