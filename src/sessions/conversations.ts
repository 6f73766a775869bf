// The commands on sessions that every interface uses: validate the input, send it to the mailbox, wait for the outcome.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { allowedIn } from '../../actors/allowed.ts';
import { type Birth, type Orchestrator, unknownSession } from '../../actors/orchestrator.ts';
import { CREATE, type Session } from '../../actors/session.ts';
import {
  foldRun,
  messagesOf,
  parseRunId,
  type RunEvent,
  type RunView,
  runEventsOf,
  type TranscriptMessage,
  type View,
} from '../../actors/transcript.ts';
import { type SessionView, view } from '../../actors/view.ts';
import { type Body, bodies, type SessionContext, token, type Verb } from '../../machines/session/events.ts';
import { sessionMachine } from '../../machines/session/machine.ts';
import { type Entry, isSession, type Key, type Row, type RowQuery } from '../journal/journal.ts';
import { checkSessionConfig } from '../llm/settings.ts';
import { Conflict, Refused } from '../platform/errors.ts';
import { parse } from '../platform/parse.ts';
import { Access } from '../routing/access.ts';
import type { Directory } from '../routing/directory.ts';
import { fork } from './fork.ts';
import { acceptedOf, type Outcome, Waiting } from './outcome.ts';

export interface SendOptions {
  /** Idempotency key: a repeated request gets the result of the first one. */
  readonly idempotencyKey?: string;
  /** Configuration of a session that this message creates. */
  readonly birth?: Birth;
  /** Stops waiting; the message stays accepted. */
  readonly signal?: AbortSignal;
  /** Called as soon as the message is accepted, before any of its results. */
  readonly accepted?: (accepted: Accepted) => void;
}

/** An accepted message: its run and its own id. */
export interface Accepted {
  readonly run_id: string;
  readonly message_id: string;
}

/** Sorts after all internal keys (`@…`) and before all session ids that follow them. */
const LAST_OTHER = '@~';

export interface ForkWish {
  /** The last entry that is copied. */
  readonly entry?: number;
  /** The agent that answers the last message instead. */
  readonly agent_id?: string;
}

export type ForkView = SessionView & { readonly forked_from: { readonly session_id: string; readonly entry: number } };

const keys = z.string().min(1, 'must not be empty').max(200, 'must not be longer than 200 characters');

export class Conversations {
  readonly #orchestrator: Orchestrator;
  readonly #directory: Directory;
  readonly #access: Access;
  /** Called for a forked session, whose entries were copied and not appended by its own actor. */
  onFork: ((key: Key, last: Entry) => void) | undefined;

  constructor(orchestrator: Orchestrator, directory: Directory, access = new Access()) {
    this.#orchestrator = orchestrator;
    this.#directory = directory;
    this.#access = access;
  }

  /** Throws `Refused('bad_id')` if a tenant or session id is no token. */
  key(tenant: string, session: string): Key {
    return { tenant: parse(token, tenant, 'tenant'), session: parse(token, session, 'session_id') };
  }

  /** Creates a session explicitly. Throws `Refused('session_exists')`, unless the same request created it before. */
  async create(key: Key, birth: Birth = {}, idempotencyKey?: string): Promise<SessionView> {
    checkSessionConfig(birth.config);
    await this.#permit(key, 'create');
    const cause = causeOf(idempotencyKey);
    const exists = new Refused('session_exists', `there is a session "${key.session}" already`, 409);
    const before = await this.#orchestrator.find(key);
    if (before && before.position.n > 0) {
      const [first] = await this.#orchestrator.journal.read(key, 1, 1);
      if (cause === undefined || first?.entry.cause !== cause) throw exists;
      return standing(before);
    }
    const session = await this.#orchestrator.open(key, birth);
    await session.send({ type: CREATE }, cause).catch((error) => {
      // The session's first message arrived in between.
      throw error instanceof Refused && error.code === 'illegal_in_state' ? exists : error;
    });
    return standing(session);
  }

