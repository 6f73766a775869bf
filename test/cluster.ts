// Nodes of a cluster in this process, on a real nats-server, and agents whose work stands still until it is told to go on.
import { setTimeout as pause } from 'node:timers/promises';
import { expect, vi } from 'vitest';
import type { FunctionAgent } from '../src/agents/definition.ts';
import { type NatsNode, natsNode } from '../src/cluster/node.ts';
import { createTroupe, type Troupe, type TroupeOptions } from '../src/troupe.ts';

export interface TestNode {
  readonly id: string;
  readonly troupe: Troupe;
  readonly nats: NatsNode;
  /** Leaves in order. */
  close(): Promise<void>;
}

export interface NodeOptions extends Omit<TroupeOptions, 'cluster'> {
  /** Drawn unless told. */
  readonly id?: string;
  /** Changes what the node shares with the others before it joins. */
  readonly sharing?: (cluster: NatsNode['cluster']) => NatsNode['cluster'];
}

export async function startNode(
  url: string,
  { id, sharing = (it) => it, ...options }: NodeOptions = {},
): Promise<TestNode> {
  const nats = await natsNode({ url, id, shards: 16 });
  const { journal, transport } = nats;
  const troupe = await createTroupe({ ...options, journal, transport, cluster: sharing(nats.cluster) });
  let closed: Promise<void> | undefined;
  const close = async () => {
    await troupe.close();
    await nats.close();
  };
  return {
    id: troupe.cluster!.id,
    troupe,
    nats,
    close: () => {
      closed ??= close();
      return closed;
    },
  };
}

/** Resolves when every shard is owned, each by exactly one of these nodes. */
export async function settled(...nodes: TestNode[]): Promise<void> {
  await vi.waitFor(
    () => {
      const views = nodes.map(({ troupe }) => troupe.cluster!.view());
      const owned = views.map(({ shards }) => shards.filter(({ state }) => state === 'owned').length);
      expect(owned.reduce((sum, count) => sum + count)).toBe(16);
      expect(owned).not.toContain(0);
    },
    { timeout: 20_000 },
  );
}

/** A session that this node has. */
export function sessionOn({ id, troupe }: TestNode, name = 's'): string {
  for (let index = 1; ; index += 1) {
    const session = `${name}${index}`;
    if (troupe.cluster!.assigned({ tenant: 'default', session }) === id) return session;
  }
}

/** Counts to what it is told, a word every few milliseconds. */
export const counter: FunctionAgent = {
  id: 'counter',
  triggers: ['count to'],
  async *run(message, { signal }) {
    const last = Number(/\d+/.exec(message)![0]);
    for (let n = 1; n <= last; n += 1) {
      await pause(15, undefined, { signal });
      yield n === 1 ? '1' : ` ${n}`;
    }
  },
};

export const counted = (last: number): string => Array.from({ length: last }, (_, index) => index + 1).join(' ');

/** An agent whose every call is steered by the test. */
export class Steered {
  readonly calls: { readonly key: string; readonly signal: AbortSignal; say(text: string): void; end(): void }[] = [];

  readonly agent: FunctionAgent = {
    id: 'steered',
    triggers: ['steer'],
    run: (_, { call, signal, part }) =>
      new Promise((resolve) => {
        let text = '';
        const say = (more: string) => {
          text += more;
          part(more);
        };
        this.calls.push({ key: call.idempotency_key, signal, say, end: () => resolve(text) });
      }),
  };

  /** The call with this number, once it has come. */
  async call(number: number) {
    await expect.poll(() => this.calls.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(number);
    return this.calls[number - 1]!;
  }
}
