// What the agent of a step is asked where the flow does not say it otherwise: the user's words, and what came of the steps before.
import type { StepResult } from '../../../../machines/flow/events.ts';

/** The message as it is where there are no results yet. */
export function stepPrompt(message: string, results: readonly StepResult[]): string {
  if (results.length === 0) return message;
  const came = results.map(({ step, output, error }) =>
    error ? `${step} failed: ${error.message}` : `${step}: ${output}`,
  );
  return [message, 'What the steps before came to:', ...came].join('\n\n');
}
