// The methods of A2A, mapped onto sessions and runs.
import { createHash } from 'node:crypto';
import { token } from '../../../../machines/session/events.ts';
import { runOf } from '../../../emitted/run.ts';
import type { Key } from '../../../journal/journal.ts';
import { parse } from '../../../platform/parse.ts';
import { continuation, questionOf } from '../../../sessions/continuation.ts';
import { turn } from '../../../sessions/turn.ts';
import type { Troupe } from '../../../troupe.ts';
import type { Batch } from '../a2a.ts';
import type { Dialect } from './dialect.ts';
import { refusal } from './errors.ts';
import { isTerminal, type Params, params, type SentMessage, type StreamResponse, type Task } from './objects.ts';
import { causeOf, sessionOf, taskOf, withHistory } from './task.ts';
import { TaskTelling } from './telling.ts';
import { decisionOf, resultOf, wordsOf } from './words.ts';

export interface MethodOptions {
  readonly tenant: string;
  /** The agent that answers. Default: routed by the message. */
  readonly agent_id?: string;
  readonly buffer: number;
  /** Name of the client in decisions and cancellations. Default `a2a`. */
  readonly by?: string;
}

/** Where a message goes: to a session, or to an open question. */
type Aim =
  | { readonly to: 'session'; readonly key: Key; readonly content: string }
  | {
      readonly to: 'question';
      readonly key: Key;
      readonly run_id: string;
      readonly n: number;
      readonly act: () => Promise<unknown>;
    };

export class A2aMethods {
  readonly #troupe: Troupe;
  readonly #options: MethodOptions;

  constructor(troupe: Troupe, options: MethodOptions) {
    this.#troupe = troupe;
    this.#options = options;
  }

