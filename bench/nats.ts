// node bench/nats.ts: the journal and the transport over a real nats-server, beside what the bare client does with it.

import { createInbox, type Msg, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamJournal } from '../src/journal/jetstream.ts';
import { keyName } from '../src/journal/journal.ts';
import { connectNats } from '../src/nats/connect.ts';
import { natsTransport } from '../src/transport/nats.ts';
import { entry, key } from '../test/journal.entries.ts';
import { type NatsServer, startNats } from '../test/nats.ts';
import { type Figure, perOperation, row, say, sideBySide } from './measure.ts';

const ROUNDS = 5;
const IN_FLIGHT = [1, 64, 512];

/** As large as an entry of a session at work. */
const TEXT = 'x'.repeat(600);
const encoder = new TextEncoder();

/** Appends to one session for each that is in flight, beside fenced publishes to one subject for each. */
export async function appends(server: NatsServer): Promise<Figure[]> {
  const connection = await connectNats({ servers: server.url });
  const bare = await connectNats({ servers: server.url });
  const journal = await jetstreamJournal({ connection, name: 'ours' });
  await bare.request('$JS.API.STREAM.CREATE.floor', JSON.stringify(await floorLike(connection)));
  const publish = fencedPublish(bare);
  let runs = 0;

  const ours = (inFlight: number, count: number, followed: boolean) => async () => {
    const run = runs++;
    const unfollow = followed ? journal.follow('*', () => {}) : () => {};
    await journal.last(key('warm'));
    const took = await perOperation(count, () =>
      together(inFlight, count, async (worker, turns) => {
        let version = 0;
        for (let n = 1; n <= turns; n++) {
          const message = entry(n, { event: { type: 'message', content: TEXT } });
          version = await journal.append(key(`${run}-${worker}`), version, message);
        }
      }),
    );
    unfollow();
    return took;
  };
  const floor = (inFlight: number, count: number) => async () => {
    const run = runs++;
    const body = encoder.encode(JSON.stringify(entry(1, { event: { type: 'message', content: TEXT } })));
    return perOperation(count, () =>
      together(inFlight, count, async (worker, turns) => {
        let version = 0;
        for (let n = 0; n < turns; n++) version = await publish(`floor.0.default.${run}-${worker}`, version, body);
      }),
    );
  };

  const figures: Figure[] = [];
  for (const followed of [false, true]) {
    for (const inFlight of IN_FLIGHT) {
      const count = inFlight === 1 ? 3_000 : 30_000;
      await ours(inFlight, count, followed)();
      const name = `append, ${inFlight} in flight${followed ? ', followed' : ''}`;
      figures.push(
        figure(
          name,
          await sideBySide(ROUNDS, ours(inFlight, count, followed), floor(inFlight, count)),
          followed ? 'each entry comes back through the tap' : 'JSON of the entry, headers, message id',
          followed ? 3 : 2,
        ),
      );
    }
  }
  await journal.close();
  await Promise.all([connection.close(), bare.close()]);
  return figures;
}

/** Requests to an echo, beside the bare client's publishes to it and back. */
export async function requests(server: NatsServer): Promise<Figure[]> {
  const [connection, bare, echo] = await Promise.all([1, 2, 3].map(() => connectNats({ servers: server.url })));
  echo!.subscribe('echo', { callback: (_, message) => void message.respond(message.data) });
  await echo!.flush();
  const transport = natsTransport(connection!);
  const ask = bareAsk(bare!);
  const body = encoder.encode(TEXT);
  const figures: Figure[] = [];
  for (const inFlight of IN_FLIGHT) {
    const count = inFlight === 1 ? 3_000 : 40_000;
    const run = (go: () => Promise<unknown>) => () =>
      perOperation(count, () =>
        together(inFlight, count, async (_, turns) => {
          for (let n = 0; n < turns; n++) await go();
        }),
      );
    const ours = run(() => transport.request('echo', body));
    await ours();
    const measured = await sideBySide(
      ROUNDS,
      ours,
      run(() => ask('echo', body)),
    );
    figures.push(
      figure(`request, ${inFlight} in flight`, measured, 'checks of the subject, a copy, a timer, the message'),
    );
    const client = run(() => bare!.request('echo', body, { timeout: 5000 }));
    figures.push(
      figure(`… beside the client's own request`, await sideBySide(ROUNDS, ours, client), 'the inbox and the map'),
    );
  }
  await transport.close();
  await Promise.all([connection!.close(), bare!.close(), echo!.close()]);
  return figures;
}

