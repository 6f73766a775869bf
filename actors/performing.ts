// Performs the invokes of session and job charts: attempts of agents, hooks, routing and runs of jobs.
import type { EventObject } from 'xstate';
import type { JobRun } from '../machines/job/events.ts';
import type {
  AttemptInput,
  AttemptOutput,
  Route,
  ScreenOutput,
  SessionContext,
  WordsInput,
} from '../machines/session/events.ts';
import { runId } from '../machines/session/rules.ts';
import type { AgentCall } from '../src/agents/definition.ts';
import { Failed } from '../src/platform/errors.ts';
import type { Answers } from './answers.ts';
import type { OrchestratorOptions } from './orchestrator.ts';
import { OpenAnswer } from './parts.ts';
import type { Recent } from './recent.ts';
import type { Session, Work } from './session.ts';
import { asHistory, before, messagesOf, type TranscriptMessage } from './transcript.ts';

export class Performing {
  readonly #options: OrchestratorOptions;
  readonly #answers: Answers;
  readonly #recent: Recent;

  constructor(options: OrchestratorOptions, answers: Answers, recent: Recent) {
    this.#options = options;
    this.#answers = answers;
    this.#recent = recent;
  }

  perform(session: Session, src: string, input: unknown, work: Work): Promise<unknown> {
    if (src === 'agent') return this.#attempt(session, input as AttemptInput, work);
    if (src === 'screen') return this.#screen(session, input as WordsInput);
    if (src === 'router') return this.#route(session, input as WordsInput, work);
    if (src === 'run' && this.#options.run) return this.#options.run(session.key, input as JobRun, work);
    return Promise.reject(new Failed('unknown_work', `nothing performs ${src}`, false));
  }

  async #attempt(session: Session, input: AttemptInput, work: Work): Promise<AttemptOutput> {
    const { key } = session;
    const { pool, directory, hooks, clock } = this.#options;
    const run_id = runId(key.session, input.run);
    const flow = input.flow === undefined ? undefined : directory.flow(key.tenant, input.flow);
    const call: AgentCall = {
      tenant: key.tenant,
      session_id: key.session,
      run_id,
      agent_id: input.agent,
      hop: input.hop,
      attempt: input.attempt,
      idempotency_key: work.key,
      input: input.input.map((content) => ({ role: 'user', content })),
      guidance: input.guidance,
      context: input.context ?? {},
      flow: input.flow,
      params: flow?.agent_params,
      tools: flow?.tools,
      task: input.task,
      decision: input.decision,
      tried: input.tried,
    };
    let answer: OpenAnswer | undefined;
    const began = clock.now();
    const part = (text: string): void => {
      // The fence: from the step in which the session leaves this attempt, no further delta passes.
      if (text === '' || !work.live() || this.#options.elsewhere?.away) return;
      answer ??= new OpenAnswer({ run_id, attempt: input.attempt, epoch: input.epoch }, began);
      this.#answers.add(key, answer, text, clock.now(), session.position.n);
    };
    try {
      const done = await pool.call(call, {
        signal: work.signal,
        part,
        remember: async (progress) => {
          await work.tell({ type: 'progressed', ...progress } as EventObject);
        },
        history: async (limit) => asHistory(await this.#before(session, limit)),
        tools: (name) => directory.tools(key.tenant, name),
      });
      const result = await hooks.post(call, done.result);
      return {
        result,
        endpoint: done.endpoint,
        ms: done.ms,
        ...(done.steps.length > 0 && { steps: done.steps }),
        ...(done.told.length > 0 && { told: done.told }),
        ...(done.events.length > 0 && { events: done.events }),
        ...(answer && { streamed: streamed(answer, result) }),
      };
    } finally {
      if (answer) this.#answers.end(key, answer);
    }
  }

  async #before(session: Session, limit = 50): Promise<TranscriptMessage[]> {
    const { run, queue } = session.snapshot.context as SessionContext;
    const without = new Set(queue.map(({ id }) => id));
    for (const { id } of run?.input ?? []) without.add(id);
    const kept = this.#recent.of(session);
    const lately = kept && before(kept.messages, limit, without);
    if (kept?.whole || (lately && lately.length >= limit)) return lately!;
    // A turn is two entries; reads a few more, because some entries hold no message.
    for (let count = 2 * limit + 8; ; count *= 2) {
      const entries = (await this.#options.journal.tail(session.key, count)).map(({ entry }) => entry);
      const messages = before(
        entries.flatMap((entry) => messagesOf(entry, 'llm')),
        limit,
        without,
      );
      if (messages.length < limit && (entries[0]?.n ?? 1) > 1) continue;
      // Entries that were appended during the read are missing from it, and the cache must not have gaps.
      if (entries.at(-1)?.n === session.position.n) this.#recent.keep(session, entries);
      return messages;
    }
  }

  #screen({ key }: Session, { content, run }: WordsInput): Promise<ScreenOutput> {
    return this.#options.hooks.screen({ ...key, run_id: runId(key.session, run), message: content });
  }

  #route(session: Session, { content }: WordsInput, { signal, key }: Work): Promise<Route | null> {
    const { config } = session.snapshot.context as SessionContext;
    const history = (limit?: number) => this.#before(session, limit);
    return this.#options.directory.route(session.key, content, { history, signal, config, idempotency_key: key });
  }
}

function streamed(answer: OpenAnswer, result: AttemptOutput['result']): NonNullable<AttemptOutput['streamed']> {
  const parts = answer.marks;
  const final = 'final_message' in result ? result.final_message : undefined;
  return final === answer.text ? { parts } : { text: answer.text, parts };
}
