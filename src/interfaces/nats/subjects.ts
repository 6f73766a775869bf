// The NATS interface to sessions: any client of the transport can send messages and commands to a session and watch it.
import { bodies, token, type Verb } from '../../../machines/session/events.ts';
import { Requests } from '../../cluster/requests.ts';
import { isSession, type Key } from '../../journal/journal.ts';
import { Refused } from '../../platform/errors.ts';
import { parse } from '../../platform/parse.ts';
import { version } from '../../platform/version.ts';
import { heartbeat } from '../../routing/heartbeats.ts';
import type { Conversations } from '../../sessions/conversations.ts';
import { parseBody } from '../../sessions/parse-body.ts';
import {
  type Headers,
  type Message,
  MessageTooLarge,
  type Subscription,
  type Transport,
} from '../../transport/transport.ts';
import type { Troupe } from '../../troupe.ts';
import { type Micro, microService } from './micro.ts';

/** Subject `troupe.<tenant>.session.<id>.<verb>`, request and reply. */
export const requestSubject = (tenant: string, session: string, verb: string): string =>
  `troupe.${tenant}.session.${session}.${verb}`;
export const REQUESTS = requestSubject('*', '*', '*');
/**
 * Queue group: of several runtimes on one transport one takes each request. The nodes of a cluster subscribe without it, see
 * `cluster/requests.ts`.
 */
const QUEUE = 'troupe';
const VERBS = [...Object.keys(bodies), 'get'];
/**
 * Subject `troupe.<tenant>.agent.<agent>.heartbeat`. Every node subscribes, because each judges the health of agents by
 * itself.
 */
export const heartbeatSubject = (tenant: string, agent: string): string => `troupe.${tenant}.agent.${agent}.heartbeat`;
export const HEARTBEATS = heartbeatSubject('*', '*');

/** Reply subjects that are refused: with them a client could make a node publish where the client itself may not. */
const OURS = /^(troupe\.|\$)/;

/** Serves a runtime's subjects on a transport. Returns a function that stops it. */
export function serveSubjects(troupe: Troupe, transport: Transport): () => void {
  const serving = new Serving(troupe, transport);
  const tell = (subject: string, told: () => object): void => {
    if (transport.hears?.(subject) ?? true) transport.publish(subject, JSON.stringify(told()));
  };
  const unfollow = troupe.orchestrator.hearAll((key, entry) => {
    if (!isSession(key)) return;
    const { n, at, state, event } = entry;
    const base = eventsOf(key);
    entry.emitted.forEach((told, k) => {
      tell(`${base}.${told.type}`, () => ({ ...told, id: `${n}.${k}`, at }));
    });
    tell(`${base}.state_change`, () => ({ type: 'state_change', id: `${n}`, at, state, event: event.type }));
  });
  const unlisten = troupe.orchestrator.listenAll((key, part) => {
    tell(`${eventsOf(key)}.agent_stream_delta`, () => ({ type: 'agent_stream_delta', ...part }));
  });
  return () => {
    serving.stop();
    unfollow();
    unlisten();
  };
}

export const eventsOf = ({ tenant, session }: Key): string => `troupe.${tenant}.session.${session}.event`;

/** Serves the requests on subjects, and the NATS micro service that describes them. */
class Serving {
  readonly #troupe: Troupe;
  readonly #transport: Transport;
  readonly #subscriptions: Subscription[];
  readonly #micro: Micro;
  #shared: Requests | undefined;
  #stopped = false;

