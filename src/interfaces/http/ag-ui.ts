// The HTTP interface for frontends that speak AG-UI: takes a RunAgentInput, returns a stream of its events. A thread is a session.
import { z } from 'zod';
import type { SessionView } from '../../../actors/view.ts';
import { token } from '../../../machines/session/events.ts';
import { RUN_OUTCOMES } from '../../emitted/run.ts';
import type { Key } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import { type ContinuationItem, continuation, questionOf } from '../../sessions/continuation.ts';
import { Overrun } from '../../sessions/feed.ts';
import { type TurnItem, turn } from '../../sessions/turn.ts';
import type { Troupe } from '../../troupe.ts';
import {
  decisionOf,
  type Resumed,
  type RunAgentInput,
  resultOf,
  runAgentInput,
  sessionOf,
  wordsOf,
} from './ag-ui/input.ts';
import { type AgUiEvent, RunTelling } from './ag-ui/telling.ts';
import { type App, ending, tenantOf } from './requests.ts';
import type { EventStreams } from './sse.ts';

/**
 * Events that are written together. A batch of type `part` carries a delta and is written only when the client has taken the
 * one before.
 */
interface Batch {
  readonly type: 'part' | 'entry';
  readonly events: readonly AgUiEvent[];
}

export function agUiRoutes(app: App, troupe: Troupe, streams: EventStreams, buffer: number): void {
  const tags = ['interop'];
  const body = runAgentInput;
  const summary = 'AG-UI: a run of a thread, as a stream of its events';
  const framesOf = ({ events }: Batch) => events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('');

  app.post('/v1/ag-ui', { schema: { tags, summary, body } }, async (request, reply) => {
    const run = new AgUiRun(troupe, tenantOf(request), request.body, { signal: ending(reply), buffer });
    await streams.open(reply).tell(run.tell(), framesOf);
    return reply;
  });

  const params = z.object({ agent_id: token });
  app.post(
    '/v1/ag-ui/:agent_id',
    { schema: { tags, summary: `${summary}, with this agent`, params, body } },
    async (request, reply) => {
      const { agent_id } = request.params;
      const options = { signal: ending(reply), buffer, agent_id };
      await streams.open(reply).tell(new AgUiRun(troupe, tenantOf(request), request.body, options).tell(), framesOf);
      return reply;
    },
  );
}

interface RunOptions {
  readonly signal: AbortSignal;
  readonly buffer: number;
  readonly agent_id?: string;
}

class AgUiRun {
  readonly #troupe: Troupe;
  readonly #key: Key;
  readonly #input: RunAgentInput;
  readonly #options: RunOptions;
  /** Idempotency key of the request: a repeated request attaches to the same run. */
  readonly #cause: string;

  constructor(troupe: Troupe, tenant: string, input: RunAgentInput, options: RunOptions) {
    this.#troupe = troupe;
    this.#key = troupe.conversations.key(tenant, sessionOf(input.threadId));
    this.#input = input;
    this.#options = options;
    this.#cause = `ag-ui/${input.runId}`.slice(0, 200);
  }

