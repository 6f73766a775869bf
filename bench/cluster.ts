// What a turn costs on a cluster: beside the messages it cannot do without, with more and more known sessions, and taking a shard over.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createInbox, type NatsConnection } from '@nats-io/transport-node';
import { natsNode } from '../src/cluster/node.ts';
import { jetstreamJournal } from '../src/journal/jetstream.ts';
import { connectNats } from '../src/nats/connect.ts';
import { createTroupe } from '../src/troupe.ts';
import { type NatsServer, startNats } from '../test/nats.ts';
import { AGENT, FLOOR, type Payloads } from './cluster-side.ts';
import { type Figure, median, perOperation, sideBySide } from './measure.ts';
import { bareAsk } from './nats.ts';

const IN_FLIGHT = [1, 64, 512] as const;
const COUNT = { 1: 300, 64: 2_560, 512: 5_120 } as const;
const ROUNDS = 3;
const WARM = 5_120;
const BODY = Buffer.from(JSON.stringify({ content: 'hello there, where is my order 4711?' }));
const ANSWER = JSON.stringify({ type: 'done', final_message: 'It is on its way and arrives tomorrow.' });
const SHARD = 10_000;
const SIZES = [1_000, 10_000, 100_000] as const;

type Ask = ReturnType<typeof bareAsk>;

/** Turns through a node with an agent on NATS, beside one request to an owner, two fenced publishes and one request to the agent. */
export async function cluster(): Promise<Figure[]> {
  await using stage = new Stage();
  const server = await stage.server();
  await stage.run('agent', server, ANSWER);
  await stage.run('node', server);
  const connection = await stage.connect(server);
  await stage.run('floor', server, JSON.stringify(await payloads(connection, stage, server)));
  const ask = bareAsk(connection);
  const ours = turnsOf((session) => turn(ask, session));
  const floor = turnsOf((session) => ask(`${FLOOR}.${session}`, BODY));
  // Both sides as the compiler leaves them after a while: the first thousands of turns take two to three times as long.
  for (const side of [ours, floor]) await side(64, WARM);
  const figures: Figure[] = [];
  for (const inFlight of IN_FLIGHT) {
    const count = COUNT[inFlight];
    await ours(inFlight, count);
    await floor(inFlight, count);
    const times = { ours: [] as number[], floor: [] as number[] };
    const { ours: mine, floor: bare } = await sideBySide(
      ROUNDS,
      () => perOperation(count, () => ours(inFlight, count, times.ours)),
      () => perOperation(count, () => floor(inFlight, count, times.floor)),
    );
    figures.push({
      name: `turns through a cluster node, ${inFlight} at once, beside a request, two fenced publishes and a request`,
      ...{ ours: 1e6 / mine, floor: 1e6 / bare, unit: 'turns/s', ratio: bare / mine },
      ...{ target: '≥ 0.4', holds: bare / mine >= 0.4 },
      cost: `${(mine - bare).toFixed(0)} µs a turn more: the chart, two entries and a call as JSON, events told on subjects`,
    });
    if (inFlight === 1) figures.push(alone(median(times.ours), median(times.floor)));
  }
  return figures;
}

function alone(ours: number, floor: number): Figure {
  const ratio = ours / floor;
  const name = 'one turn through a cluster node alone (p50), beside the same messages raw';
  const cost = 'the turn itself, and the same four round trips';
  return { name, ours, floor, unit: 'µs', ratio, target: '≤ 2.5', holds: ratio <= 2.5, cost };
}

/** What a node does before it takes events for a shard, beside reading the last message of as many subjects. */
export async function takeover(): Promise<Figure> {
  await using stage = new Stage();
  const server = await stage.server();
  await stage.run('agent', server, ANSWER);
  const before = await stage.run('node', server, '1');
  const connection = await stage.connect(server);
  await known(bareAsk(connection), 0, SHARD);
  before.kill('SIGKILL');
  await once(before, 'exit');
  const nats = await natsNode({ url: server.url });
  const { journal, transport, cluster } = nats;
  const agents = [{ id: 'desk', kind: 'nats' } as const];
  const troupe = await createTroupe({ agents, journal, transport, cluster });
  const takeOver = async () => {
    const rows = await cluster.scan(0);
    if (rows.length !== SHARD) throw new Error(`${rows.length} sessions were found, not ${SHARD}`);
    await troupe.orchestrator.recover(rows);
  };
  const measured = await sideBySide(
    ROUNDS,
    async () => (await perOperation(1, takeOver)) / 1_000,
    async () => (await perOperation(1, () => readLast(connection, SHARD))) / 1_000,
  );
  await troupe.close();
  await nats.close();
  const ratio = measured.ours / measured.floor;
  return {
    name: `taking over a shard of ${SHARD.toLocaleString('en')} sessions, beside reading the last message of each`,
    ...{ ...measured, unit: 'ms', ratio, target: '≤ 2.5', holds: ratio <= 2.5 },
    cost: 'the rows, which are JSON in a header of each message; bodies are not read',
  };
}