  constructor(troupe: Troupe, transport: Transport) {
    this.#troupe = troupe;
    this.#transport = transport;
    const queue_group = troupe.cluster ? '' : QUEUE;
    this.#micro = microService(transport, {
      name: 'troupe',
      version,
      description: 'sessions with AI agents',
      endpoints: VERBS.map((name) => ({ name, subject: requestSubject('*', '*', name), queue_group })),
    });
    this.#subscriptions = [
      this.#subscribeToRequests(),
      transport.subscribe(HEARTBEATS, (message) => this.#heartbeat(message)),
    ];
  }

  stop(): void {
    this.#stopped = true;
    this.#micro.stop();
    this.#shared?.stop();
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }

  #subscribeToRequests(): Subscription {
    const { cluster, clock } = this.#troupe;
    const transport = this.#transport;
    if (!cluster) return transport.subscribe(REQUESTS, (message) => void this.#request(message), { queue: QUEUE });
    const act = (message: Message, name: string | undefined) => this.#request(message, name);
    this.#shared = new Requests({ cluster, transport, clock, keyOf, act });
    return transport.subscribe(REQUESTS, (message) => this.#shared!.hear(message));
  }

  /** `name` is the idempotency key if the request carries none. */
  async #request(message: Message, name?: string): Promise<void> {
    const began = performance.now();
    const verb = message.subject.split('.').at(-1)!;
    const problem = await this.#answer(message, async () =>
      JSON.stringify(await perform(this.#troupe.conversations, message, name)),
    );
    const error = problem && { code: problem.status, message: problem.detail };
    this.#micro.note(verb, performance.now() - began, error);
  }

  async #heartbeat(message: Message): Promise<void> {
    const problem = await this.#answer(message, async () => {
      const [, tenant, , agent] = message.subject.split('.');
      const key = { tenant: parse(token, tenant, 'tenant'), agent_id: parse(token, agent, 'agent_id') };
      await this.#troupe.heartbeats.hear(key.tenant, key.agent_id, parse(heartbeat, jsonOf(message.data), 'heartbeat'));
      return '';
    });
    if (problem && !message.reply) this.#troupe.log.warn({ ...problem, subject: message.subject }, 'a bad heartbeat');
  }

  /** Replies with the result of `work`, or with the problem document of its error, which it also returns. */
  async #answer(message: Message, work: () => string | Promise<string>): Promise<Problem | undefined> {
    const { subject, reply } = message;
    try {
      const body = await work();
      this.#reply(reply, body);
      return undefined;
    } catch (error) {
      const problem = problemOf(error);
      if (!(error instanceof Refused)) this.#troupe.log.error({ err: error, subject }, 'a request broke');
      const headers = {
        'Nats-Service-Error': oneLine(problem.detail),
        'Nats-Service-Error-Code': String(problem.status),
      };
      this.#reply(reply, JSON.stringify(problem), headers);
      return problem;
    }
  }

  #reply(reply: string | undefined, body: string, headers?: Headers): void {
    if (reply === undefined || OURS.test(reply)) return;
    // Another node has taken over the session and replies to the same request.
    if (this.#stopped && this.#troupe.cluster?.members.takers().length) return;
    try {
      this.#transport.publish(reply, body, { headers });
    } catch (error) {
      // Work that ends after the runtime was stopped finds the transport closed.
      if (!this.#stopped) throw error;
    }
  }
}

/** The session of a request, not yet validated. */
function keyOf({ subject }: Message): Key {
  const [, tenant, , session] = subject.split('.') as [string, string, string, string];
  return { tenant, session };
}

async function perform(
  conversations: Conversations,
  { subject, data, headers }: Message,
  name?: string,
): Promise<unknown> {
  const [, tenant, , id, verb] = subject.split('.') as [string, string, string, string, string];
  const key = conversations.key(tenant, id);
  const idempotencyKey = headers?.['Nats-Msg-Id'] ?? name;
  if (verb === 'get') return conversations.view(key);
  if (!Object.hasOwn(bodies, verb))
    throw new Refused('unknown_verb', `"${verb}" is no verb; there are ${VERBS.join(', ')}`, 404);
  const body = jsonOf(data);
  if (verb === 'message') return conversations.send(key, parseBody('message', body), { idempotencyKey });
  const command = verb as Exclude<Verb, 'message'>;
  return conversations.command(key, command, parseBody(command, body), idempotencyKey);
}

function jsonOf(data: Uint8Array): unknown {
  if (data.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
  } catch {
    throw new Refused('bad_json', 'the payload is not JSON in UTF-8');
  }
}

/** The members of the HTTP problem document, so that a client reads the same on both interfaces. */
interface Problem {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
}

function problemOf(error: unknown): Problem {
  if (error instanceof MessageTooLarge) return { status: 502, code: 'outcome_too_large', detail: error.message };
  if (!(error instanceof Refused)) return { status: 500, code: 'internal', detail: 'the request broke the runtime' };
  return { status: error.status, code: error.code, detail: error.message, ...error.details };
}

// A line break would end a NATS header.
const oneLine = (text: string): string => text.replace(/[\r\n]+/g, ' ').slice(0, 500);
