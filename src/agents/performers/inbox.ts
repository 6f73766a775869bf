// Reply inboxes of agents on subjects: one subscription for all calls of a tenant to an agent, and one token in it per
// call.
import { randomUUID } from 'node:crypto';
import { answerInbox } from '../../nats/inboxes.ts';
import type { Message, Transport } from '../../transport/transport.ts';

type Hear = (message: Message) => void;

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
  readonly #inboxes = new Map<string, Map<string, Hear>>();
  #next = 0;

  constructor(transport: Transport, agent: string) {
    this.#transport = transport;
    this.#agent = agent;
  }

  /** Opens a reply subject for one call. */
  open(tenant: string, hear: Hear): { readonly subject: string; close(): void } {
    const root = `${answerInbox(tenant, this.#agent)}.${this.#self}`;
    const hearers = this.#inboxes.get(tenant) ?? this.#listen(tenant, root);
    const token = (this.#next++).toString(36);
    hearers.set(token, hear);
    return { subject: `${root}.${token}`, close: () => void hearers.delete(token) };
  }

  #listen(tenant: string, root: string): Map<string, Hear> {
    const hearers = new Map<string, Hear>();
    this.#inboxes.set(tenant, hearers);
    this.#transport.subscribe(`${root}.*`, (message) => hearers.get(message.subject.slice(root.length + 1))?.(message));
    return hearers;
  }
}