  /**
   * Sends a message to a session, which is created if it does not exist. Resolves when its run answers, asks, fails or waits for
   * a person. Throws `Refused` if the message was not accepted: nothing of it is journaled then.
   */
  async send(key: Key, body: Body<'message'>, options: SendOptions = {}): Promise<Outcome> {
    const waiting = new Waiting(this.#orchestrator, key, options.signal);
    try {
      const { session, entry, message_id, duplicate } = await this.#accept(key, body, options);
      options.accepted?.({ run_id: acceptedOf(entry, message_id).run_id, message_id });
      return await waiting.for(session, entry, message_id, duplicate);
    } finally {
      waiting.end();
    }
  }

  /** Sends a message and does not wait: resolves when it is accepted, with the id of its run. */
  async begin(
    key: Key,
    body: Body<'message'>,
    options: SendOptions = {},
  ): Promise<{ run_id: string; message_id: string; agent_id: string | null }> {
    const { session, entry, message_id } = await this.#accept(key, body, options);
    const { run_id } = acceptedOf(entry, message_id);
    const routed = entry.emitted.filter((one) => one.type === 'run_routed').find((one) => one.run_id === run_id);
    const agent_id = routed?.agent ?? body.agent_id ?? view(session).run?.agent_id ?? null;
    return { run_id, message_id, agent_id };
  }

  /** Sends a command to a session; resolves to its new state. Throws `Refused`, 409, if its state does not allow the command. */
  async command<V extends Exclude<Verb, 'message'>>(
    key: Key,
    verb: V,
    body: Body<V>,
    idempotencyKey?: string,
  ): Promise<SessionView> {
    await this.#permit(key, verb, body as { by?: string });
    const event = { type: verb, ...(body as object) };
    const { entry, duplicate } = await this.#orchestrator.send(key, event, causeOf(idempotencyKey)).catch((error) => {
      throw inVerbs(error);
    });
    if (duplicate) checkRepeated(entry.event, event);
    return this.view(key);
  }

  /** Sends an event that is no public verb to the actor of that key, and creates it if need be. */
  async tell(key: Key, event: { readonly type: string }): Promise<void> {
    await (await this.#orchestrator.open(key)).send(event);
  }

  async view(key: Key): Promise<SessionView> {
    return standing(await this.#existing(key));
  }

  /**
   * Forks another session of the tenant at one of its entries, the last by default, as the session `key`. With an agent the fork
   * ends at the last message up to there, which is sent to that agent. Rejects with `Refused`: `unknown_session`,
   * `unknown_entry`, `unknown_agent`, `no_message`, `not_replayable`, or `session_exists`, unless the same request created it.
   */
  async fork(key: Key, from: string, wish: ForkWish = {}, idempotencyKey?: string): Promise<ForkView> {
    const { journal, clock } = this.#orchestrator;
    await this.#permit(key, 'fork', { agent: wish.agent_id });
    const cause = causeOf(idempotencyKey);
    const exists = new Refused('session_exists', `there is a session "${key.session}" already`, 409);
    const past = await this.journal({ ...key, session: from }, 1, wish.entry);
    if (past.length < (wish.entry ?? 1))
      throw new Refused('unknown_entry', `session "${from}" has only ${past.length} entries`, 404);
    const kept = wish.agent_id === undefined ? past : toLastMessage(past);
    const told = async () => ({
      ...(await this.view(key)),
      forked_from: { session_id: from, entry: kept.length },
    });
    const [there] = await journal.read(key, 1, 1);
    if (there && cause !== undefined && there.entry.cause === cause) return told();
    if (there) throw exists;
    const [first, ...rest] = fork(kept, sessionMachine, key.session, clock.now(), this.#readdressed(key, kept, wish));
    try {
      let version = await journal.append(key, 0, cause === undefined ? first! : { ...first!, cause });
      for (const entry of rest) version = await journal.append(key, version, entry);
    } catch (error) {
      throw error instanceof Conflict ? exists : error;
    }
    this.onFork?.(key, rest.at(-1) ?? first!);
    return told();
  }

  /** The transcript, oldest first; `after` and `limit` page by entry. */
  async messages(key: Key, which: View = 'full'): Promise<TranscriptMessage[]> {
    return (await this.journal(key)).flatMap((entry) => messagesOf(entry, which));
  }

  /** The entries from `from` on. Throws `Refused('unknown_session')`. */
  async journal(key: Key, from = 1, limit?: number): Promise<Entry[]> {
    const stored = await this.#orchestrator.journal.read(key, from, limit);
    if (stored.length === 0 && from === 1) throw unknownSession(key);
    return stored.map(({ entry }) => entry);
  }

  /** A run and its events. Throws `Refused('unknown_run')`. */
  async run(tenant: string, run_id: string): Promise<{ run: RunView; events: RunEvent[] }> {
    const parsed = parseRunId(run_id);
    const unknown = new Refused('unknown_run', `there is no run "${run_id}"`, 404);
    if (!parsed) throw unknown;
    const stored = await this.#orchestrator.journal.read({ tenant, session: parsed.session });
    const events = stored.flatMap(({ entry }) => runEventsOf(entry, run_id));
    const run = foldRun(parsed.session, run_id, events);
    if (!run) throw unknown;
    return { run, events };
  }

  /** A page of a tenant's sessions, and the cursor of the next one. */
  async list(query: RowQuery & { readonly tenant: string }): Promise<{ rows: Row[]; next?: Key }> {
    const limit = query.limit ?? 100;
    const { journal } = this.#orchestrator;
    let found = await journal.rows({ ...query, limit: limit + 1 });
    // Internal keys are adjacent in key order, so one more query skips them.
    if (found.some(({ key }) => !isSession(key))) {
      const before = found.filter(({ key }) => key.session < '@');
      const after = { tenant: query.tenant, session: LAST_OTHER };
      found = [...before, ...(await journal.rows({ ...query, after, limit: limit + 1 - before.length }))];
    }
    const page = found.slice(0, limit);
    return found.length > limit ? { rows: page, next: page.at(-1)!.key } : { rows: page };
  }

  #readdressed(key: Key, kept: readonly Entry[], { agent_id }: ForkWish) {
    if (agent_id === undefined) return undefined;
    const content = kept.at(-1)!.event.content as string;
    return { agent: agent_id, route: this.#directory.routeNow(key, { content, agent_id }) };
  }

  async #existing(key: Key): Promise<Session> {
    const session = await this.#orchestrator.find(key);
    if (!session || session.position.n === 0) throw unknownSession(key);
    return session;
  }

  async #permit({ tenant, session }: Key, action: string, { by, agent }: { by?: string; agent?: string } = {}) {
    if (this.#access.asks) await this.#access.check({ tenant, action, session_id: session, agent, by });
  }

  async #accept(key: Key, body: Body<'message'>, { idempotencyKey, birth }: SendOptions) {
    checkSessionConfig(birth?.config);
    const cause = causeOf(idempotencyKey);
    const route = this.#directory.routeNow(key, body);
    await this.#permit(key, 'message', { agent: route?.agent ?? body.agent_id });
    const session = await this.#orchestrator.open(key, birth);
    const message_id = cause ?? `m-${randomUUID()}`;
    const { content, agent_id, flow } = body;
    const event = { type: 'message', id: message_id, content, agent: agent_id, flow, route };
    const { entry, duplicate } = await session.send(event, cause).catch((error) => {
      throw full(session, error);
    });
    if (duplicate) checkRepeated(entry.event, event);
    return { session, entry, message_id, duplicate };
  }
}

