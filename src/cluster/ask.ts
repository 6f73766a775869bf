// Broadcast requests: the same request to all other nodes of a cluster, and the reply of each.
import type { Subscription, Transport } from '../transport/transport.ts';
import type { Cluster } from './cluster.ts';

/** Default timeout for each node's reply, ms. */
const PATIENCE = 2_000;

export interface Asked<Answer> {
  readonly node: string;
  /** Undefined when the node did not reply in time. */
  readonly answer: Answer | undefined;
}

/** The subject on which a node receives one kind of request. */
export const questionSubject = (node: string, question: string): string => `troupe.node.${node}.${question}`;

/**
 * Sends a request to all other live nodes at once, and waits `timeout` ms for each reply; without a cluster the result
 * is empty.
 */
export async function askOthers<Answer>(
  cluster: Cluster | undefined,
  transport: Transport,
  question: string,
  body: unknown,
  timeout = PATIENCE,
): Promise<Asked<Answer>[]> {
  const others = cluster?.members.live().filter((id) => id !== cluster.id) ?? [];
  return Promise.all(
    others.map(async (node) => {
      const asked = transport.request(questionSubject(node, question), JSON.stringify(body), { timeout });
      return {
        node,
        answer: await asked.then(
          ({ data }) => JSON.parse(new TextDecoder().decode(data)) as Answer,
          () => undefined,
        ),
      };
    }),
  );
}

/**
 * Replies to one kind of request from other nodes. When `answer` fails no reply is sent, and the requester continues
 * without it.
 */
export function answerOthers(
  cluster: Cluster,
  transport: Transport,
  question: string,
  answer: (body: any) => unknown | Promise<unknown>,
  failed: (error: unknown) => void,
): Subscription {
  return transport.subscribe(questionSubject(cluster.id, question), ({ data, reply }) => {
    void (async () => {
      const body = JSON.stringify(await answer(JSON.parse(new TextDecoder().decode(data))));
      if (reply) transport.publish(reply, body);
    })().catch(failed);
  });
}
