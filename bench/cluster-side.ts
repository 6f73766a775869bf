// One side of the cluster bench as a process of its own: a node, what a node could cost at the least, or the agent of both.
import type { Msg } from '@nats-io/transport-node';
import { natsNode } from '../src/cluster/node.ts';
import { jetstreamJournal } from '../src/journal/jetstream.ts';
import { connectNats } from '../src/nats/connect.ts';
import { createTroupe } from '../src/troupe.ts';
import { bareAsk, fencedPublish } from './nats.ts';

/** What the floor writes and asks: as large as what a turn of ours writes and asks. */
export interface Payloads {
  readonly entries: readonly [string, string];
  readonly rows: readonly [string, string];
  readonly call: string;
  readonly answer: string;
}

export const AGENT = 'troupe.default.agent.desk.invoke';
export const FLOOR = 'floor.owner';

const [side, url, ...rest] = process.argv.slice(2) as [string, string, ...string[]];

const sides: Record<string, () => Promise<void>> = {
  /** A node that has every session, with default settings: at most 10,000 idle ones stay in memory. */
  async node() {
    const { journal, transport, cluster } = await natsNode({ url, shards: Number(rest[0] ?? 64) });
    const agents = [{ id: 'desk', kind: 'nats', triggers: ['hello', 'order'] } as const];
    const troupe = await createTroupe({ agents, journal, transport, cluster });
    const owned = () => troupe.cluster!.view().shards.every(({ state }) => state === 'owned');
    while (!owned()) await troupe.cluster!.change(100);
  },

  /** Hears a request, writes, asks the agent, writes, answers: the fewest messages that a turn can be made of. */
  async floor() {
    const { entries, rows, call } = JSON.parse(rest[0]!) as Payloads;
    const connection = await connectNats({ servers: url });
    const ask = bareAsk(connection);
    const publish = fencedPublish(connection);
    const [first, second] = entries.map((entry) => Buffer.from(entry));
    const asked = Buffer.from(call);
    const last = new Map<string, number>();
    let turns = 0;
    connection.subscribe(`${FLOOR}.*`, { callback: (_, message) => void owner(message) });
    const owner = async (message: Msg): Promise<void> => {
      const session = message.subject.slice(FLOOR.length + 1);
      const turn = turns++;
      const subject = `floor.journal.0.default.${session}`;
      const more = (entry: number) => `Nats-Msg-Id: floor.${turn}.${entry}\r\nTroupe-Row: ${rows[entry]}\r\n`;
      const noted = await publish(subject, last.get(session) ?? 0, first!, more(0));
      const answer = await ask(AGENT, asked);
      last.set(session, await publish(subject, noted, second!, more(1)));
      message.respond(answer.data);
    };
    await connection.flush();
  },

  async agent() {
    const connection = await connectNats({ servers: url });
    const answer = Buffer.from(rest[0]!);
    connection.subscribe(AGENT, { queue: 'agents', callback: (_, message) => void message.respond(answer) });
    await connection.flush();
  },

  /** The stream that the floor writes to: with the settings of the journal's own. */
  async stream() {
    const connection = await connectNats({ servers: url });
    await (await jetstreamJournal({ connection, name: 'floor' })).close();
    await connection.close();
  },
};

if (import.meta.main) {
  process.on('disconnect', () => process.exit());
  await sides[side]!();
  process.send!('ready');
}