/** The same turns with ten and a hundred times as many known sessions. Three clusters in turn, so that all meet the same machine. */
export async function clusterFlat(): Promise<Figure> {
  await using stage = new Stage();
  const clusters: { size: number; ask: Ask; times: number[] }[] = [];
  for (const size of SIZES) {
    const server = await stage.server();
    await stage.run('agent', server, ANSWER);
    await stage.run('node', server);
    const ask = bareAsk(await stage.connect(server));
    await known(ask, 0, size);
    clusters.push({ size, ask, times: [] });
  }
  const count = 5_120;
  for (let round = 0; round <= ROUNDS; round += 1)
    for (const { size, ask, times } of clusters) {
      // Spread over all that are known, so that locality does not flatter the large one.
      const spread = turnsOf((session) => turn(ask, `k${Math.floor((Number(session.slice(1)) * size) / 512)}`));
      await spread(512, 512);
      const took = await perOperation(count, () => spread(512, count));
      if (round > 0) times.push(took);
    }
  const [small, middle, large] = clusters.map(({ times }) => median(times)) as [number, number, number];
  const ratio = Math.max(middle, large) / small;
  return {
    name: 'a turn on a cluster with 100,000 known sessions, beside 1,000',
    ...{ ours: large, floor: small, unit: 'µs', ratio, target: '≤ 1.15', holds: ratio <= 1.15 },
    cost: `with ${SIZES.map((size) => size.toLocaleString('en')).join(' / ')} sessions: ${[small, middle, large].map((time) => time.toFixed(1)).join(' / ')} µs`,
  };
}

async function turn(ask: Ask, session: string): Promise<void> {
  const message = await ask(`troupe.default.session.${session}.message`, BODY);
  if (message.headers) throw new Error(`a turn was refused: ${message.string()}`);
}

/** `count` turns by so many callers, each with a session of its own; `times` gets how long each took, µs. */
const turnsOf =
  (go: (session: string) => Promise<unknown>) =>
  async (inFlight: number, count: number, times?: number[]): Promise<void> => {
    let left = count;
    await Promise.all(
      Array.from({ length: inFlight }, async (_, caller) => {
        while (left-- > 0) {
          const took = await perOperation(1, () => go(`s${caller}`));
          times?.push(took);
        }
      }),
    );
  };

/** One turn in each of so many sessions. */
async function known(ask: Ask, from: number, to: number): Promise<void> {
  let next = from;
  await Promise.all(
    Array.from({ length: 512 }, async () => {
      while (next < to) await turn(ask, `k${next++}`);
    }),
  );
}

/** What a real turn wrote and asked. */
async function payloads(connection: NatsConnection, stage: Stage, server: NatsServer): Promise<Payloads> {
  await stage.run('stream', server);
  let call = '';
  const listening = connection.subscribe(AGENT, {
    callback: (_, message) => {
      call = message.string();
    },
  });
  await connection.flush();
  const ask = bareAsk(connection);
  for (let n = 0; n < 10; n += 1) await turn(ask, 'sample');
  await connection.flush();
  listening.unsubscribe();
  const journal = await jetstreamJournal({ connection });
  const stored = await journal.tail({ tenant: 'default', session: 'sample' }, 2);
  await journal.close();
  const entries = stored.map(({ entry }) => JSON.stringify(entry)) as [string, string];
  const rows = stored.map(({ entry: { n, at, state, wake } }) => JSON.stringify({ n, at, state, wake }));
  return { entries, rows: rows as [string, string], call, answer: ANSWER };
}

/** The least that it takes to have the last message of every subject: one consumer, and nothing done with what it brings. */
async function readLast(connection: NatsConnection, count: number): Promise<void> {
  const inbox = createInbox();
  const { promise, resolve } = Promise.withResolvers<void>();
  let read = 0;
  const subscription = connection.subscribe(inbox, {
    callback: () => {
      read += 1;
      if (read === count) resolve();
    },
  });
  const config = {
    ...{ deliver_subject: inbox, deliver_policy: 'last_per_subject', ack_policy: 'none', replay_policy: 'instant' },
    ...{ filter_subject: 'troupe.journal.0.>', headers_only: true, mem_storage: true, inactive_threshold: 5e9 },
  };
  const request = JSON.stringify({ stream_name: 'troupe-journal', config });
  const reply = await connection.request('$JS.API.CONSUMER.CREATE.troupe-journal', request);
  const { error } = reply.json<{ error?: { description: string } }>();
  if (error) throw new Error(error.description);
  await promise;
  subscription.unsubscribe();
}

/** The servers and processes of a bench, which end with it. */
class Stage implements AsyncDisposable {
  readonly #open: (() => Promise<unknown>)[] = [];

  async server(): Promise<NatsServer> {
    const server = await startNats({ jetstream: true });
    this.#open.push(() => server.stop());
    return server;
  }

  async connect(server: NatsServer): Promise<NatsConnection> {
    const connection = await connectNats({ servers: server.url });
    this.#open.push(() => connection.close());
    return connection;
  }

  /** Resolves when it is ready. */
  async run(side: string, server: NatsServer, ...args: string[]): Promise<ChildProcess> {
    const program = fileURLToPath(new URL('./cluster-side.ts', import.meta.url));
    const profile = process.env.PROFILE === side ? ['--cpu-prof', '--cpu-prof-dir=/tmp'] : [];
    const child = fork(program, [side, server.url, ...args], { execArgv: profile });
    const gone = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the ${side} ended with ${code}`)));
    gone.catch(() => {});
    await Promise.race([once(child, 'message'), gone]);
    this.#open.push(async () => {
      if (child.connected) child.disconnect();
      await gone.catch(() => {});
    });
    return child;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#open.reverse()) await close();
  }
}
