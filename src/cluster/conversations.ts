// Conversations in a cluster: any node accepts a request and forwards it to the session's owner; the request survives
// the death of that owner.
import { randomUUID } from 'node:crypto';
import type { Birth } from '../../actors/orchestrator.ts';
import type { SessionView } from '../../actors/view.ts';
import type { Body, Verb } from '../../machines/session/events.ts';
import type { Key } from '../journal/journal.ts';
import type { Clock } from '../platform/clock.ts';
import { JournalError, Refused } from '../platform/errors.ts';
import type { Log } from '../platform/log.ts';
import { Conversations, type ForkView, type ForkWish, type SendOptions } from '../sessions/conversations.ts';
import type { Outcome } from '../sessions/outcome.ts';
import {
  MessageTooLarge,
  NoResponders,
  RequestTimeout,
  type Subscription,
  type Transport,
} from '../transport/transport.ts';
import { answerOthers, askOthers } from './ask.ts';
import type { Cluster } from './cluster.ts';

type Method = 'send' | 'begin' | 'create' | 'command' | 'tell' | 'view' | 'fork';

/** A request from one node to another; the reply is `{ ok }` or `{ refused }`. */
interface Request {
  readonly method: Method;
  readonly key: Key;
  readonly args: readonly unknown[];
}

/** Codes of a session that is moving to another node: the request is sent again. */
const MOVING = new Set(['moved', 'stopped', 'no_owner']);
/** Retry window of a request, ms; after it the caller gets a 503 and may try again. */
const PATIENCE = 15_000;
/** Timeout of one attempt at the owner, ms. An answer may take longer, but a reply may be lost with a connection. */
const AGAIN = 10_000;

/** The request that asks a node whether its listeners have every delta published so far. */
const HEARD = 'heard';
/** Timeout of that request, ms. */
const HEARING = 500;
const SILENCING = new Set<string>(['takeover', 'pause', 'cancel', 'close']);

const doSubject = (node: string): string => `troupe.node.${node}.do`;

export interface ClusterSide {
  readonly cluster: Cluster;
  readonly clock: Clock;
  readonly transport: Transport;
  readonly log: Log;
}

export class ClusterConversations extends Conversations {
  readonly #side: ClusterSide;

  constructor(side: ClusterSide, ...rest: ConstructorParameters<typeof Conversations>) {
    super(...rest);
    this.#side = side;
  }

