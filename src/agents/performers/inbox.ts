// Reply inboxes of agents on subjects: one subscription for all calls of a tenant to an agent, and one token in it per
// call.
import { randomUUID } from 'node:crypto';
import { answerInbox } from '../../nats/inboxes.ts';
import type { Message, Transport } from '../../transport/transport.ts';

type Listener = (message: Message) => void;

/**
 * A subscription per call would cost the server more than the call, because each change of subscriptions clears its
 * routing cache.
 */
export class Inbox {
  readonly #transport: Transport;
  readonly #agent: string;
  /** Makes the subject unique, so that only replies to this node's calls arrive. */
  readonly #self = randomUUID();
  /** Pending calls, by tenant and token. The subscription of a tenant stays until the node stops. */
  readonly #inboxes = new Map<string, Map<string, Listener>>();
  #next = 0;

  constructor(transport: Transport, agent: string) {
    this.#transport = transport;
    this.#agent = agent;
  }

  /** Opens a reply subject for one call. */
  open(tenant: string, listener: Listener): { readonly subject: string; close(): void } {
    const root = `${answerInbox(tenant, this.#agent)}.${this.#self}`;
    const listeners = this.#inboxes.get(tenant) ?? this.#listen(tenant, root);
    const token = (this.#next++).toString(36);
    listeners.set(token, listener);
    return { subject: `${root}.${token}`, close: () => void listeners.delete(token) };
  }

  #listen(tenant: string, root: string): Map<string, Listener> {
    const listeners = new Map<string, Listener>();
    this.#inboxes.set(tenant, listeners);
    this.#transport.subscribe(`${root}.*`, (message) =>
      listeners.get(message.subject.slice(root.length + 1))?.(message),
    );
    return listeners;
  }
}
