// Performs a form agent: collects its fields turn by turn as the form chart says, then runs it.
import { isDeepStrictEqual } from 'node:util';
import type { AnyMachineSnapshot } from 'xstate';
import { z } from 'zod';
import { stepper } from '../../../actors/durable.ts';
import type { Performer } from '../../../actors/performer.ts';
import { type FormContext, type FormEvent, formContext } from '../../../machines/form/events.ts';
import { formMachine } from '../../../machines/form/machine.ts';
import type { Clock } from '../../platform/clock.ts';
import type { AgentContext, FormAgent } from '../definition.ts';
import { answerOf } from './answer.ts';
import { WorkContext } from './context.ts';
import { type Checked, check, isCancel, read, toJson } from './form/reading.ts';
import { question } from './form/wording.ts';

const chart = stepper(formMachine);

/** The state of a form that the session journals between two turns. */
const formTask = z.object({
  machine: z.string(),
  value: z.union([z.object({ filling: z.enum(['collecting', 'confirming', 'choosing']) }), z.literal('complete')]),
  context: formContext,
  /** The task of `run`, when it asked a question itself; the form was complete then. */
  run: z.unknown().optional(),
});
type FormTask = z.infer<typeof formTask>;

/**
 * Performs one turn of a form. Every answer is validated again in the call that uses it, so `run` never gets an invalid
 * value; the form asks again for an answer that no longer fits. The same call gives the same result, unless a schema,
 * `extract` or `run` itself depends on more than its input. Rejects with the error of a schema, `extract` or `run`, or
 * as `answerOf` does; such a turn leaves no state.
 */
export function formPerformer(agent: FormAgent, clock: Clock): Performer {
  return async (call, io) => {
    const contextWith = (task: unknown) => new WorkContext({ ...call, task }, io, agent.tools ?? [], clock);
    const said = call.input.map(({ content }) => content);
    const form = await Form.open(agent, call.task);

    // The message that started a form is not an answer to it: "cancel my booking" may well have routed here.
    if (!form.isComplete && said.slice(form.isNew ? 1 : 0).some((text) => isCancel(agent, text))) {
      form.take({ type: 'cancel' });
      return { type: 'answer', final_message: agent.cancelled ?? 'Cancelled.' };
    }
    if (form.isNew) for (const text of said) await form.extract(text, contextWith(undefined));
    if (form.isHeard) for (const text of said) await form.hear(text);
    if (!form.isComplete) return { type: 'input_required', prompt: question(agent, form.at), task: form.task() };

    io.signal.throwIfAborted();
    const context = contextWith(form.leftByRun);
    const result = await answerOf(agent.run(form.values(), context), context);
    const asks = result.type === 'input_required' || result.type === 'approval_required';
    return asks ? { ...result, task: form.task(result.task) } : result;
  };
}

class Form {
  readonly isNew: boolean;
  /** Whether the user's last question is still the open one: only then is the input an answer to it. */
  readonly isHeard: boolean;
  /** The task of `run` itself, which never gets the form's task. */
  readonly leftByRun: unknown;
  readonly #agent: FormAgent;
  /** The values that the schemas produced from the answers in this call. */
  readonly #checked: Map<string, unknown>;
  #snapshot: AnyMachineSnapshot;

  private constructor(agent: FormAgent, snapshot: AnyMachineSnapshot, checked: Map<string, unknown>, left?: FormTask) {
    this.#agent = agent;
    this.#snapshot = snapshot;
    this.#checked = checked;
    this.isNew = left === undefined;
    this.isHeard = left !== undefined && isSamePlace(left, snapshot);
    this.leftByRun = this.isHeard ? left?.run : undefined;
  }

  /** Opens a new form, or restores the one in the task with every answer that still has a field and still fits it. */
  static async open(agent: FormAgent, task: unknown): Promise<Form> {
    const fields = Object.entries(agent.fields).map(([name, { optional = false }]) => ({ name, optional }));
    const declared = { fields, confirm: agent.confirm ?? false };
    const left = formTask.safeParse(task);
    if (!left.success) return new Form(agent, chart.initial(declared).snapshot, new Map());

    const { machine, context } = left.data;
    const checked = new Map<string, unknown>();
    for (const { name } of fields) {
      if (!Object.hasOwn(context.answers, name)) continue;
      const answer = await check(agent, name, context.answers[name]);
      if (answer.fits) checked.set(name, answer.value);
    }
    const known = {
      ...declared,
      answers: Object.fromEntries(Object.entries(context.answers).filter(([name]) => checked.has(name))),
      skipped: context.skipped.filter((skipped) => fields.some(({ name, optional }) => name === skipped && optional)),
      asking: context.asking,
    };
    const isUnchanged = machine === chart.name && isDeepStrictEqual({ ...context, ...known }, context);
    const { snapshot } = isUnchanged ? { snapshot: chart.restore(left.data) } : chart.initial(known);
    return new Form(agent, snapshot, checked, left.data);
  }

  get at(): { value: unknown; context: FormContext } {
    return this.#snapshot;
  }

  get isComplete(): boolean {
    return this.#snapshot.matches('complete');
  }

  take(event: FormEvent): void {
    this.#snapshot = chart.step(this.#snapshot, event).snapshot;
  }

  /** Answers the fields that the agent finds in a message; the form asks for the others. */
  async extract(text: string, context: AgentContext): Promise<void> {
    const found = (await this.#agent.extract?.(text, context)) ?? {};
    for (const field of Object.keys(this.#agent.fields)) {
      if (this.isComplete || !Object.hasOwn(found, field) || found[field] === undefined) continue;
      const value = toJson(found[field]);
      const checked = await check(this.#agent, field, value);
      if (checked.fits) this.#answer(field, value, checked);
    }
  }

  /** Takes a message as the user's turn. Messages after the last answer are not for the form, but for `run`. */
  async hear(text: string): Promise<void> {
    if (this.isComplete) return;
    const meant = read(this.#agent, this.at, text);
    if (meant?.type !== 'answer') {
      if (meant) this.take(meant);
      return;
    }
    const { field, value } = meant;
    const checked = await check(this.#agent, field, value);
    if (checked.fits) return this.#answer(field, value, checked);
    if (field !== this.at.context.asking) this.take({ type: 'change', field });
    this.take({ type: 'invalid', field, message: checked.message });
  }

  /** The input of `run`, in the order of the fields, without skipped ones. */
  values(): Record<string, unknown> {
    const answered = Object.keys(this.#agent.fields).filter((field) => Object.hasOwn(this.at.context.answers, field));
    return Object.fromEntries(answered.map((field) => [field, this.#checked.get(field)]));
  }

  task(run?: unknown): FormTask {
    const { value, context } = chart.dump(this.#snapshot);
    const task = { machine: chart.name, value, context } as FormTask;
    return run === undefined ? task : { ...task, run };
  }

  #answer(field: string, value: FormContext['answers'][string], checked: Extract<Checked, { fits: true }>): void {
    this.#checked.set(field, checked.value);
    this.take({ type: 'answer', field, value });
  }
}

function isSamePlace(left: FormTask, snapshot: AnyMachineSnapshot): boolean {
  return isDeepStrictEqual(left.value, snapshot.value) && left.context.asking === snapshot.context.asking;
}
