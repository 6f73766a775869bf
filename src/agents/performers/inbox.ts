// Where agents on subjects answer: one subscription for all calls of a tenant to an agent, and a place in it for each call.
import { randomUUID } from 'node:crypto';
import { answerInbox } from '../../nats/inboxes.ts';
import type { Message, Transport } from '../../transport/transport.ts';

type Hear = (message: Message) => void;

/** A subscription for each call would cost the server more than the call: it forgets who hears what whenever one comes or goes. */
export class Inbox {
  readonly #transport: Transport;
  readonly #agent: string;
  /** Nobody else answers to this node's calls. */
  readonly #self = randomUUID();
  /** Who waits for an answer, by tenant and place. A tenant that once called is listened to for as long as the node lives. */
  readonly #inboxes = new Map<string, Map<string, Hear>>();
  #next = 0;

  constructor(transport: Transport, agent: string) {
    this.#transport = transport;
    this.#agent = agent;
  }

  /** Opens a place for the answer to one call. */
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