  /** Refusals are events as well: AG-UI ends a run with an event and with nothing else. */
  async *tell(): AsyncGenerator<Batch, void, undefined> {
    const { threadId, runId } = this.#input;
    yield { type: 'entry', events: [{ type: 'RUN_STARTED', threadId, runId }] };
    try {
      yield* await this.#answered();
    } catch (error) {
      if (this.#options.signal.aborted) return;
      yield { type: 'entry', events: [this.#problem(error)] };
    }
  }

  #problem(error: unknown): AgUiEvent {
    if (error instanceof Refused) return { type: 'RUN_ERROR', message: error.message, code: error.code };
    if (error instanceof Overrun) return { type: 'RUN_ERROR', message: error.message, code: 'overrun' };
    this.#troupe.log.error({ err: error }, 'a run of AG-UI broke');
    return { type: 'RUN_ERROR', message: 'the request broke the runtime', code: 'internal' };
  }

  /** Dispatches the input: an answer to a question, the result of a tool, or a new message. */
  async #answered(): Promise<AsyncGenerator<Batch, void, undefined>> {
    const { resume, messages } = this.#input;
    const open = await this.#open();
    if (resume && resume.length > 0) return this.#resumed(resume);
    if (open?.asks?.kind === 'approval')
      throw new Refused('interrupt_open', `interrupt "${open.question}" is open: resume with what was decided`, 409);
    const last = messages.at(-1);
    const result = messages.findLast(({ toolCallId }) => toolCallId !== undefined && toolCallId === open?.question);
    if (result) return this.#returned(result.toolCallId!, result);
    if (open?.asks?.kind === 'tool')
      throw new Refused('tool_result_missing', `the run waits for the result of the tool call "${open.question}"`, 409);
    if (last?.role === 'tool') return this.#returned(last.toolCallId ?? '', last);
    if (last?.role !== 'user')
      throw new Refused(
        'no_message',
        'the last message must be the user’s, or the result of a tool that was asked for',
      );
    return this.#message(wordsOf(last));
  }

  async #open(): Promise<SessionView['run']> {
    try {
      return (await this.#troupe.conversations.view(this.#key)).run;
    } catch (error) {
      if (error instanceof Refused && error.code === 'unknown_session') return null;
      throw error;
    }
  }

  async *#message(content: string): AsyncGenerator<Batch, void, undefined> {
    const { agent_id, signal, buffer } = this.#options;
    const { orchestrator, conversations } = this.#troupe;
    const options = { idempotencyKey: this.#cause, signal, buffer };
    const items = turn(orchestrator, conversations, this.#key, { content, agent_id }, options);
    const { value: accepted } = await items.next();
    if (accepted?.type !== 'accepted') return;
    yield* this.#events(items, new RunTelling(this.#input, accepted.run_id));
  }

  async #resumed(resume: readonly Resumed[]): Promise<AsyncGenerator<Batch, void, undefined>> {
    const [first, ...more] = resume;
    if (more.length > 0)
      throw new Refused('unknown_interrupt', 'one interrupt is open at most: resume has more entries');
    const { interruptId: approval } = first!;
    const question = await questionOf(this.#troupe.orchestrator, this.#key, approval);
    if (question?.asked.type !== 'approval_requested')
      throw new Refused('unknown_interrupt', `there is no interrupt "${approval}" in this thread`, 404);
    const { call } = (question.asked.details ?? {}) as { call?: unknown };
    const shown = typeof call === 'string' ? [call] : [];
    const body = { approval, ...decisionOf(first!) };
    return this.#continued(question, shown, (conversations) =>
      conversations.command(this.#key, 'approve', body, this.#cause),
    );
  }

  async #returned(
    call: string,
    message: RunAgentInput['messages'][number],
  ): Promise<AsyncGenerator<Batch, void, undefined>> {
    const question = await questionOf(this.#troupe.orchestrator, this.#key, call);
    if (question?.asked.type !== 'tool_requested')
      throw new Refused('unknown_tool_call', `this thread has not asked for the tool call "${call}"`, 404);
    const body = { call, ...resultOf(message) };
    return this.#continued(question, [], (conversations) =>
      conversations.command(this.#key, 'tool_result', body, this.#cause),
    );
  }

  #continued(
    question: { readonly run_id: string; readonly n: number },
    shown: readonly string[],
    act: Parameters<typeof continuation>[3],
  ): AsyncGenerator<Batch, void, undefined> {
    const { orchestrator, conversations } = this.#troupe;
    const { signal, buffer } = this.#options;
    const items = continuation(orchestrator, this.#key, question, act, { conversations, signal, buffer });
    return this.#events(items, new RunTelling(this.#input, question.run_id, shown));
  }

  async *#events(
    items: AsyncIterable<TurnItem | ContinuationItem>,
    telling: RunTelling,
  ): AsyncGenerator<Batch, void, undefined> {
    for await (const item of items) {
      if (item.type === 'part') yield { type: 'part', events: telling.part(item.part) };
      if (item.type === 'entry') yield { type: 'entry', events: telling.entry(item.entry) };
      if (item.type === 'outcome') yield { type: 'entry', events: telling.end(item.outcome.status) };
      if (item.type === 'settled') yield { type: 'entry', events: telling.end(RUN_OUTCOMES[item.told.type].status) };
    }
  }
}
