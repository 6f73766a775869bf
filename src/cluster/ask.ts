// One question to all other nodes of a cluster, and what each of them answers.
import type { Subscription, Transport } from '../transport/transport.ts';
import type { Cluster } from './cluster.ts';

/** A node that does not answer within this is left out, ms. */
const PATIENCE = 2_000;

export interface Asked<Answer> {
  readonly node: string;
  /** Undefined when it did not answer in time. */
  readonly answer: Answer | undefined;
}

/** Where a node listens for one kind of question. */
export const questionSubject = (node: string, question: string): string => `troupe.node.${node}.${question}`;

/** Asks all others at once, and waits `timeout` ms for each; without a cluster there are none. */
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

/** Answers one kind of question for the others. An answer that fails is none: whoever asked goes on without it. */
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
