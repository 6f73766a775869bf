// Deltas and open answers of sessions that another node owns.
import type { PartListener } from '../../actors/answers.ts';
import type { Elsewhere, Orchestrator } from '../../actors/orchestrator.ts';
import type { Part } from '../../actors/parts.ts';
import type { Key } from '../journal/journal.ts';
import type { Transport } from '../transport/transport.ts';
import type { Cluster } from './cluster.ts';

const openSubject = (node: string): string => `troupe.node.${node}.open`;
const deltaSubject = ({ tenant, session }: Key): string =>
  `troupe.${tenant}.session.${session}.event.agent_stream_delta`;
const decode = (data: Uint8Array) => JSON.parse(new TextDecoder().decode(data));

export class OtherNodes implements Elsewhere {
  readonly #cluster: Cluster;
  readonly #transport: Transport;

  constructor(cluster: Cluster, transport: Transport) {
    this.#cluster = cluster;
    this.#transport = transport;
  }

  /** Replies to the other nodes with this node's open answers. */
  serve(orchestrator: Orchestrator): void {
    this.#transport.subscribe(openSubject(this.#cluster.id), async ({ data, reply }) => {
      const part = await orchestrator.openAnswer(decode(data) as Key);
      if (reply) this.#transport.publish(reply, JSON.stringify(part ?? null));
    });
  }

  owns(key: Key): boolean {
    return this.#cluster.owns(key);
  }

  expects(key: Key): boolean {
    return this.#cluster.assigned(key) === this.#cluster.id;
  }

  get away(): boolean {
    return this.#cluster.away;
  }

  /** Returns undefined rather than waiting long: the live deltas start again at 0 when the session has moved. */
  async openAnswer(key: Key): Promise<Part | undefined> {
    const owner = this.#cluster.assigned(key);
    if (owner === undefined || owner === this.#cluster.id) return;
    try {
      const { data } = await this.#transport.request(openSubject(owner), JSON.stringify(key), { timeout: 500 });
      return decode(data) ?? undefined;
    } catch {
      return;
    }
  }

  listen(key: Key, listener: PartListener): () => void {
    const subscription = this.#transport.subscribe(deltaSubject(key), ({ data }) => {
      // Own deltas arrive directly. A node without its lease passes nothing on, because it may have missed deltas while
      // it was frozen.
      if (!this.#cluster.away && !this.#cluster.owns(key)) listener(decode(data) as Part);
    });
    return () => subscription.unsubscribe();
  }
}