  /** Subscribes to the requests of the other nodes. */
  serve(): Subscription {
    const { cluster, transport, log } = this.#side;
    // Deltas that arrived before this request reach the listeners here by the next turn of the event loop.
    answerOthers(
      cluster,
      transport,
      HEARD,
      () => new Promise((told) => setImmediate(told, true)),
      (error) => log.error({ err: error }, 'not said that everything is told'),
    );
    return transport.subscribe(doSubject(cluster.id), ({ data, reply }) => {
      const request = JSON.parse(new TextDecoder().decode(data)) as Request;
      const answer = (told: object) => {
        // A requester without a reply sees that this node has left, and sends the request to the next owner.
        if (reply && !cluster.stopped) transport.publish(reply, JSON.stringify(told));
      };
      void this.#locally(request).then(
        (ok) => {
          try {
            answer({ ok });
          } catch (error) {
            // The entry is appended all the same; a repeated request must not end this node, nor the next owner.
            answer({ refused: this.#refusal(error) });
          }
        },
        (error) => answer({ refused: this.#refusal(error) }),
      );
    });
  }

  override create(key: Key, birth: Birth = {}, idempotencyKey: string = randomUUID()): Promise<SessionView> {
    return this.#at('create', key, [birth, idempotencyKey]);
  }

  override async send(key: Key, body: Body<'message'>, options: SendOptions = {}): Promise<Outcome> {
    const { idempotencyKey = `m-${randomUUID()}`, birth, signal, accepted } = options;
    const args = [body, { idempotencyKey, birth }];
    // Notified at once, though the answer may take long; a request with the same idempotency key waits for the same
    // answer.
    if (accepted) {
      const { run_id, message_id } = await this.#at<Awaited<ReturnType<Conversations['begin']>>>('begin', key, args);
      accepted({ run_id, message_id });
    }
    return this.#at('send', key, args, signal);
  }

  override begin(key: Key, body: Body<'message'>, options: SendOptions = {}): ReturnType<Conversations['begin']> {
    const { idempotencyKey = `m-${randomUUID()}`, birth } = options;
    return this.#at('begin', key, [body, { idempotencyKey, birth }]);
  }

  override command<V extends Exclude<Verb, 'message'>>(
    key: Key,
    verb: V,
    body: Body<V>,
    idempotencyKey: string = randomUUID(),
  ): Promise<SessionView> {
    return this.#at('command', key, [verb, body, idempotencyKey]);
  }

  override tell(key: Key, event: { readonly type: string }): Promise<void> {
    return this.#at('tell', key, [event]);
  }

  override fork(key: Key, from: string, wish: ForkWish = {}, idempotencyKey: string = randomUUID()): Promise<ForkView> {
    return this.#at('fork', key, [from, wish, idempotencyKey]);
  }

  override view(key: Key): Promise<SessionView> {
    return this.#at('view', key, []);
  }

  /**
   * Sends the request to the current owner until there is a reply. Every method carries its idempotency key, so
   * repeating it is harmless.
   */
  async #at<T>(method: Method, key: Key, args: readonly unknown[], signal?: AbortSignal): Promise<T> {
    const { cluster, clock } = this.#side;
    const request: Request = { method, key, args };
    let until = clock.now() + PATIENCE;
    for (;;) {
      signal?.throwIfAborted();
      const owner = await cluster.owner(key);
      const before = clock.now();
      try {
        if (owner === cluster.id) return (await this.#here(request)) as T;
        return (await this.#remotely(owner, request, signal)) as T;
      } catch (error) {
        const again = error instanceof Moved || (error instanceof Refused && MOVING.has(error.code));
        // Waiting for a slow answer does not use up the retry window.
        if (clock.now() - before > 1_000) until = clock.now() + PATIENCE;
        if (!again || clock.now() > until) throw error instanceof Moved ? unreachable() : error;
        await cluster.change(20);
      }
    }
  }

  /**
   * Waits only while this node has its lease: an append without a reply may have been stored, so the caller has to send
   * the request again.
   */
  async #here(request: Request): Promise<unknown> {
    const over = new AbortController();
    const result = this.#locally(request);
    result.catch(() => {});
    try {
      return await Promise.race([result, this.#cutOff(over.signal)]);
    } catch (error) {
      if (error instanceof JournalError) throw unreachable();
      throw error;
    } finally {
      over.abort(OVER);
    }
  }

  async #cutOff(over: AbortSignal): Promise<never> {
    const { cluster } = this.#side;
    while (!over.aborted) {
      if (cluster.away) throw unreachable();
      await cluster.change(1_000);
    }
    return new Promise<never>(() => {});
  }

  async #locally({ method, key, args }: Request): Promise<unknown> {
    if (!this.#side.cluster.owns(key)) throw new Refused('moved', 'this node does not have the session', 503);
    const [first, second, third] = args as [never, never, never];
    switch (method) {
      case 'send':
        return super.send(key, first, second);
      case 'begin':
        return super.begin(key, first, second);
      case 'create':
        return super.create(key, first, second);
      case 'command':
        return this.#acknowledged(first, await super.command(key, first, second, third));
      case 'tell':
        return super.tell(key, first);
      case 'view':
        return super.view(key);
      case 'fork':
        return super.fork(key, first, second, third);
    }
  }

  /**
   * Delays the reply to a takeover until all nodes have passed on the deltas published before it: after the
   * acknowledgement no listener on any node gets another one. A frozen node does not reply and publishes nothing, so a
   * short timeout is enough.
   */
  async #acknowledged(verb: string, standing: SessionView): Promise<SessionView> {
    const { cluster, transport } = this.#side;
    if (SILENCING.has(verb)) await askOthers(cluster, transport, HEARD, null, HEARING);
    return standing;
  }

  async #remotely(owner: string, request: Request, signal?: AbortSignal): Promise<unknown> {
    const { cluster, transport } = this.#side;
    const over = new AbortController();
    const reply = transport.request(doSubject(owner), JSON.stringify(request), { timeout: AGAIN });
    // The loser of the race must not become an unhandled rejection.
    reply.catch(() => {});
    try {
      const { data } = await Promise.race([
        reply,
        this.#gone(owner, request.key, over.signal),
        ...(signal ? [aborted(signal)] : []),
      ]);
      const answer = JSON.parse(new TextDecoder().decode(data)) as {
        ok?: unknown;
        refused?: { code: string; message: string; status: number; details: Record<string, unknown> };
      };
      if (!answer.refused) return answer.ok;
      const { code, message, status, details } = answer.refused;
      throw new Refused(code, message, status, details);
    } catch (error) {
      if (error instanceof NoResponders) {
        cluster.members.unanswered(owner);
        throw new Moved();
      }
      if (error instanceof RequestTimeout) throw new Moved();
      throw error;
    } finally {
      over.abort(OVER);
    }
  }

  /** Rejects as soon as the session is assigned to another node than the one that has the request. */
  async #gone(node: string, key: Key, over: AbortSignal): Promise<never> {
    const { cluster } = this.#side;
    const { steady } = cluster.members;
    while (!over.aborted) {
      if (cluster.away) throw unreachable();
      // The reply may have been lost during a break of the connection.
      if (cluster.members.steady !== steady) throw new Moved();
      if (!cluster.members.live().includes(node) || cluster.assigned(key) !== node) throw new Moved();
      await cluster.change(1_000);
    }
    return new Promise<never>(() => {});
  }

  #refusal(error: unknown) {
    if (error instanceof Refused) {
      const { code, message, status, details } = error;
      return { code, message, status, details };
    }
    if (error instanceof MessageTooLarge)
      return { code: 'outcome_too_large', message: error.message, status: 502, details: {} };
    this.#side.log.error({ err: error }, 'a request of another node broke');
    return { code: 'internal', message: 'the request broke the node that has the session', status: 500, details: {} };
  }
}

/** A string as reason saves creating an exception for each request. */
const OVER = 'answered';

class Moved extends Error {}

const unreachable = (): Refused =>
  new Refused('no_owner', 'no node has this session right now; try again', 503, { retry_after_s: 1 });

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