  /** Calls a method with a single response. Throws `Refused` with the protocol's codes or the runtime's. */
  async call(method: string, input: unknown, dialect: Dialect, signal: AbortSignal): Promise<unknown> {
    switch (method) {
      case 'SendMessage':
        return dialect.sent(await this.#send(this.#read('SendMessage', input), signal));
      case 'GetTask': {
        const { id, historyLength } = this.#read('GetTask', input);
        return dialect.task(withHistory(await this.#task(id), historyLength));
      }
      case 'ListTasks':
        return this.#list(this.#read('ListTasks', input));
      case 'CancelTask':
        return dialect.task(await this.#cancel(this.#read('CancelTask', input).id));
      case 'GetExtendedAgentCard':
        throw refusal('extended_agent_card_not_configured', 'there is only the one public card');
      default:
        throw refusal('push_notification_not_supported', 'tasks are polled or subscribed to: nothing is pushed');
    }
  }

  /** Yields the task, then its updates until it ends or needs input. */
  async *stream(input: unknown, signal: AbortSignal): AsyncGenerator<Batch, void, undefined> {
    const { message, configuration } = this.#read('SendMessage', input);
    const { orchestrator, conversations } = this.#troupe;
    const { buffer, agent_id } = this.#options;
    const aim = await this.#aim(message);
    if (aim.to === 'question') return yield* this.#following(aim, signal, aim.act, configuration?.historyLength);
    const options = { idempotencyKey: causeOf(message.messageId), signal, buffer };
    const items = turn(orchestrator, conversations, aim.key, { content: aim.content, agent_id }, options);
    let telling: TaskTelling | undefined;
    let id = '';
    for await (const item of items) {
      if (item.type === 'accepted') {
        id = item.run_id;
        telling = new TaskTelling(id, aim.key.session);
        yield entryOf([{ task: withHistory(await this.#task(id), configuration?.historyLength) }]);
      } else if (item.type === 'part') yield { type: 'part', events: telling!.part(item.part) };
      else if (item.type === 'entry') yield entryOf(telling!.entry(item.entry));
      else yield entryOf([await this.#status(id)]);
    }
  }

  /** Yields the task's current state, then its updates until it ends or needs input again. */
  async *subscribe(input: unknown, signal: AbortSignal): AsyncGenerator<Batch, void, undefined> {
    const { id } = this.#read('SubscribeToTask', input);
    const { state } = (await this.#task(id)).status;
    if (isTerminal(state)) throw refusal('unsupported_operation', `task "${id}" has ended: ${state}`);
    const key = this.#keyOf(id);
    const n = (await this.#troupe.journal.last(key))!.entry.n;
    yield* this.#following({ key, run_id: id, n }, signal, async () => {});
  }

  async *#following(
    { key, run_id, n }: { readonly key: Key; readonly run_id: string; readonly n: number },
    signal: AbortSignal,
    act: () => Promise<unknown>,
    historyLength?: number,
  ): AsyncGenerator<Batch, void, undefined> {
    const { orchestrator, conversations } = this.#troupe;
    const telling = new TaskTelling(run_id, key.session);
    const options = { conversations, signal, buffer: this.#options.buffer };
    const items = continuation(orchestrator, key, { run_id, n }, act, options);
    yield entryOf([{ task: withHistory(await this.#task(run_id), historyLength) }]);
    for await (const item of items) {
      if (item.type === 'part') yield { type: 'part', events: telling.part(item.part) };
      else if (item.type === 'entry') yield entryOf(telling.entry(item.entry));
      else yield entryOf([await this.#status(run_id)]);
    }
  }

  async #send({ message, configuration }: Params<'SendMessage'>, signal: AbortSignal): Promise<Task> {
    if (configuration?.taskPushNotificationConfig !== undefined)
      throw refusal('push_notification_not_supported', 'tasks are polled or subscribed to: nothing is pushed');
    const { conversations, orchestrator } = this.#troupe;
    const aim = await this.#aim(message);
    let id: string;
    if (aim.to === 'question') {
      id = aim.run_id;
      if (configuration?.returnImmediately) await aim.act();
      else
        for await (const _ of continuation(orchestrator, aim.key, aim, aim.act, { conversations, signal })) {
          // Only the end of the continuation matters here: the task is read below.
        }
    } else {
      const body = { content: aim.content, agent_id: this.#options.agent_id };
      const options = { idempotencyKey: causeOf(message.messageId), signal };
      const waits = configuration?.returnImmediately ? 'begin' : 'send';
      id = (await conversations[waits](aim.key, body, options)).run_id;
    }
    return withHistory(await this.#task(id), configuration?.historyLength);
  }

  /** A message to a task with an open question answers it; any other begins a task in its context or in a new one. */
  async #aim(message: SentMessage): Promise<Aim> {
    const { taskId, contextId } = message;
    if (taskId === undefined) {
      const session = contextId === undefined ? newContext(message) : parse(token, contextId, 'message.contextId');
      return { to: 'session', key: { tenant: this.#options.tenant, session }, content: wordsOf(message) };
    }
    const key = this.#keyOf(taskId);
    if (contextId !== undefined && contextId !== key.session)
      throw refusal('invalid_params', `task "${taskId}" is not of context "${contextId}" but of "${key.session}"`);
    const { state } = (await this.#task(taskId)).status;
    const { run } = await this.#troupe.conversations.view(key);
    if (run?.asks && run.run_id === taskId) return this.#answering(key, run.question!, message);
    if (state === 'TASK_STATE_INPUT_REQUIRED') return { to: 'session', key, content: wordsOf(message) };
    throw refusal('unsupported_operation', `task "${taskId}" takes no messages now: ${state}`);
  }

  async #answering(key: Key, question: string, message: SentMessage): Promise<Aim> {
    const { conversations, orchestrator } = this.#troupe;
    const { run_id, asked, n } = (await questionOf(orchestrator, key, question))!;
    const cause = causeOf(message.messageId);
    if (asked.type === 'approval_requested') {
      const body = { approval: question, ...decisionOf(message, this.#by) };
      return { to: 'question', key, run_id, n, act: () => conversations.command(key, 'approve', body, cause) };
    }
    const body = { call: question, ...resultOf(message) };
    return { to: 'question', key, run_id, n, act: () => conversations.command(key, 'tool_result', body, cause) };
  }

  async #cancel(id: string): Promise<Task> {
    const { state } = (await this.#task(id)).status;
    if (isTerminal(state)) throw refusal('task_not_cancelable', `task "${id}" has ended: ${state}`);
    const { conversations } = this.#troupe;
    const key = this.#keyOf(id);
    if ((await conversations.view(key)).run?.run_id !== id)
      throw refusal('task_not_cancelable', `task "${id}" waits behind another one of its context`);
    await conversations.command(key, 'cancel', { by: this.#by });
    return this.#task(id);
  }

  /** The tasks of one context, newest first. */
  async #list({ contextId, status, pageSize = 50, pageToken, historyLength, includeArtifacts }: Params<'ListTasks'>) {
    if (contextId === undefined)
      throw refusal('unsupported_operation', 'tasks are listed by context: name a contextId');
    const key = { tenant: this.#options.tenant, session: parse(token, contextId, 'contextId') };
    const entries = await this.#troupe.conversations.journal(key);
    const ids = new Set(entries.flatMap(({ emitted }) => emitted.map(runOf)));
    const tasks = await Promise.all([...ids].filter((id) => id !== undefined).map((id) => this.#task(id)));
    const wanted = tasks
      .filter((task) => status === undefined || task.status.state === status)
      .toSorted((a, b) => b.status.timestamp.localeCompare(a.status.timestamp));
    const from = pageToken ? Number(pageToken) : 0;
    if (!Number.isInteger(from)) throw refusal('invalid_params', 'pageToken: is none that was given out');
    const page = wanted.slice(from, from + pageSize).map(({ artifacts, ...task }) => ({
      ...withHistory(task, historyLength),
      ...(includeArtifacts && { artifacts: artifacts ?? [] }),
    }));
    const more = from + pageSize < wanted.length;
    return {
      tasks: page,
      nextPageToken: more ? `${from + pageSize}` : '',
      pageSize: page.length,
      totalSize: wanted.length,
    };
  }

  get #by(): string {
    return this.#options.by ?? 'a2a';
  }

  #task(id: string): Promise<Task> {
    return taskOf(this.#troupe.conversations, this.#options.tenant, id);
  }

  async #status(id: string): Promise<StreamResponse> {
    const { contextId, status } = await this.#task(id);
    return { statusUpdate: { taskId: id, contextId, status } };
  }

  #keyOf(id: string): Key {
    const session = sessionOf(id);
    if (session === undefined) throw refusal('task_not_found', `there is no task "${id}"`);
    return { tenant: this.#options.tenant, session };
  }

  #read<M extends keyof typeof params>(method: M, input: unknown): Params<M> {
    const read = parse(params[method], input ?? {}, 'params') as Params<M>;
    if (read.tenant !== undefined && read.tenant !== '' && read.tenant !== this.#options.tenant)
      throw refusal('invalid_params', 'params.tenant: the tenant is the one that the request comes from');
    return read;
  }
}

const entryOf = (events: readonly StreamResponse[]): Batch => ({ type: 'entry', events });

const newContext = ({ messageId }: SentMessage): string =>
  `a2a-${createHash('sha256').update(messageId).digest('hex').slice(0, 32)}`;