/** One entry of a session of any length, beside one direct get. */
export async function reads(server: NatsServer): Promise<Figure[]> {
  const connection = await connectNats({ servers: server.url });
  const journal = await jetstreamJournal({ connection, name: 'reads' });
  const figures: Figure[] = [];
  for (const length of [10, 100, 1_000]) {
    const at = key(`of-${length}`);
    let version = 0;
    for (let n = 1; n <= length; n++) version = await journal.append(at, version, entry(n, { init: TEXT }));
    const subject = `$JS.API.DIRECT.GET.reads-journal.reads.journal.${journal.shardOf(at)}.default.${at.session}`;
    const repeat = (go: () => Promise<unknown>) => () =>
      perOperation(1_000, async () => {
        for (let n = 0; n < 1_000; n++) await go();
      });
    const measured = await sideBySide(
      ROUNDS,
      repeat(() => journal.last(at)),
      repeat(() => connection.request(subject)),
    );
    figures.push(figure(`last of ${keyName(at)}`, measured, 'one get, however long the session'));
  }
  await journal.close();
  await connection.close();
  return figures;
}

/** Runs so many workers at once, which share the turns. */
async function together(inFlight: number, count: number, work: (worker: number, turns: number) => Promise<void>) {
  await Promise.all(Array.from({ length: inFlight }, (_, worker) => work(worker, Math.floor(count / inFlight))));
}

function figure(name: string, { ours, floor }: { ours: number; floor: number }, cost: string, target = 2): Figure {
  const ratio = ours / floor;
  return { name, ours, floor, unit: 'µs', ratio, target: `≤ ${target}`, holds: ratio <= target, cost };
}

/** The least that a client in Node can do for a reply: one inbox, a map, no timer. */
export function bareAsk(
  connection: NatsConnection,
): (subject: string, body: Uint8Array, headers?: MsgHdrs) => Promise<Msg> {
  const inbox = `${createInbox()}.`;
  const waiting = new Map<string, (message: Msg) => void>();
  let asked = 0;
  connection.subscribe(`${inbox}*`, {
    callback: (_, message) => {
      const token = message.subject.slice(inbox.length);
      waiting.get(token)!(message);
      waiting.delete(token);
    },
  });
  return (subject, body, headers) =>
    new Promise((resolve) => {
      const token = String(asked++);
      waiting.set(token, resolve);
      connection.publish(subject, body, { reply: inbox + token, headers });
    });
}

/** A publish against the fence, with the headers as bytes; `more` are further lines of them. */
export function fencedPublish(connection: NatsConnection) {
  const ask = bareAsk(connection);
  return async (subject: string, after: number, body: Uint8Array, more = ''): Promise<number> => {
    const bytes = encoder.encode(`NATS/1.0\r\nNats-Expected-Last-Subject-Sequence: ${after}\r\n${more}\r\n`);
    const message = await ask(subject, body, { encode: () => bytes } as unknown as MsgHdrs);
    const { seq, error } = JSON.parse(message.string()) as { seq: number; error?: { description: string } };
    if (error) throw new Error(`the floor was refused: ${error.description}`);
    return seq;
  };
}

/** The same settings as the journal's own stream. */
async function floorLike(connection: NatsConnection): Promise<object> {
  const { config } = (await connection.request('$JS.API.STREAM.INFO.ours-journal')).json<{ config: object }>();
  return { ...config, name: 'floor', subjects: ['floor.>'], metadata: undefined };
}

if (import.meta.main) {
  const server = await startNats({ jetstream: true });
  say(`nats-server ${server.version}, one server, file store`);
  for (const bench of [requests, appends, reads]) for (const figure of await bench(server)) say(row(figure));
  await server.stop();
}
