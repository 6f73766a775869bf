// The questions of a form, by the state in which it waits.
import type { FormContext } from '../../../../machines/form/events.ts';
import type { FormAgent } from '../../definition.ts';
import { nameOf } from './reading.ts';

/** The open question, after the validation error of the last answer if there is one. */
export function question(agent: FormAgent, { value, context }: { value: unknown; context: FormContext }): string {
  if (context.asking !== null) return lines(context.error, agent.fields[context.asking]!.prompt);
  const isChoosing = (value as { filling?: string }).filling === 'choosing';
  return isChoosing
    ? `What should be changed: ${context.fields.map(({ name }) => nameOf(name)).join(', ')}?`
    : lines(...context.fields.map(({ name }) => `${nameOf(name)}: ${shown(context.answers[name])}`), 'Is that right?');
}

const shown = (answer: unknown): string =>
  answer === undefined ? '–' : typeof answer === 'string' ? answer : JSON.stringify(answer);

const lines = (...said: readonly (string | null)[]): string => said.filter((line) => line !== null).join('\n');
