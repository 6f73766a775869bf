// What a session tells of one run, as the updates of a task.
import type { Part as Piece } from '../../../../actors/parts.ts';
import { runOf } from '../../../emitted/run.ts';
import type { Entry } from '../../../journal/journal.ts';
import type { StreamResponse } from './objects.ts';
import { answerOf } from './task.ts';

export class TaskTelling {
  readonly #task: { readonly taskId: string; readonly contextId: string };
  #run: string;
  #attempt = 0;
  /** The answer as the client has it. */
  #said = '';

  constructor(taskId: string, contextId: string) {
    this.#task = { taskId, contextId };
    this.#run = taskId;
  }

  /** A piece of the answer: behind what is there, or in place of it where that does not hold any more. */
  part({ run_id, attempt, offset, text }: Piece): StreamResponse[] {
    if (run_id !== this.#run) return [];
    const before = this.#attempt === attempt ? this.#said : '';
    this.#attempt = attempt;
    return this.#become(before.slice(0, offset) + text, false);
  }

  entry({ at, emitted }: Entry): StreamResponse[] {
    const told: StreamResponse[] = [];
    for (const one of emitted) {
      if (one.type === 'run_joined' && one.run_id === this.#run) this.#run = one.into;
      if (runOf(one) !== this.#run) continue;
      if (one.type === 'run_started' || one.type === 'question_answered')
        told.push({
          statusUpdate: {
            ...this.#task,
            status: { state: 'TASK_STATE_WORKING', timestamp: new Date(at).toISOString() },
          },
        });
      if (one.type === 'agent_invoke_done' && one.final_message !== undefined)
        told.push(...this.#become(one.final_message, true));
    }
    return told;
  }

  #become(whole: string, lastChunk: boolean): StreamResponse[] {
    const append = this.#said !== '' && whole.startsWith(this.#said);
    const text = append ? whole.slice(this.#said.length) : whole;
    if (text === '' && !(lastChunk && this.#said !== whole)) return [];
    this.#said = whole;
    const artifact = answerOf(this.#task.taskId, text);
    return [{ artifactUpdate: { ...this.#task, artifact, append, lastChunk } }];
  }
}
