// Maps the entries and deltas of one run to A2A task updates.
import type { Part as Piece } from '../../../../actors/parts.ts';
import { runOf } from '../../../emitted/run.ts';
import type { Entry } from '../../../journal/journal.ts';
import type { StreamResponse } from './objects.ts';
import { answerOf } from './task.ts';

export class TaskTelling {
  readonly #task: { readonly taskId: string; readonly contextId: string };
  #run: string;
  #attempt = 0;
  /** The answer's text that the client has. */
  #sent = '';

  constructor(taskId: string, contextId: string) {
    this.#task = { taskId, contextId };
    this.#run = taskId;
  }

  /** Maps a delta of the answer: appended to the client's text, or in place of it if the text before it changed. */
  part({ run_id, attempt, offset, text }: Piece): StreamResponse[] {
    if (run_id !== this.#run) return [];
    const before = this.#attempt === attempt ? this.#sent : '';
    this.#attempt = attempt;
    return this.#become(before.slice(0, offset) + text, false);
  }

  entry({ at, emitted }: Entry): StreamResponse[] {
    const updates: StreamResponse[] = [];
    for (const one of emitted) {
      if (one.type === 'run_joined' && one.run_id === this.#run) this.#run = one.into;
      if (runOf(one) !== this.#run) continue;
      if (one.type === 'run_started' || one.type === 'question_answered')
        updates.push({
          statusUpdate: {
            ...this.#task,
            status: { state: 'TASK_STATE_WORKING', timestamp: new Date(at).toISOString() },
          },
        });
      if (one.type === 'agent_invoke_done' && one.final_message !== undefined)
        updates.push(...this.#become(one.final_message, true));
    }
    return updates;
  }

  #become(whole: string, lastChunk: boolean): StreamResponse[] {
    const append = this.#sent !== '' && whole.startsWith(this.#sent);
    const text = append ? whole.slice(this.#sent.length) : whole;
    if (text === '' && !(lastChunk && this.#sent !== whole)) return [];
    this.#sent = whole;
    const artifact = answerOf(this.#task.taskId, text);
    return [{ artifactUpdate: { ...this.#task, artifact, append, lastChunk } }];
  }
}