const standing = (session: Session): SessionView => ({ ...view(session), allowed: allowedIn(session.snapshot) });

function toLastMessage(entries: readonly Entry[]): readonly Entry[] {
  const kept = entries.slice(0, entries.findLastIndex(({ event }) => event.type === 'message') + 1);
  if (kept.length > 0) return kept;
  throw new Refused('no_message', 'nobody has said anything up to there that an agent could answer', 409);
}

const causeOf = (idempotencyKey: string | undefined): string | undefined =>
  idempotencyKey === undefined ? undefined : parse(keys, idempotencyKey, 'Idempotency-Key');

/** An idempotency key names one request: a repetition must have the same body. The route is the runtime's and is not compared. */
function checkRepeated(before: Entry['event'], again: object): void {
  const told = (event: object) => JSON.stringify({ ...event, route: undefined });
  if (told(before) === told(again)) return;
  throw new Refused(
    'idempotency_key_reused',
    'this Idempotency-Key came with another request before; a new request needs a new key',
    422,
  );
}

/** The refusal with only the verbs a caller can send: the chart's other events come from the runtime. */
function inVerbs(error: unknown): unknown {
  if (!(error instanceof Refused) || error.code !== 'illegal_in_state') return error;
  const { code, message, status, details } = error;
  const allowed = (details.allowed as string[]).filter((event) => event in bodies);
  return new Refused(code, message, status, { ...details, allowed });
}

/** The refusal of a message, with its reason in the caller's terms, such as a full mailbox. */
function full(session: Session, error: unknown): unknown {
  if (!(error instanceof Refused) || error.code !== 'illegal_in_state') return error;
  const { queue, settings } = session.snapshot.context as SessionContext;
  if (queue.length >= settings.queue_limit)
    return new Refused('queue_full', `${queue.length} messages wait already; try again later`, 429, {
      retry_after_s: 1,
    });
  if (settings.busy === 'reject')
    return new Refused('busy', 'the session is answering another message', 409, { ...error.details, retry_after_s: 1 });
  return inVerbs(error);
}
